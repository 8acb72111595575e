"""What became of a file that changed is told in the log of the filter, at the level which it has in earnest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filter_api.files.exempt import ExemptTable
from filter_api.files.networks import Networks
from filter_api.files.tables import AddressTable, DomainTable, KeyValueTable
from filter_api.runtime.log import adopt_stdlib_logging
from tests.files.test_reloading import Clock, write

Look = Callable[[], object]


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines of a filter's log that come from its files."""
    root, ours = logging.getLogger(), logging.getLogger("filter_api")
    before = root.handlers[:], root.level, ours.level
    written: list[str] = []
    try:
        adopt_stdlib_logging(lambda _level, line: written.append(line))
        yield written
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])


def networks(path: str, clock: Clock) -> Look:
    return Networks(path, clock=clock).current


def exempt(path: str, clock: Clock) -> Look:
    table = ExemptTable(path, clock=clock)
    return lambda: table.recipient(b"x@y.example")


def addresses(path: str, clock: Clock) -> Look:
    table = AddressTable(path, clock=clock)
    return lambda: b"x@y.example" in table


def domains(path: str, clock: Clock) -> Look:
    table = DomainTable(path, clock=clock)
    return lambda: b"y.example" in table


def values(path: str, clock: Clock) -> Look:
    table = KeyValueTable(path, int, clock=clock)
    return lambda: table.find_address(b"x@y.example")


@pytest.mark.parametrize(
    ("table", "first", "second", "bad"),
    [
        (networks, "192.0.2.1", "192.0.2.2", "192.0.2.333"),
        (exempt, "192.0.2.1", "host:a.example", "to:a.example"),
        (addresses, "a@b.example", "c@d.example", "a b@c"),
        (domains, "a.example", "b.example", "a@b.example"),
        (values, "a.example 1", "b.example 2", "a.example one"),
    ],
)
def test_a_file_is_told_of_once_when_it_is_read_again_when_it_is_bad_and_when_it_is_good_again(  # noqa: PLR0917
    tmp_path: Path, log: list[str], table: Callable[[str, Clock], Look], first: str, second: str, bad: str
) -> None:
    path, clock = tmp_path / "table", Clock()
    write(path, first + "\n", age=90)
    look = table(str(path), clock)
    told = []
    for age, text in ((80, second), (70, bad), (60, second), (50, bad), (40, first)):
        write(path, text + "\n", age=age)
        for _ in range(3):
            clock.now += 1
            look()
        told.append(log.copy())
        log.clear()
    assert all(len(lines) == 1 for lines in told), told
    (again,), (spoilt,), (good,), (once_more,), (last,) = told
    assert again.endswith(f"{path}: reloaded")
    assert f"{path}:1: " in spoilt
    assert spoilt.endswith("; the version read before stays in use")
    assert good.endswith(f"{path}: good again, and as it was")
    assert once_more == spoilt
    assert last.endswith(f"{path}: reloaded")
