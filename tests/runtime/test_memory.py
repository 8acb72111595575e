"""Memory that is set aside: let go once, told once, and set aside again after a while."""

from __future__ import annotations

import os

import pytest

from filter_api.bounds import MEMORY_RESERVE
from filter_api.runtime.memory import Reserve

NOTE = b'library error=MemoryError note="memory has run out; what is held is being refused"\n'


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_reserve_is_let_go_and_told_once_and_set_aside_again_after_a_second() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    clock = Clock()
    try:
        reserve = Reserve(clock, writing)
        reserve.restore()
        assert reserve.spent is False
        assert len(reserve._held or b"") == MEMORY_RESERVE
        reserve.spend()
        reserve.spend()
        assert reserve.spent is True
        assert reserve._held is None
        assert os.read(reading, 1_000) == NOTE
        clock.now = 100.999
        reserve.restore()
        assert reserve.spent is True, "what comes next may need it"
        clock.now = 101.0
        reserve.restore()
        assert reserve.spent is False
        assert len(reserve._held or b"") == MEMORY_RESERVE
        reserve.spend()
        assert os.read(reading, 1_000) == NOTE
    finally:
        os.close(reading)
        os.close(writing)


def test_a_log_that_nobody_reads_keeps_nothing_back() -> None:
    reserve = Reserve(Clock(), -1)
    reserve.spend()
    assert reserve.spent is True


def test_a_clock_that_fails_for_want_of_memory_leaves_the_reserve_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = Reserve(Clock(), -1)
    reserve.spend()

    def no_memory() -> float:
        raise MemoryError

    monkeypatch.setattr(reserve, "_clock", no_memory)
    reserve.restore()
    assert reserve.spent is True


def test_a_reserve_of_which_no_clock_said_when_it_went_is_set_aside_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = Reserve(Clock(), -1)

    def no_memory() -> float:
        raise MemoryError

    monkeypatch.setattr(reserve, "_clock", no_memory)
    reserve.spend()
    monkeypatch.setattr(reserve, "_clock", lambda: 1.5)
    reserve.restore()
    assert reserve.spent is False


def test_what_is_told_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    Reserve(Clock()).spend()
    assert capfd.readouterr().err.encode() == NOTE
