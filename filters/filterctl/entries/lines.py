"""Entries in the text of a file: put one in, take one out, list them; every other line stays as it is. Pure.

Behind an entry stands when it was made, by whom and why::

    192.0.2.7 until 2026-12-31  # 2026-11-28 ann: their provider promises a PTR record

In a table of smtpd's (`smtpd`), where nothing may stand behind an entry, that is the line above it, without ``until``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from filter_api.files.networks import items_of
from filter_api.text.escape import printable
from filter_api.text.lines import NEVER, LineError, content_lines, dated
from filterctl.entries.what import key_of

AS_LIST: Final = b"# @list\n"
"""Says that a table of smtpd's is a list. One that is empty when smtpd starts is taken for a map without it, and then
``smtpctl update table`` refuses entries until smtpd is started again.
"""

_MARK: Final = b"\xef\xbb\xbf"
_COMMENT: Final = re.compile(rb"(?:^|\s)[#;]\s*(.*)", re.DOTALL)
_STAMP: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) ([A-Za-z0-9._-]{1,32})(?:: (.*))?", re.DOTALL)


class Stamp(NamedTuple):
    """When an entry was made (2026-11-28), by whom, and why; empty where nothing says so."""

    when: str
    who: str
    why: str

    def __str__(self) -> str:
        return f"# {self.when} {self.who}{f': {self.why}' if self.why else ''}"


class Listed(NamedTuple):
    """An entry of a file: its line, what it says without ``until``, up to which day (or ""), when that is over."""

    number: int
    text: str
    until: str
    expires: float
    stamp: Stamp


def listed(data: bytes, *, smtpd: bool = False) -> Iterator[Listed]:
    """The entries of a file. Raises LineError for an ``until`` without a date."""
    raw = data.removeprefix(_MARK).split(b"\n")
    for line in content_lines(data):
        if smtpd:
            above = _comment(raw[line.number - 2]) if line.number > 1 else ""
            stamp = _stamp(above) if _STAMP.fullmatch(above) else Stamp("", "", "")
            yield Listed(line.number, _text(line.text), "", NEVER, stamp)
            continue
        entry = dated(line)
        until = _text(line.text.split()[-1]) if entry.expires != NEVER else ""
        yield Listed(line.number, _text(entry.line.text), until, entry.expires, _stamp(_comment(raw[line.number - 1])))


def put(data: bytes, text: str, stamp: Stamp, until: str = "", *, smtpd: bool = False) -> bytes:
    """The file with an entry: at its end, or in the place of one that says the same, whose comment stays without a new.

    Raises LineError where that one shares its line with others.
    """
    found = _lines_of(data, text, smtpd)
    if found and not stamp.why:
        stamp = stamp._replace(why=next((each.stamp.why for each in found if each.stamp.why), ""))
    mark = _MARK if data.startswith(_MARK) else b""
    raw = data[len(mark) :].split(b"\n")
    end = b"\r" if len(raw) > 1 and raw[0].endswith(b"\r") else b""
    new = [line.encode("utf-8", "surrogateescape") + end for line in _written(text, stamp, until, smtpd)]
    if not found:
        if raw[-1] == b"":
            raw.pop()  # the file ends with a line end, or is empty
        elif end:
            raw[-1] = raw[-1].removesuffix(b"\r") + end
        return mark + b"\n".join([*raw, *new, b""])
    at = _first_line(raw, found[0], smtpd)
    raw[at : found[0].number] = new
    shift = len(new) - (found[0].number - at)
    rest = [each._replace(number=each.number + shift) for each in found[1:]]
    return mark + b"\n".join(_without(raw, rest, smtpd))


def taken(data: bytes, text: str, *, smtpd: bool = False) -> tuple[bytes, int]:
    """The file without an entry, and from how many lines it was taken. Raises LineError as `put` does."""
    found = _lines_of(data, text, smtpd)
    mark = _MARK if data.startswith(_MARK) else b""
    return mark + b"\n".join(_without(data[len(mark) :].split(b"\n"), found, smtpd)), len(found)


def put_in_table(data: bytes, texts: Sequence[str], stamp: Stamp) -> bytes:
    """A table of smtpd's with entries; one that is empty says that it is a list. Raises LineError."""
    if is_empty(data):
        data = AS_LIST + data
    for text in texts:
        data = put(data, text, stamp, smtpd=True)
    return data


def is_empty(data: bytes) -> bool:
    """Whether nothing in a table of smtpd's says that it is a list: no entry, and no line ``# @list``."""
    return not content_lines(data) and not any(_comment(line) == "@list" for line in data.split(b"\n"))


def _without(raw: list[bytes], entries: list[Listed], smtpd: bool) -> list[bytes]:
    for each in reversed(entries):
        del raw[_first_line(raw, each, smtpd) : each.number]
    return raw


def _first_line(raw: list[bytes], entry: Listed, smtpd: bool) -> int:
    """The index of the first line that belongs to an entry: in smtpd's tables that of our own comment above it."""
    above = entry.number - 2
    return above if smtpd and above >= 0 and _STAMP.fullmatch(_comment(raw[above])) else entry.number - 1


def _lines_of(data: bytes, text: str, smtpd: bool) -> list[Listed]:
    wanted = key_of(text)
    found = []
    for each in listed(data, smtpd=smtpd):
        keys = [key_of(item) for item in items_of(each.text)]
        if wanted not in keys:
            continue
        if len(keys) > 1:
            raise LineError(each.number, f"{printable(text)} shares its line with others: give it one of its own")
        found.append(each)
    return found


def _written(text: str, stamp: Stamp, until: str, smtpd: bool) -> list[str]:
    if smtpd:
        return [str(stamp), text]
    return [f"{text}{f' until {until}' if until else ''}  {stamp}"]


def _stamp(comment: str) -> Stamp:
    found = _STAMP.fullmatch(comment)
    return Stamp(found[1], found[2], found[3] or "") if found else Stamp("", "", comment)


def _comment(raw: bytes) -> str:
    found = _COMMENT.search(raw)
    return _text(found[1]).strip() if found else ""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
