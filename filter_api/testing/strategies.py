"""hypothesis strategies: what smtpd may write, what it never should but might, and messages (needs hypothesis).

@given(conversations())
def test_my_filter_survives(wire: bytes) -> None:
    with Player(MyFilter()) as smtpd:
        smtpd.feed(wire)
"""

from __future__ import annotations

import itertools
from typing import Final

from hypothesis import strategies as st

from filter_api.protocol.events import PHASES, REPORTS

VERSIONS: Final = st.sampled_from([b"0.4", b"0.5", b"0.6", b"0.7", b"0.8", b"0.11"])
SESSION_IDS: Final = st.integers(1, 2**64 - 1).map(lambda number: b"%016x" % number)

#: Text of a client: any byte but LF; smtpd cuts at NUL, so that does not come either.
TEXT: Final = st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"|").replace(b"\0", b"."))

#: One line of a message as smtpd hands it on: dot-stuffed, never a lone dot.
MESSAGE_LINES: Final = TEXT.map(lambda line: b"." + line if line.startswith(b".") else line)

_TOKEN: Final = {phase: b"%016x" % (0x80 + number) for number, phase in enumerate((*PHASES, b"data-line"))}


def report(version: bytes, session_id: bytes, name: bytes, *fields: bytes) -> bytes:
    """A report line of smtp-in, with its LF."""
    return b"|".join((b"report", version, b"1700000000.000000", b"smtp-in", name, session_id, *fields)) + b"\n"


def request(version: bytes, session_id: bytes, phase: bytes, argument: bytes = b"") -> bytes:
    """A request or message line, with its LF."""
    head = (b"filter", version, b"1700000000.000000", b"smtp-in", phase, session_id, _TOKEN[phase])
    return b"|".join((*head, argument)) + b"\n"


def _envelope(version: bytes, result: bytes, address: bytes) -> tuple[bytes, ...]:
    return (b"54e2cdcd", address, result) if version in {b"0.4", b"0.5"} else (b"54e2cdcd", result, address)


@st.composite
def conversations(draw: st.DrawFn, session_id: bytes | None = None, version: bytes | None = None) -> list[bytes]:
    """The lines of one connection, complete, in smtpd's order, as if every answer were ``proceed``."""
    sid = draw(SESSION_IDS) if session_id is None else session_id
    ver = draw(VERSIONS) if version is None else version
    lines = [
        report(ver, sid, b"link-connect", b"mx.example.net", b"pass", b"192.0.2.1:4711", b"198.51.100.1:25"),
        request(ver, sid, b"connect", b"mx.example.net|192.0.2.1"),
        request(ver, sid, b"ehlo", b"client.example.net"),
        report(ver, sid, b"link-identify", b"EHLO", b"client.example.net"),
    ]
    for _ in range(draw(st.integers(0, 2))):
        lines += draw(_transactions(ver, sid))
    if draw(st.booleans()):
        lines.append(report(ver, sid, b"link-disconnect"))
    return lines


@st.composite
def _transactions(draw: st.DrawFn, ver: bytes, sid: bytes) -> list[bytes]:
    sender = draw(TEXT)
    lines = [
        request(ver, sid, b"mail-from", sender),
        report(ver, sid, b"tx-begin", b"54e2cdcd"),
        report(ver, sid, b"tx-mail", *_envelope(ver, b"ok", sender)),
    ]
    for recipient in draw(st.lists(TEXT, max_size=3)):
        lines.append(request(ver, sid, b"rcpt-to", recipient))
        lines.append(report(ver, sid, b"tx-rcpt", *_envelope(ver, b"ok", recipient)))
    lines.append(request(ver, sid, b"data"))
    body = draw(st.lists(MESSAGE_LINES, max_size=12))
    lines += [request(ver, sid, b"data-line", line) for line in (*body, b".")]
    lines.append(request(ver, sid, b"commit"))
    lines.append(report(ver, sid, b"tx-commit", b"54e2cdcd", b"497"))
    lines.append(report(ver, sid, b"tx-reset", b"54e2cdcd"))
    return lines


@st.composite
def garbage(draw: st.DrawFn) -> bytes:
    """A line that is nothing, or almost something, with its LF."""
    words = st.one_of(
        st.sampled_from(
            [b"report", b"filter", b"config", b"0.7", b"smtp-in", b"smtp-out", b"ready", b"data-line", b"."]
        ),
        st.sampled_from([*PHASES, *REPORTS]),
        SESSION_IDS,
        st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")),
    )
    return b"|".join(draw(st.lists(words, max_size=9))) + b"\n"


def chunked(wire: bytes) -> st.SearchStrategy[list[bytes]]:
    """The same bytes, cut anywhere."""

    def cut(places: list[int]) -> list[bytes]:
        edges = [0, *sorted(places), len(wire)]
        return [wire[start:end] for start, end in itertools.pairwise(edges)]

    return st.lists(st.integers(0, len(wire)), max_size=12).map(cut)
