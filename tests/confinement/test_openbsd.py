"""pledge(2) and unveil(2) by the book, on a C library that notes what it is asked; there is no OpenBSD to run it on."""

from __future__ import annotations

import errno
from typing import Final

import pytest

from filter_api.confinement import openbsd
from filter_api.confinement.needs import Needs

#: Every promise that pledge(2) of OpenBSD 7.8 documents.
DOCUMENTED: Final = frozenset(
    """
    stdio rpath wpath cpath dpath tmppath inet mcast fattr chown flock unix dns getpw sendfd recvfd tape tty proc exec
    prot_exec settime ps vminfo id pf route wroute audio video bpf unveil error disklabel drm vmm
    """.split()  # noqa: SIM905 - as the page has them
)

STORE, SOCKET, CONTROL = frozenset({"/var/db/greylist"}), frozenset({"/var/run/clamd.sock"}), frozenset({"/var/run/f"})


class NotedLibc:
    """Notes its calls; those of `failing` fail."""

    def __init__(self, **failing: int) -> None:
        self.calls: list[tuple[str | None, ...]] = []
        self.failing = failing

    def _note(self, name: str, *arguments: str | None) -> None:
        self.calls.append((name, *arguments))
        if name in self.failing:
            raise OSError(self.failing[name], "no")

    def pledge(self, promises: str) -> None:
        self._note("pledge", promises)

    def unveil(self, path: str | None, permissions: str | None) -> None:
        self._note("unveil", path, permissions)


@pytest.mark.parametrize(
    ("needs", "promises"),
    [
        (Needs(), "stdio rpath error"),
        (Needs(reads=frozenset({"/etc/mail/exempt"})), "stdio rpath error"),
        (Needs(dns=True), "stdio rpath inet dns error"),
        (Needs(ports=frozenset({3310})), "stdio rpath inet error"),
        (Needs(ports=frozenset({783}), names=True), "stdio rpath inet dns error"),
        (Needs(sockets=SOCKET), "stdio rpath unix error"),
        (Needs(keeps=STORE), "stdio rpath wpath cpath flock fattr error"),
        (Needs(keeps=STORE, dns=True), "stdio rpath wpath cpath flock fattr inet dns error"),
        (Needs(listens=CONTROL), "stdio rpath cpath fattr unix error"),
        (Needs(any_port=True, keeps=STORE), "stdio rpath wpath cpath flock fattr inet error"),
    ],
)
def test_the_promises_are_the_fewest_that_do(needs: Needs, promises: str) -> None:
    assert openbsd.promises(needs) == promises
    assert openbsd.promises(needs, loading=True) == promises.replace(" error", " prot_exec error")
    assert set(promises.split()) <= DOCUMENTED


def test_no_promise_is_made_that_is_not_documented_and_none_that_starts_programs() -> None:
    assert set(openbsd.PROMISES) <= DOCUMENTED
    assert not {"exec", "proc", "id", "unveil", "tmppath"} & set(openbsd.PROMISES)


def test_paths_are_shown_then_no_more_then_the_promise_is_made() -> None:
    libc = NotedLibc()
    found = openbsd.confine(Needs(reads=frozenset({"/etc/mail/exempt"}), keeps=STORE), libc)
    *shown, closed, pledged = libc.calls
    assert ("unveil", "/etc/mail/exempt", "r") in shown  # the file, by its name: a new one in its place is it, too
    assert ("unveil", "/var/db/greylist", "rwc") in shown
    assert not [call for call in shown if "x" in str(call[2])]
    assert not [call for call in shown if call[1] in {"/", "/etc", "/etc/mail"}]
    assert closed == ("unveil", None, None)
    assert pledged == ("pledge", "stdio rpath wpath cpath flock fattr prot_exec error")
    assert found.summary() == "unveil, pledge: stdio rpath wpath cpath flock fattr error"
    openbsd.settle(Needs(keeps=STORE), libc)
    assert libc.calls[-1] == ("pledge", "stdio rpath wpath cpath flock fattr error")


def test_a_path_that_is_not_there_is_left_out() -> None:
    class Bare(NotedLibc):
        def unveil(self, path: str | None, permissions: str | None) -> None:
            super().unveil(path, permissions)
            if path is not None and path.startswith("/usr/share"):
                raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    assert openbsd.confine(Needs(), Bare()).missing == ()


@pytest.mark.parametrize(
    ("call", "parts", "missing"), [("unveil", (), ("no unveil: no",)), ("pledge", ("unveil",), ("no pledge: no",))]
)
def test_what_the_kernel_refuses_is_told(call: str, parts: tuple[str, ...], missing: tuple[str, ...]) -> None:
    found = openbsd.confine(Needs(), NotedLibc(**{call: errno.E2BIG}))
    assert (found.parts, found.missing) == (parts, missing)


def test_another_c_library_has_no_such_calls() -> None:
    with pytest.raises(AttributeError):
        openbsd.RealLibc()
