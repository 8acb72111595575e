"""``filterctl lists import``: a spamd.conf(5) as lists.conf(5), with the same lists in the same order.

What cannot be taken over stands there as a comment with the reason, which is given as a warning, too: lists that are
published no more, programs to run (unless asked for), a white list without a black one before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from filter_api.errors import ConfigError, named
from filter_api.text.escape import printable
from filter_api.text.lines import Line
from filter_lists.conf import parse_conf
from filter_lists.message import one_text
from filter_lists.tool.getcap import Record, records, unescaped
from filter_lists.words import quoted

_LARGEST: Final = 1_000_000
"""Bytes of a spamd.conf that is read."""

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(slots=True)
class _Import:
    """What was made so far. lines: of lists.conf. names: old name to new. left_out: old names of what is a comment."""

    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    black: dict[str, bool] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


def import_spamd(path: str, *, programs: bool, dead: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text of a lists.conf, and what to warn of. programs: lists of method exec are taken over.

    dead: parts of names and addresses of lists that have ended, and why. Raises ConfigError.
    """
    with named(path), open(path, "rb") as file:
        text = file.read(_LARGEST).decode("utf-8", "replace")
    every = {name: record for record in reversed(list(records(text))) for name in record.names}
    if "all" not in every:
        raise ConfigError(f"{printable(path)}: no spamd.conf: there is no record all:")
    order = every["all"].fields
    made = _Import([f"# Made of {printable(path)} by filterctl lists import.", ""])
    for old in dict.fromkeys(order):
        if old in every:
            _take(made, old, every[old], programs=programs, dead=dead)
        else:
            _warn(made, old, f"all: names {printable(old)}, which is not defined")
    made.lines += ["", *_order(made, order)]
    return "\n".join(made.lines) + "\n", made.warnings


def _take(made: _Import, old: str, record: Record, *, programs: bool, dead: Mapping[str, str]) -> None:
    """One list, as a line or as a comment."""
    name = _new_name(old, set(made.names.values()))
    black = "black" in record.fields
    method, target = record.values.get("method", "file"), unescaped(record.values.get("file", "")).strip('"')
    source = _source(method, target)
    words = [name, "black" if black else "white", source]
    words += ["every=1h"] if method == "file" and target.endswith(".gz") else []
    reason = next((why for part, why in dead.items() if part in target.lower() or part in old.lower()), "")
    if not black and "white" not in record.fields:
        reason = reason or "neither black nor white"
    if method == "exec" and not programs:
        reason = reason or "it runs a program; look at it, and import with -x, or take the sign away"
    if "tc" in record.values:
        reason = reason or "it refers to another record (tc=), which is not followed"
    if black:
        words += _message(made, old, record)
    line = " ".join(words)
    if not line.isprintable():  # it goes to a terminal
        line, reason = printable(line, 2_000), reason or "it has control characters"
    reason = reason or _mistake(line)
    made.names[old], made.black[old] = name, black
    if reason:
        _warn(made, old, f"{printable(old)}: {reason}")
        line = f"#{line}"
    made.lines.append(line)


def _source(method: str, target: str) -> str:
    if method in {"http", "https", "ftp"}:
        return f"{method}://{target.removeprefix(f'{method}://')}"
    return f"{method}:{quoted(target) if re.search(r'[^!-~]', target) else target}"


def _message(made: _Import, old: str, record: Record) -> list[str]:
    """The option msg: a text, or a file, which in spamd.conf has no quotes around it."""
    value = record.values.get("msg", "").strip()
    if not value:
        return []
    if not value.startswith('"'):
        path = unescaped(value)
        return [f"msg={quoted(path) if re.search(r'[^!-~]', path) else path}"]
    try:
        return [f"msg={quoted(one_text(unescaped(value[1:].removesuffix(chr(34))).splitlines()))}"]
    except ValueError as error:
        made.warnings.append(f"{printable(old)}: {error}; the default text is used")
        return []


def _mistake(line: str) -> str:
    """What lists.conf has against a line, or nothing."""
    try:
        name = line.split(maxsplit=1)[0]
        other = "other black file:/dev/null"
        parse_conf([Line(1, line.encode()), Line(2, other.encode()), Line(3, f"order other {name}".encode())])
    except ValueError as error:
        return str(error)
    return ""


def _new_name(old: str, taken: set[str]) -> str:
    """A name that lists.conf takes, as much like the old one as can be."""
    base = _NO_NAME.sub("-", old).strip("-_")[:28] or "list"
    if base in {"all", "order", "black", "white"}:
        base += "-list"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def _order(made: _Import, order: Sequence[str]) -> list[str]:
    """The line with the order, of what is left: a white list goes with the black one that it was taken from."""
    kept: list[str] = []
    begun: set[str] = set()
    dropped = True  # whether the black list before was left out, or there was none
    for old in order:
        if old not in made.names:
            continue
        if made.black[old]:
            dropped = old in made.left_out or old in begun
            begun.add(old)
        elif dropped and not begun:
            made.warnings.append(f"{printable(old)}: a white list before any black one; spamd-setup took it from none")
        if not dropped and old not in made.left_out:
            kept.append(made.names[old])
    before = " ".join(made.names.get(old, printable(old)) for old in order)
    lines = [f"# The order was: {before}"] if before.split() != kept else []
    if not kept:
        made.warnings.append("no black list is left: name one, and write an order, before filter-lists can start")
        return [*lines, "#order"]
    return [*lines, f"order {' '.join(kept)}"]


def _warn(made: _Import, old: str, text: str) -> None:
    """Leave a list out, and say why."""
    made.left_out.add(old)
    made.warnings.append(text)
    made.lines.append(f"# {text}")
