"""Figures are held to their bounds, in the direction that counts."""

from __future__ import annotations

from bench.figures import Figure, failed, table


def test_less_is_better_unless_said_otherwise() -> None:
    assert Figure("time", 0.9, must=1.0).verdict == "ok"
    assert Figure("time", 1.0, must=1.0).verdict == "ok"
    assert Figure("time", 1.1, must=1.0).verdict == "FAIL"
    assert Figure("rate", 1.1, must=1.0, higher=True).verdict == "ok"
    assert Figure("rate", 0.9, must=1.0, higher=True).verdict == "FAIL"
    assert Figure("interesting", 1e9).verdict == ""


def test_those_beyond_their_bound_are_told() -> None:
    figures = [Figure("good", 1, must=2), Figure("bad", 3, must=2), Figure("unbound", 3)]
    assert [figure.what for figure in failed(figures)] == ["bad"]


def test_the_table_has_a_row_each_of_the_same_width() -> None:
    lines = table("Title", [Figure("short", 1), Figure("a longer one", 12345.6, "us", 10, 5, note="n")]).splitlines()
    assert lines[0] == "## Title"
    assert len({len(line) for line in lines[2:]}) == 1
    assert "12,346 us" in lines[-1]
    assert "FAIL" in lines[-1]
