"""Recorded traffic between smtpd and a filter: the file format, its reader and its writer.

A transcript is a text of raw bytes, so open it in binary mode::

    ## filter wire: "<" smtpd->filter, ">" filter->smtpd (raw bytes)
    < report|0.7|1795162006.591524|smtp-in|link-connect|3c1bba40e20257fe|localhost|pass|127.0.0.1:38300|127.0.0.1:2701
    < filter|0.7|1795162006.591552|smtp-in|connect|3c1bba40e20257fe|80bb07f5d532c2d0|localhost|127.0.0.1
    > filter-result|3c1bba40e20257fe|80bb07f5d532c2d0|proceed

Each ``## … filter wire …`` section is the life of one filter process, with or without its handshake; a word may stand
before the arrow (``out <``). Other sections (what the client said, what was delivered) are kept as they are, and so is
every byte: ``Transcript.parse(data).dump() == data``. Lines end at LF only.

    for wire in Transcript.read("plain.txt").wires():
        for to_filter, line in wire:
            ...

``filterctl record`` writes this format and ``filterctl replay`` plays it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

WIRE_TITLE = b'filter wire: "<" smtpd->filter, ">" filter->smtpd (raw bytes)'

_WIRE_LINE = re.compile(rb"(?:[\w.-]+ )?([<>])(?: (.*))?\Z", re.DOTALL)
_LAST_SECTION = b"delivered message"  # holds a message, in which anything may stand


class Wire(NamedTuple):
    """One line on the wire, without its LF."""

    to_filter: bool
    line: bytes


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the file: its title without ``## `` (None before the first one) and its raw lines."""

    title: bytes | None
    lines: tuple[bytes, ...]

    @property
    def is_wire(self) -> bool:
        """Whether this is traffic; lines before any title are, too, if they look like it."""
        return self.title is None or b"filter wire" in self.title

    def wire(self) -> Iterator[Wire]:
        """The traffic in this section, in order; blank lines and remarks are left out."""
        for raw in self.lines if self.is_wire else ():
            found = _WIRE_LINE.match(raw)
            if found:
                yield Wire(found[1] == b"<", found[2] or b"")


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole file."""

    sections: tuple[Section, ...]

    @classmethod
    def read(cls, path: str | Path) -> Transcript:
        """Raises OSError."""
        return cls.parse(Path(path).read_bytes())

    @classmethod
    def parse(cls, data: bytes) -> Transcript:
        """Any bytes are a transcript, though maybe one without traffic."""
        found: list[tuple[bytes | None, list[bytes]]] = [(None, [])]
        for raw in data.split(b"\n"):
            inside = found[-1][0] or b""
            if raw.startswith(b"## ") and not inside.startswith(_LAST_SECTION):
                found.append((raw[3:], []))
            else:
                found[-1][1].append(raw)
        return cls(tuple(Section(title, tuple(lines)) for title, lines in found))

    @classmethod
    def from_wire(cls, wire: Iterable[Wire]) -> Transcript:
        """The traffic of one process as a transcript."""
        raw = tuple((b"< " if to_filter else b"> ") + line for to_filter, line in wire)
        return cls((Section(None, ()), Section(WIRE_TITLE, (*raw, b""))))

    def dump(self) -> bytes:
        """The bytes of the file."""
        lines: list[bytes] = []
        for section in self.sections:
            if section.title is not None:
                lines.append(b"## " + section.title)
            lines.extend(section.lines)
        return b"\n".join(lines)

    def wires(self) -> list[list[Wire]]:
        """The traffic of each process that was recorded, those without any left out."""
        return [wire for section in self.sections if (wire := list(section.wire()))]


def title_line() -> bytes:
    """The line that opens a section of traffic, with its LF."""
    return b"## " + WIRE_TITLE + b"\n"


def wire_line(to_filter: bool, line: bytes) -> bytes:
    """One line of traffic, with its LF; `line` has none."""
    return (b"< " if to_filter else b"> ") + line + b"\n"
