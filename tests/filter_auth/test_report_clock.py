"""The store of reports under a clock that steps: what is kept, what is forgotten, and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from filter_auth.reports.pace import Pace
from filter_auth.reports.row import Row
from filter_auth.reports.store import Store, open_store
from filter_auth.reports.writer import Writer

TODAY = 20_000
YEAR = 365
A_ROW = Row("example.org", "v=DMARC1; p=none", "{}", plain=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(str(tmp_path / "store"))) as opened:
        yield opened


def days(store: Store) -> list[int]:
    return [each.day for each in store.days()]


def pass_day(store: Store, day: int, *, proven: bool = False) -> None:
    store.add(day, A_ROW, 1)
    store.forget(day, proven=proven)


def test_day_after_day_what_is_older_than_three_days_goes_whatever_is_proven(store: Store) -> None:
    for day in range(TODAY, TODAY + 10):
        pass_day(store, day)
    assert days(store) == [TODAY + 6, TODAY + 7, TODAY + 8, TODAY + 9]


def test_a_step_forward_forgets_nothing_and_what_it_wrote_goes_when_the_clock_is_right_again(store: Store) -> None:
    for day in (TODAY - 1, TODAY):
        pass_day(store, day)
    pass_day(store, TODAY + YEAR)
    pass_day(store, TODAY + YEAR)
    assert days(store) == [TODAY - 1, TODAY, TODAY + YEAR]
    pass_day(store, TODAY)
    assert days(store) == [TODAY - 1, TODAY]


def test_a_step_back_forgets_nothing(store: Store) -> None:
    for day in (TODAY - 1, TODAY):
        pass_day(store, day)
    pass_day(store, TODAY - YEAR)
    assert days(store) == [TODAY - YEAR, TODAY - 1, TODAY]
    pass_day(store, TODAY + 1)
    assert days(store) == [TODAY - 1, TODAY, TODAY + 1]


def test_a_host_that_was_off_for_weeks_forgets_once_its_clock_is_proven(store: Store) -> None:
    pass_day(store, TODAY)
    pass_day(store, TODAY + 30)
    assert days(store) == [TODAY, TODAY + 30]
    pass_day(store, TODAY + 30, proven=True)
    assert days(store) == [TODAY + 30]


def test_so_does_one_whose_filter_never_runs_for_a_day(store: Store) -> None:
    pass_day(store, TODAY)
    for day in range(TODAY + 30, TODAY + 33):
        pass_day(store, day)
    assert days(store) == [TODAY + 30, TODAY + 31, TODAY + 32]


def test_a_day_without_a_step_proves_the_clock() -> None:
    pace = Pace()
    assert not pace.proven(1_700_000_000.0, 5.0)
    assert not pace.proven(1_700_080_000.0, 80_005.0)
    assert pace.proven(1_700_086_400.0, 86_405.0)
    assert pace.proven(1_700_090_400.0, 86_900.0)  # an hour less is a correction
    assert not pace.proven(1_800_000_000.0, 87_000.0)
    assert not pace.proven(1_700_090_600.0, 87_100.0)
    assert pace.proven(1_700_177_100.0, 173_600.0)


def test_the_writer_keeps_the_days_of_before_a_step(tmp_path: Path) -> None:
    told: list[str] = []
    clock = [0.0]
    writer = Writer(str(tmp_path / "store"), told.append, lambda: clock[0])
    for step in (0, 1, YEAR):
        clock[0] += 10.0
        writer.note((TODAY + step) * 86_400.0, A_ROW)
    writer.start()
    writer.stop()
    with closing(open_store(str(tmp_path / "store"))) as store:
        pass_day(store, TODAY + 1)
        assert days(store) == [TODAY, TODAY + 1]
    assert told == []
