"""What the pages and examples say of metrics is what a filter gives, name by name and label by label."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from filter_api.control.openmetrics import exposition
from tests.control.test_openmetrics import status
from tests.support.figures import figures_of_filters, figures_of_process
from tests.support.metrics import Sample, samples

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "monitoring"
PAGE = (ROOT / "man" / "opensmtpd-filters.7").read_text(encoding="utf-8")

MEMBER = status()["members"][0]

_NAME = re.compile(r"\bfilter_[a-z_]+\b")
_LABELS = re.compile(r"by \(([a-z, ]+)\)|\{\{ ?(?:\$labels\.)?([a-z]+) ?\}\}")


@cache
def given() -> list[Sample]:
    """Every metric that there is: those of any filter, and the figures of those that have some."""
    with TemporaryDirectory() as directory:
        own = figures_of_filters(Path(directory))
    process, member = ([each._asdict() for each in figures] for figures in (figures_of_process(), own))
    return samples(
        exposition([status(), status(process="x/all", figures=process, members=[{**MEMBER, "figures": member}])])
    )


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((EXAMPLES / "prometheus.rules.yml").read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((EXAMPLES / "grafana.json").read_text(encoding="utf-8"))["panels"]
    return found


def expressions() -> list[tuple[str, str]]:
    """What is asked for, with the text that shows its labels."""
    asked = [(rule["expr"], " ".join(rule["annotations"].values())) for rule in rules()]
    return asked + [(target["expr"], target["legendFormat"]) for panel in panels() for target in panel["targets"]]


@pytest.mark.parametrize(("expression", "shown"), expressions())
def test_an_example_asks_for_metrics_and_labels_that_there_are(expression: str, shown: str) -> None:
    names = set(_NAME.findall(expression))
    assert names
    assert names <= {sample.name for sample in given()}
    labels = {label for sample in given() if sample.name in names for label in sample.labels}
    wanted = {
        word.strip() for both in _LABELS.findall(f"{expression} {shown}") for word in ",".join(both).split(",") if word
    }
    assert wanted <= labels


def test_the_page_lists_every_metric_and_no_other() -> None:
    section = PAGE[PAGE.index("\n.Ss Metrics") : PAGE.index("\n.Sh FILES")]
    listed = set(_NAME.findall(" ".join(re.findall(r"^\.It Cm (.*)", section, re.MULTILINE))))
    assert listed == {re.sub(r"_(bucket|count|sum)$", "", sample.name) for sample in given()}


def test_the_page_names_every_label_but_that_of_the_classes() -> None:
    section = PAGE[PAGE.index("\n.Ss Metrics") : PAGE.index("\n.Sh FILES")]
    named = {
        word for line in re.findall(r"^\.Cm ([a-z ,]+)", section, re.MULTILINE) for word in re.findall("[a-z]+", line)
    }
    assert {label for sample in given() for label in sample.labels} - {"le"} <= named


def test_the_panels_of_the_dashboard_do_not_overlap_and_have_a_title() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(set(places)) == len(places) == 16
    assert all(panel["title"] for panel in panels())
