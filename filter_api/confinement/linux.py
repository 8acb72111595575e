"""Linux: privileges that cannot be got, files and ports by Landlock, system calls by seccomp.

It is done once, before the process has a second thread: Landlock holds the thread that asks for it and those it starts.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Final

from filter_api.confinement import landlock, recalled, seccomp
from filter_api.confinement.confined import Confined
from filter_api.confinement.kernel import Kernel
from filter_api.confinement.needs import Needs
from filter_api.confinement.places import NAME_SERVERS, places, stuck
from filter_api.confinement.syscalls import MACHINES, Machine

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38

_ACCESS: Final = {
    "r": landlock.READ_FILE | landlock.READ_DIR,
    "w": landlock.WRITE_FILE | landlock.TRUNCATE,
    "c": landlock.MAKE_REG | landlock.MAKE_SOCK | landlock.REMOVE_FILE,
}

REMEDY: Final = "keep it in a directory of its own, or write into it"

SEVERAL_THREADS: Final = "it has more than one thread already"


def confine(needs: Needs, kernel: Kernel) -> Confined:
    """Confine this process for good. Never raises for what the kernel does not have: `Confined.missing` tells."""
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(_PR_SET_DUMPABLE, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unfollowed = _keep_name_servers(needs)
    parts, missing = ["no new privileges"], []
    for what, hold in (("landlock", _hold_files), ("seccomp", _hold_calls)):
        try:
            parts.append(hold(needs, kernel))
        except OSError as error:
            missing.append(f"no {what}: {error.strerror or error}")
    held = any(part.startswith("landlock") for part in parts)
    return Confined(tuple(parts), tuple(missing), (*unfollowed, *_stuck(needs)) if held else ())


def _keep_name_servers(needs: Needs) -> list[str]:
    """resolv.conf(5) lies in a directory of everybody: what it says now is kept. Gives what there is to be told."""
    if not needs.dns or recalled.keep(NAME_SERVERS):
        return []
    return [f"{NAME_SERVERS}: is not there, and will not be read when it is: restart smtpd then"]


def _stuck(needs: Needs) -> list[str]:
    return [f"{path}: a new file in its place will not be read: {REMEDY}" for path in stuck(needs)]


def offer(kernel: Kernel) -> Confined:
    """What this kernel has, without using it."""
    version = landlock.abi(kernel)
    calls = machine() is not None and os.path.exists("/proc/sys/kernel/seccomp/actions_avail")
    have = [landlock.words(version, ports=True)] if version else []
    lack = [] if version else ["no landlock: the kernel has none, or none in its parameter lsm="]
    (have if calls else lack).append("seccomp" if calls else "no seccomp")
    return Confined(tuple(have), tuple(lack))


def machine() -> Machine | None:
    """This one, if it is known and not run in its 32-bit form."""
    return MACHINES.get(os.uname().machine) if sys.maxsize > 1 << 32 else None


def _hold_files(needs: Needs, kernel: Kernel) -> str:
    version = landlock.abi(kernel)
    if not version:
        raise OSError(0, "the kernel has none")
    if len(os.listdir("/proc/self/task")) > 1:
        raise OSError(0, SEVERAL_THREADS)
    rules = {path: _access(letters) for path, letters in places(needs, by_directory=True).items()}
    landlock.restrict(kernel, version, rules, None if needs.any_port else needs.ports | ({53} if needs.dns else set()))
    return landlock.words(version, ports=not needs.any_port)


def _access(letters: str) -> int:
    access = 0
    for letter in letters:
        access |= _ACCESS[letter]
    return access


def _hold_calls(needs: Needs, kernel: Kernel) -> str:
    known = machine()
    if known is None:
        raise OSError(0, f"unknown machine {os.uname().machine}")
    seccomp.install(kernel, known, seccomp.program(known, needs, os.getpid()))
    return "seccomp"
