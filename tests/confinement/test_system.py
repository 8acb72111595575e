"""Each system has its own way; one that has none says so."""

from __future__ import annotations

import ctypes
import sys

import pytest

from filter_api.confinement import kernel, linux, openbsd, system
from filter_api.confinement.confined import Confined
from filter_api.confinement.needs import Needs

HELD = Confined(("held",))


class Libc:
    """An OpenBSD that allows everything."""

    promises: list[str] = []

    def pledge(self, promises: str) -> None:
        self.promises.append(promises)

    def unveil(self, path: str | None, permissions: str | None) -> None: ...


def test_linux_is_asked_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(kernel, "Kernel", lambda: "kernel")
    monkeypatch.setattr(linux, "confine", lambda _, asked: HELD if asked == "kernel" else None)
    monkeypatch.setattr(linux, "offer", lambda asked: HELD if asked == "kernel" else None)
    assert system.confine(Needs()) == system.offer() == HELD
    system.settle(Needs())


def test_openbsd_is_asked_on_openbsd_and_again_when_all_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "openbsd7")
    monkeypatch.setattr(openbsd, "RealLibc", Libc)
    monkeypatch.setattr(Libc, "promises", [])
    assert system.confine(Needs()).summary() == "unveil, pledge: stdio rpath error"
    system.settle(Needs())
    assert Libc.promises == ["stdio rpath prot_exec error", "stdio rpath error"]
    assert system.offer().summary() == "pledge, unveil"


@pytest.mark.parametrize("platform", ["freebsd14", "darwin"])
def test_another_system_has_nothing_and_says_so(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert system.confine(Needs()).summary() == system.offer().summary() == f"nothing (no way is known on {platform})"
    system.settle(Needs())


def test_a_c_library_that_cannot_be_called_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", broken)
    assert system.confine(Needs()).summary() == system.offer().summary() == "nothing (no such library)"
