"""Figures: what a part of a process counts or measures, for whoever asks over the control socket.

    def figures(self):
        return [*super().figures(), counter("greeted", "Clients that were greeted.", self.greeted)]

A filter offers its own by `Filter.figures`; what belongs to the process, as its resolver, announces itself to
`filter_api.in_use.FIGURES`. They are made when somebody asks, from what is there anyway; nothing is kept for them.

As OpenMetrics text the one above is ``filter_greeted_total``, with the labels ``process`` and ``filter``. Names, labels
and their values come from the code or from the operator's files, never from a client or the DNS.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_ENDS: Final = ("_total", "_count", "_sum", "_bucket", "_info", "_created")
"""What OpenMetrics puts behind a name itself."""

_GIVEN: Final = frozenset({"process", "filter", "le"})
"""Labels that are put there by whoever shows a figure."""


class Figure(NamedTuple):
    """kind: ``counter``, which only grows, or ``gauge``. value: seconds, bytes or a number. Made by the two below."""

    name: str
    kind: str
    help: str
    value: float
    labels: Mapping[str, str]


def counter(name: str, meaning: str, value: float, **labels: str) -> Figure:
    """How often something happened since the start. Raises ValueError for what no reader of metrics would take."""
    return _figure("counter", name, meaning, value, labels)


def gauge(name: str, meaning: str, value: float, **labels: str) -> Figure:
    """How much there is now. Raises ValueError for what no reader of metrics would take."""
    return _figure("gauge", name, meaning, value, labels)


def _figure(kind: str, name: str, meaning: str, value: float, labels: Mapping[str, str]) -> Figure:
    if re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name) is None or name.endswith(_ENDS):
        raise ValueError(f"no name of a figure: {name!r}; write small letters, digits and _, without _total")
    if wrong := {label for label in labels if label in _GIVEN or not re.fullmatch(r"[a-z][a-z_]{0,29}", label)}:
        raise ValueError(f"no label of a figure: {min(wrong)!r}")
    if "\n" in meaning or not math.isfinite(value):
        raise ValueError(f"{name}: a figure is a finite number, and its meaning one line")
    return Figure(name, kind, meaning, value, labels)
