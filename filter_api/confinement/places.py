"""Which paths of a machine a filter may still touch, and how: ``r`` read, ``w`` write, ``c`` make and remove.

The letters are those of unveil(2); a directory stands for all that is below it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Final

from filter_api.confinement.needs import Needs

BROAD: Final = frozenset(
    f"/{name}".rstrip("/")
    for name in (
        *("", "bin", "boot", "dev", "etc", "home", "lib", "media", "mnt", "opt", "proc", "root", "run", "sbin", "srv"),
        *("sys", "tmp", "usr", "usr/local", "usr/local/etc", "var", "var/db", "var/lib", "var/run", "var/spool"),
        *("var/tmp", "etc/ssl"),
    )
) | {"/"}
"""Directories that hold the files of everybody: of what lies in one of them only that file is left."""

LIBRARIES: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/var/run/ld.so.hints",
)
"""Shared libraries: those of modules, and what the C library loads when it looks hosts up."""

ALWAYS: Final = (
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/etc/ssl/openssl.cnf",
    "/dev/urandom",
    "/sys/devices/system/cpu",  # how many there are, for a pool of threads
)

NAME_SERVERS: Final = "/etc/resolv.conf"

RESOLVING: Final = (NAME_SERVERS, "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf")

AUTHORITIES: Final = (
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/pki",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
)
"""Certificates of the authorities, which TLS to a store reads when it connects."""


def places(needs: Needs, *, by_directory: bool) -> dict[str, str]:
    """Path → letters. by_directory: a file that is replaced is found by its directory only (Landlock), not by its name.

    What follows a symbolic link is named where it is, too.
    """
    found: dict[str, str] = {}
    real = _Real()

    def add(paths: Iterable[str], letters: str) -> None:
        for path in paths:
            for each in {path, real(path)}:
                found[each] = "".join(letter for letter in "rwc" if letter in letters + found.get(each, ""))

    add(_python(), "r")
    add((*LIBRARIES, *ALWAYS), "r")
    add([os.devnull], "rw")
    if needs.dns or needs.names:
        add(_followed(RESOLVING, real, by_directory), "r")
    if needs.any_port or needs.ports:
        add(AUTHORITIES, "r")
    add(_followed(needs.reads, real, by_directory), "r")
    add(needs.trees, "r")
    add(needs.keeps, "rwc")
    add(needs.sockets, "rw")
    add(needs.listens, "rwc")
    add((os.path.dirname(path) for path in needs.listens), "rwc")
    return found


def stuck(needs: Needs) -> list[str]:
    """Files that Landlock cannot follow: who replaces one, instead of writing into it, has to restart smtpd."""
    real = _Real()
    return sorted(path for path in needs.reads if os.path.dirname(real(path)) in BROAD)


class _Real:
    """`os.path.realpath` for ten thousand keys: it looks at each folder above a file, here once for all files in it."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        """Where a path leads."""
        folder, name = os.path.split(path)
        if name in {"", ".", ".."} or os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


def _followed(paths: Iterable[str], real: _Real, by_directory: bool) -> list[str]:
    """What to name for files that others replace: the directories, unless those are everybody's."""
    found = []
    for path in paths:
        homes = {os.path.dirname(path), os.path.dirname(real(path))} - BROAD if by_directory else set()
        found += [path, *homes]
    return found


def _python() -> list[str]:
    """Where Python's own files and the installed packages are.

    Modules are loaded after the confinement has begun, a traceback shows lines of source, and there is no secret in
    them. Where the program was started does not count.
    """
    here = os.getcwd()
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    roots = [path for path in sys.path if os.path.isabs(path) and path != here and path not in BROAD]
    return [*roots, own, os.path.join(sys.base_prefix, "lib"), os.path.dirname(os.__file__)]
