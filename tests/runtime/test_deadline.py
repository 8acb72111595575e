"""One timer for many deadlines."""

from __future__ import annotations

import pytest

from filter_api.runtime.deadline import Deadlines
from filter_api.testing import FakeTimeLoop


def unexpected(error: BaseException) -> None:
    pytest.fail(f"nothing here throws: {error}")


def test_deadlines_fall_in_order_unless_done() -> None:
    loop = FakeTimeLoop()
    fallen: list[int] = []
    deadlines = Deadlines(loop, unexpected)
    entries = [deadlines.add(float(due), lambda due=due: fallen.append(due)) for due in (5, 1, 3, 2, 4)]  # type: ignore[misc]  # mypy cannot see the default
    entries[2].done = True
    loop.advance(2.5)
    assert fallen == [1, 2]
    deadlines.add(2.6, lambda: fallen.append(26))
    loop.advance(10)
    assert fallen == [1, 2, 26, 4, 5]
    assert len(deadlines) == 0
    loop.close()


def test_what_is_overdue_falls_at_a_sweep_without_the_timer() -> None:
    loop = FakeTimeLoop()
    fallen: list[str] = []
    deadlines = Deadlines(loop, unexpected)
    deadlines.add(-1.0, lambda: fallen.append("overdue"))
    deadlines.add(1.0, lambda: fallen.append("not yet"))
    deadlines.sweep()
    assert fallen == ["overdue"]
    loop.close()


def test_thousands_need_one_timer() -> None:
    loop = FakeTimeLoop()
    fallen: list[float] = []
    deadlines = Deadlines(loop, unexpected)
    for number in range(5_000):
        deadlines.add(10 + number / 1_000, lambda: fallen.append(loop.time()))
    loop.advance(9.9)
    assert fallen == []
    loop.advance(10)
    assert len(fallen) == 5_000
    loop.close()


def test_one_that_throws_keeps_no_other_back() -> None:
    loop = FakeTimeLoop()
    fallen: list[int] = []
    failed: list[BaseException] = []
    deadlines = Deadlines(loop, failed.append)

    def throw() -> None:
        raise KeyboardInterrupt

    for what in (lambda: fallen.append(1), throw, lambda: fallen.append(2)):
        deadlines.add(1.0, what)
    loop.advance(2)
    assert fallen == [1, 2]
    assert [type(error) for error in failed] == [KeyboardInterrupt]
    loop.close()


def test_what_was_dropped_is_not_kept_until_it_would_have_been_due() -> None:
    loop = FakeTimeLoop()
    fallen: list[str] = []
    deadlines = Deadlines(loop, unexpected)
    for due in (100.0, 200.0):
        deadlines.add(due, lambda: fallen.append("dropped")).drop()
    deadlines.add(300.0, lambda: fallen.append("due"))
    deadlines.sweep()
    assert len(deadlines) == 1
    loop.advance(400)
    assert fallen == ["due"]
    loop.close()
