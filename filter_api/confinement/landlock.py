"""Landlock: the files, TCP ports and processes that are left to this thread and to those it starts (landlock(7)).

    version = abi(kernel)                       # 0 where the kernel has none
    restrict(kernel, version, places, ports)    # places: path → what may be done there, and below

A rule holds for a file or for all that is below a directory, by inode: a file that is replaced is another one, so for
files that change the rule is on their directory. No rule ever gives back what an earlier one has taken.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

from filter_api.confinement.kernel import Kernel

CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
"""The same numbers on every architecture (syscalls(2))."""

_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1
_NET_PORT: Final = 2


EXECUTE: Final = 1 << 0
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
REMOVE_DIR: Final = 1 << 4
REMOVE_FILE: Final = 1 << 5
MAKE_CHAR: Final = 1 << 6
MAKE_DIR: Final = 1 << 7
MAKE_REG: Final = 1 << 8
MAKE_SOCK: Final = 1 << 9
MAKE_FIFO: Final = 1 << 10
MAKE_BLOCK: Final = 1 << 11
MAKE_SYM: Final = 1 << 12
REFER: Final = 1 << 13
TRUNCATE: Final = 1 << 14
IOCTL_DEV: Final = 1 << 15
"""LANDLOCK_ACCESS_FS_* of linux/landlock.h."""

_FIRST: Final = (1 << 13) - 1
_NEWER: Final = ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV))
"""Rights of the first version, and those that came with later ones."""

_FILE_RIGHTS: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""What a rule for a file may hold."""

BIND_TCP: Final = 1
CONNECT_TCP: Final = 2
SCOPES: Final = 3
"""LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and LANDLOCK_SCOPE_SIGNAL."""


def abi(kernel: Kernel) -> int:
    """The version of Landlock this kernel has: 1 to 6 are known here, later ones have more; 0 for none."""
    try:
        return kernel.syscall(CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def handled(version: int) -> int:
    """The rights on files that this version can take away."""
    return _FIRST | sum(right for since, right in _NEWER if since <= version)


def words(version: int, *, ports: bool) -> str:
    """What is held to by this version."""
    held = ["files", *(["tcp"] if version >= 4 and ports else []), *(["signals"] if version >= 6 else [])]
    return f"landlock {version}: {' '.join(held)}"


def ruleset(version: int, *, any_port: bool) -> bytes:
    """struct landlock_ruleset_attr, as long as this version knows it."""
    net = BIND_TCP if any_port else BIND_TCP | CONNECT_TCP
    whole = struct.pack("=QQQ", handled(version), net, SCOPES)
    return whole[: 8 if version < 4 else 16 if version < 6 else 24]


def restrict(kernel: Kernel, version: int, places: Mapping[str, int], ports: Collection[int] | None) -> None:
    """Hold this thread to `places`, and to TCP connections to `ports`; None for any port. Raises OSError.

    PR_SET_NO_NEW_PRIVS must be set. Places that are not there are left out.
    """
    attributes = ruleset(version, any_port=ports is None)
    rules = kernel.syscall(CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for path, access in places.items():
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # not there, or not for this user
                _allow(kernel, rules, path, access & handled(version))
        if version >= 4:
            for port in ports or ():
                kernel.syscall(ADD_RULE, rules, _NET_PORT, struct.pack("=QQ", CONNECT_TCP, port), 0)
        kernel.syscall(RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(kernel: Kernel, rules: int, path: str, access: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= _FILE_RIGHTS
        if access:
            kernel.syscall(ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", access, descriptor), 0)
    finally:
        os.close(descriptor)
