"""Conditions of option -m of ``filterctl quarantine``: ``from=@example.org``, ``score>=5``, ``date=yesterday``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from filter_api.errors import UsageError
from filter_api.quarantine.directory import time_of
from filter_api.text.escape import printable
from filter_api.text.sizes import parse_bytes
from filterctl.mail.timestamps import local, since, until

Condition = Callable[[Mapping[str, str]], bool]
"""Whether a message, as texts by key, is one of those."""

TEXTS: Final = ("client", "filter", "from", "id", "released", "result", "subject", "to", "virus")
"""Keys whose value is searched for a text."""

_CONDITION: Final = re.compile(r"([a-z]+)(>=|<=|=|>|<)(.*)", re.DOTALL)


def parse_condition(text: str) -> Condition:
    """A condition from the command line. Raises UsageError."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise UsageError(f"-m takes key=text, date=day, score>=number or size<bytes, not {printable(text, 60)}")
    key, sign, value = found.groups()
    if key == "date":
        return _dated(sign, value)
    if key in {"score", "size"}:
        return _measured(key, sign, value)
    if key not in TEXTS:
        raise UsageError(f"-m: there is no {printable(key, 20)}; there are date, score, size, {', '.join(TEXTS)}")
    if sign != "=":
        raise UsageError(f"-m: only date, score and size can be compared by {sign}")
    wanted = value.lower()
    return lambda message: wanted in message[key].lower()


def _dated(sign: str, value: str) -> Condition:
    """The day, or the time, a message was refused at, as local time."""
    try:
        begin, end = since(value), until(value)
    except UsageError as error:
        raise UsageError(f"-m date{sign}: {str(error).removeprefix('-s takes ')}") from None

    def test(message: Mapping[str, str]) -> bool:
        when = local(time_of(message["id"])).isoformat(timespec="seconds")
        return {
            "=": begin <= when < end or when == begin,  # a time has no length, a day has
            "<": when < begin,
            "<=": when < end or when == begin,
            ">": when >= end and when != begin,
            ">=": when >= begin,
        }[sign]

    return test


def _measured(key: str, sign: str, value: str) -> Condition:
    try:
        bound = float(value) if key == "score" else float(parse_bytes(value))
    except ValueError:
        raise UsageError(f"-m: no number: {printable(value, 40)}") from None

    def test(message: Mapping[str, str]) -> bool:
        known = _number(message[key])
        return known is not None and compare(known, sign, bound)

    return test


def compare(value: float, sign: str, bound: float) -> bool:
    """``value sign bound``, as the signs of -m are meant."""
    return {"=": value == bound, ">": value > bound, "<": value < bound, ">=": value >= bound, "<=": value <= bound}[
        sign
    ]


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,12}(?:\.\d{1,6})?", text) else None
