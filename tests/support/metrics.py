"""Metrics as the parser of prometheus_client reads them."""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client.openmetrics.parser import text_string_to_metric_families


class Sample(NamedTuple):
    """One line."""

    name: str
    labels: dict[str, str]
    value: float


def samples(text: str) -> list[Sample]:
    """All lines. Raises ValueError where the text is not what OpenMetrics says."""
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # it ships no types for this
    return [Sample(one.name, dict(one.labels), float(one.value)) for family in families for one in family.samples]
