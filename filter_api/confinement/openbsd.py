"""OpenBSD: pledge(2) and unveil(2), called through ctypes. Written by the manual pages; it was never run there.

Two steps. `confine` unveils what is needed and pledges, with ``prot_exec`` still, as modules in C are loaded later;
`settle` drops that when all are loaded. The promise ``error`` is made: what is not promised fails with ENOSYS and does
not kill the process, as smtpd ends with its filters.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final, Protocol

from filter_api.confinement.confined import Confined
from filter_api.confinement.needs import Needs
from filter_api.confinement.places import places

PROMISES: Final = (
    "stdio",
    "rpath",
    "wpath",
    "cpath",
    "flock",
    "fattr",
    "inet",
    "unix",
    "dns",
    "prot_exec",
    "error",
)
"""Those of pledge(2) that are made here, in the order they are written."""


class Libc(Protocol):
    """What is called; tests have one that notes its calls. Both raise OSError."""

    def pledge(self, promises: str) -> None: ...

    def unveil(self, path: str | None, permissions: str | None) -> None: ...


class RealLibc:
    """The C library of this process. Raises AttributeError where it has no such calls."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._pledge, self._unveil = library.pledge, library.unveil

    def pledge(self, promises: str) -> None:
        """Promise to do nothing else; programs that are started promise nothing, as none can be."""
        _check(self._pledge(promises.encode("ascii"), None))

    def unveil(self, path: str | None, permissions: str | None) -> None:
        """Show a path; None twice: show no more."""
        _check(
            self._unveil(
                None if path is None else os.fsencode(path),
                None if permissions is None else permissions.encode("ascii"),
            )
        )


def _check(result: int) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def promises(needs: Needs, *, loading: bool = False) -> str:
    """The promises for these needs. loading: modules are still to be loaded."""
    made = {"stdio", "rpath", "error"}  # rpath: tracebacks read source, and unveil has left little else
    if needs.keeps:
        made |= {"wpath", "cpath", "flock", "fattr"}  # SQLite locks its files, and gives a journal the database's mode
    if needs.listens:
        made |= {"cpath", "fattr"}
    if needs.inet:
        made.add("inet")
    if needs.dns or needs.names:
        made.add("dns")
    if needs.unix:
        made.add("unix")
    if loading:
        made.add("prot_exec")
    return " ".join(each for each in PROMISES if each in made)


def confine(needs: Needs, libc: Libc) -> Confined:
    """The first step. Raises nothing: `Confined.missing` tells."""
    try:
        for path, letters in places(needs, by_directory=False).items():
            _unveil(libc, path, letters)
        libc.unveil(None, None)
    except OSError as error:
        return Confined((), (f"no unveil: {error.strerror or error}",))
    try:
        libc.pledge(promises(needs, loading=True))
    except OSError as error:
        return Confined(("unveil",), (f"no pledge: {error.strerror or error}",))
    return Confined(("unveil", f"pledge: {promises(needs)}"))


def _unveil(libc: Libc, path: str, letters: str) -> None:
    try:
        libc.unveil(path, letters)
    except FileNotFoundError:  # its directory is not there: nothing to show
        return


def settle(needs: Needs, libc: Libc) -> None:
    """The second step, when all modules are loaded. Raises OSError."""
    libc.pledge(promises(needs))
