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


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", [SAMPLE, HELD_OUT], ids=["tuned", "held-out"])
def test_the_samples_are_well_formed(path: Path) -> None:
    names = read_sample(path)
    assert len({(entry.name, entry.address) for entry in names}) == len(names)
    assert {entry.label for entry in names} <= {"access", "server", "unsure"}


def test_the_manual_page_tells_the_truth() -> None:
    page = " ".join((ROOT / "man/filter-dyndns.8").read_text().split())
    tuned, held_out = measure(read_sample(SAMPLE)), measure(read_sample(HELD_OUT))
    assert f"{100 * tuned.recall:.0f} of 100 access lines are refused and no server is" in page
    assert f"it is {100 * held_out.recall:.0f} of 100, and one server of {held_out.servers}" in page
    assert len(held_out.refused_servers) == 1


def test_no_name_is_in_both() -> None:
    known = {(entry.name, entry.address) for entry in read_sample(SAMPLE)}
    assert not known & {(entry.name, entry.address) for entry in read_sample(HELD_OUT)}
