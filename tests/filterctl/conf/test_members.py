"""The filters that a command of smtpd.conf runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterctl.conf.members import commands


def test_a_filter_of_its_own_is_one() -> None:
    assert commands(["/x/filter-rdns", "-f"]) == [["/x/filter-rdns", "-f"]]
    assert commands([]) == []


def test_the_members_of_a_chain_are_filters_each_with_what_is_given_once(tmp_path: Path) -> None:
    path = tmp_path / "filters"
    path.write_text("rdns -f\nstrict: filter-dyndns -s 3\n")
    found = commands(["/x/filter-chain", "-p", "-N", "192.0.2.1", "-f", str(path)])
    assert found == [
        ["filter-rdns", "-N", "192.0.2.1", "-f"],
        ["filter-dyndns", "-N", "192.0.2.1", "-s", "3"],
    ]


@pytest.mark.parametrize("words", [["filter-chain"], ["filter-chain", "-f", "/nonexistent"], ["filter-chain", "-V"]])
def test_what_is_wrong_with_a_chain_is_told_by_others(words: list[str]) -> None:
    assert commands(words) == [words]
