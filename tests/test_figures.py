"""Figures are built only as every reader of metrics takes them."""

from __future__ import annotations

import math

import pytest

from filter_api.figures import counter, gauge


def test_a_figure_is_what_was_said_of_it() -> None:
    made = counter("greeted", "Clients that were greeted.", 3, at="door")
    assert made == ("greeted", "counter", "Clients that were greeted.", 3, {"at": "door"})
    assert gauge("waiting", "Clients that wait.", 0.5).kind == "gauge"


@pytest.mark.parametrize(
    "name", ["", "Upper", "9th", "with-dash", "with blank", "greeted_total", "x_bucket", "é", "a" * 61]
)
def test_a_name_that_openmetrics_has_not_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a figure"):
        counter(name, "What it is.", 1)


@pytest.mark.parametrize("label", ["process", "filter", "le", "Upper", "1st", "a-b"])
def test_a_label_that_is_taken_or_is_none_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="no label of a figure"):
        gauge("waiting", "Clients that wait.", 1, **{label: "x"})


@pytest.mark.parametrize(("meaning", "value"), [("two\nlines", 1.0), ("one line", math.inf), ("one line", math.nan)])
def test_a_value_that_is_none_is_refused(meaning: str, value: float) -> None:
    with pytest.raises(ValueError, match="waiting: a figure is a finite number"):
        gauge("waiting", meaning, value)
