"""The Authentication-Results field (RFC 8601): what a host says of a message, read from strangers and written safely.

    parse_results(b"mx.example.org; spf=pass smtp.mailfrom=example.net")     -> Results(id=b"mx.example.org", …)
    parse_results(b"spf=pass (no id)")                                       -> None
    write_results("mx.example.org", [Said("dkim", "pass", {"header.d": "example.net"})])

The reader takes more than the grammar allows (addresses and base64 without quotes, as many hosts write them) and never
raises; what has no id that every reader takes for the same, an unbalanced comment or quote, or is longer than
`bounds.MAX_RESULTS_FIELD` is no such field.
Of what the writer is given nothing can become another result: values are tokens or quoted, and lines are short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from filter_api import bounds
from filter_api.text.idn import a_labels, is_plain
from filter_api.text.tokens import tokens_of

FIELD_NAME: Final = "Authentication-Results"

_TOKEN: Final = re.compile(rb'[ \t\r\n]+|"[^"\\]*(?:\\.[^"\\]*)*"|[;=(]|[^ \t\r\n;="()]+', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)
_PLAIN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+\Z")  # a token of RFC 2045 §5.1
_WIDTH: Final = 78  # RFC 5322 §2.1.1, where it can be kept
_TAB: Final = 8


@dataclass(frozen=True, slots=True)
class Result:
    """One result that was read; method and result in lower case, properties by ``ptype.property`` in lower case."""

    method: bytes
    result: bytes
    properties: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Results:
    """A field that was read. id: in lower case, with A-labels, without a final dot."""

    id: bytes
    version: bytes = b"1"
    results: tuple[Result, ...] = ()

    def of(self, method: bytes) -> list[Result]:
        """The results of one method, in their order."""
        return [each for each in self.results if each.method == method]


@dataclass(frozen=True, slots=True)
class Said:
    """One result to write: method and result are ours, the reason and the values may be a stranger's.

    What may need quotes should come last: widespread readers take a quoted value only there.
    """

    method: str
    result: str
    properties: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


def same_id(one: bytes, other: bytes) -> bool:
    """Whether two ids are one, whatever their case and however their labels are written."""
    return _id(one) == _id(other)


def _id(text: bytes) -> bytes:
    return a_labels(text).removesuffix(b".")


def parse_results(value: bytes) -> Results | None:
    """Read what stands behind the colon, folded or not; None if it cannot be read."""
    if len(value) > bounds.MAX_RESULTS_FIELD:
        return None
    tokens = tokens_of(value, _TOKEN)
    if tokens is None:
        return None
    parts = list(_split(tokens))
    head = parts[0]
    if not 1 <= len(head) <= 2 or b"=" in head:
        return None
    written, version = _unquoted(head[0]), head[1] if len(head) == 2 else b"1"
    if not _is_id(written) or not version.isdigit():
        return None
    read = [_result(part) for part in parts[1 : bounds.MAX_RESULTS + 1]]
    return Results(_id(written), version.lstrip(b"0") or b"0", tuple(each for each in read if each is not None))


def _is_id(text: bytes) -> bool:
    """Whether this is a token, in UTF-8 of letters and figures too (RFC 8616 §3)."""
    return _PLAIN.match(text.decode("ascii")) is not None if text.isascii() else is_plain(text)


def _split(tokens: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The tokens between the semicolons."""
    part: list[bytes] = []
    for token in tokens:
        if token == b";":
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _result(tokens: list[bytes]) -> Result | None:
    """``method[/version] = result`` and its properties; None for ``none`` and for what is none of this."""
    if len(tokens) < 3 or tokens[1] != b"=":
        return None
    properties: dict[bytes, bytes] = {}
    place = 3
    while place + 2 < len(tokens) and len(properties) < bounds.MAX_RESULTS:
        if tokens[place + 1] == b"=" and tokens[place] != b"=":
            properties.setdefault(tokens[place].lower(), _unquoted(tokens[place + 2]))
            place += 3
        else:
            place += 1
    method = tokens[0].partition(b"/")[0].lower()
    return Result(method, tokens[2].lower(), properties)


def _unquoted(token: bytes) -> bytes:
    return _QUOTED_PAIR.sub(rb"\1", token[1:-1]) if token.startswith(b'"') else token


def write_results(name: str, said: Sequence[Said]) -> str:
    """The value of a field by the host of that id; ``none`` where nothing is said. Lines are folded by LF and a tab."""
    pieces = [_safe(name)]
    lines: list[str] = []
    for each in said:
        pieces[-1] += ";"
        lines += _folded(pieces)
        pieces = list(_pieces(each))
    if not said:
        return f"{pieces[0]}; none"
    return "\n\t".join([*lines, *_folded(pieces)])


def _pieces(said: Said) -> Iterator[str]:
    yield f"{said.method}={said.result}"
    if said.reason:
        yield f"reason={_quoted(said.reason)}"
    for name, value in said.properties.items():
        if value:  # an empty one says nothing, and some readers take what follows it for its value
            yield f"{name}={_safe(value)}"


def _folded(pieces: Sequence[str]) -> list[str]:
    """The pieces in lines of the usual width; a piece is never broken, and none is longer than 600 bytes."""
    lines = [pieces[0]]
    for piece in pieces[1:]:
        if len(lines[-1]) + 1 + len(piece) > _WIDTH - _TAB:
            lines.append(piece)
        else:
            lines[-1] += " " + piece
    return lines


def _safe(value: str) -> str:
    return value if _PLAIN.match(value) and len(value) <= bounds.MAX_RESULT_VALUE else _quoted(value)


def _quoted(value: str) -> str:
    shown = "".join(char if " " <= char <= "~" else "?" for char in value[: bounds.MAX_RESULT_VALUE])
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
