"""The labelled sample: what is promised of it in filter-dyndns(8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.dyndns import HELD_OUT, SAMPLE, measure, read_sample


def test_at_least_95_percent_of_access_lines_and_no_server() -> None:
    result = measure(read_sample(SAMPLE))
    assert result.access + result.servers >= 300
    assert result.recall >= 0.95
    assert result.refused_servers == []


@pytest.mark.parametrize("path", [SAMPLE, HELD_OUT], ids=["tuned", "held-out"])
def test_the_samples_are_well_formed(path: Path) -> None:
    names = read_sample(path)
    assert len({(entry.name, entry.address) for entry in names}) == len(names)
    assert {entry.label for entry in names} <= {"access", "server", "unsure"}


def test_no_name_is_in_both() -> None:
    known = {(entry.name, entry.address) for entry in read_sample(SAMPLE)}
    assert not known & {(entry.name, entry.address) for entry in read_sample(HELD_OUT)}
