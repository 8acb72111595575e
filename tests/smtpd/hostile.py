"""A filter of this suite that was broken into: once it runs it tries what it should not do, and logs what came of it.

It runs inside the private system. The first argument is the name of the filter, the others are its own. What it wants
lies open to everybody by owner and mode, so nothing but the confinement stands in its way.
"""

import asyncio
import ctypes
import errno
import importlib
import os
import socket
import sys
from collections.abc import Callable

from filter_api.runtime import guard

OTHER = "/var/lib/other"


def read(path: str) -> str:
    """All of a file."""
    with open(path) as file:
        return file.read()


def write(path: str, mode: str = "w") -> None:
    """Into a file."""
    with open(path, mode) as file:
        file.write("x\n")


def spawn() -> None:
    """A shell, as subprocess starts one."""
    os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", f"echo x >{OTHER}/by-spawn"], {}), 0)


def system() -> None:
    """A shell, as the C library starts one."""
    if os.system(f"echo x >{OTHER}/by-system"):
        raise PermissionError(errno.EPERM, "no shell")


def fork() -> None:
    """A second process."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def call(name: str, *arguments: int) -> None:
    """A function of the C library."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read-secret": lambda: read(f"{OTHER}/secret"),
    "read-passwd": lambda: read("/etc/passwd"),
    "read-environment": lambda: read("/proc/self/environ"),
    "list": lambda: os.listdir(OTHER),
    "write-new": lambda: write(f"{OTHER}/new"),
    "write-old": lambda: write(f"{OTHER}/table", "a"),
    "write-etc": lambda: write("/etc/open/filter"),
    "truncate": lambda: os.truncate(f"{OTHER}/table", 0),
    "chmod": lambda: os.chmod(f"{OTHER}/own", 0o777),
    "remove": lambda: os.unlink(f"{OTHER}/table"),
    "rename": lambda: os.rename(f"{OTHER}/table", f"{OTHER}/gone"),
    "spawn": spawn,
    "system": system,
    "fork": fork,
    "connect": lambda: socket.create_connection(("203.0.113.25", 2500), 5),
    "listen": lambda: socket.create_server(("0.0.0.0", 0)),
    "listen-unbound": lambda: socket.socket().listen(),
    "unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect("/var/run/smtpd.sock"),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "signal": lambda: os.kill(int(read("/var/lib/other/pid")), 0),
    "unshare": lambda: call("unshare", 0x10000000),
    "trace": lambda: call("ptrace", 16, 1 << 22, 0, 0),  # PTRACE_ATTACH to nobody: ESRCH for who may ask
}


def result(attempt: Callable[[], object]) -> str:
    """``got``, or the name of the error."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "error")
    return "got"


def tell(where: str) -> None:
    """Try everything, and print a line for each attempt: what is printed goes to the log."""
    for name, attempt in ATTEMPTS.items():
        print(f"hostile {sys.argv[0]} {where} {name} {result(attempt)}.")


async def started(self: guard.Guarded) -> None:
    """The filter runs; in its thread and in another it is not itself any more."""
    await start(self)
    tell("loop")
    await asyncio.to_thread(tell, "thread")
    print(f"hostile {sys.argv[0]} is done.")


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    start = guard.Guarded.start
    guard.Guarded.start = started  # type: ignore[method-assign]
    importlib.import_module(f"{sys.argv[0].replace('-', '_')}.__main__").run()
