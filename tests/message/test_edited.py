"""A message as the next filter of a process sees it: other fields on top of the same lines."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api import AddHeader, Edit, Message, RemoveHeader, ReplaceHeader
from filter_api.bounds import BLOCK, MAX_FIELDS, SPOOL_ABOVE
from filter_api.message.message import HeaderTooLong, TooManyFields
from filter_api.message.spool import Spool, SpoolError

RAW = b"Received: by mx\n\tid 1\nSubject: one\nX-Spam-Flag: NO\n..dotted: x\n\n..dots\nend"
TAG: list[Edit] = [RemoveHeader("X-Spam-*"), AddHeader("X-Spam-Flag", "YES"), ReplaceHeader("Subject", "[SPAM] one")]
SIGN: list[Edit] = [AddHeader("DKIM-Signature", "v=1;\n\tb=x"), AddHeader("X-Last", "1", where="bottom")]


def message(raw: bytes = RAW, spool: Spool | None = None) -> Message:
    held = Message(spool)
    lines = raw.split(b"\n")
    for start in range(0, len(lines), 500):
        held.append(b"\n".join(lines[start : start + 500]))
    return held


def wire(held: Message, *edits: Edit) -> bytes:
    return b"".join(held.wire(edits))


def test_a_view_is_what_is_released() -> None:
    held = message()
    expected = wire(held, *TAG)
    seen = held.edited(TAG)
    assert wire(seen) == expected
    assert seen.wire_size == len(expected)
    text = b"".join(seen.text())
    assert (
        text
        == b"X-Spam-Flag: YES\r\nReceived: by mx\r\n\tid 1\r\nSubject: [SPAM] one\r\n.dotted: x\r\n\r\n.dots\r\nend\r\n"
    )
    assert seen.size == len(text)
    assert seen.header.get("X-Spam-Flag") == b"YES"
    assert seen.header.all("Subject") == [b"[SPAM] one"]
    assert not seen.bare_cr


def test_views_are_stacked() -> None:
    held = message()
    first = wire(held, *TAG)
    twice = held.edited(TAG).edited(SIGN)
    assert wire(twice) == wire(message(first.removesuffix(b"\n")), *SIGN)
    assert [field.name for field in twice.header.fields] == [
        b"DKIM-Signature",
        b"X-Spam-Flag",
        b"Received",
        b"Subject",
        b".dotted",
        b"X-Last",
    ]


def test_an_older_view_stays_what_it_was() -> None:
    """A filter whose time is over may still read what it was shown."""
    held = message()
    older = held.edited(TAG)
    before = wire(older)
    newer = older.edited([RemoveHeader("*")])
    assert wire(older) == before
    assert wire(held) == RAW + b"\n"
    assert wire(newer) == b"\n..dots\nend\n"


NAMES = st.sampled_from(["A", "a", "Ab", "X-Spam-Flag", "Subject"])
EDITS = st.lists(
    st.one_of(
        st.builds(AddHeader, NAMES, st.sampled_from(["added", "a\n b", ""]), st.sampled_from(["top", "bottom"])),
        st.builds(RemoveHeader, st.one_of(NAMES, st.sampled_from(["A*", "X-Spam-*", "*"]))),
        st.builds(RemoveHeader, NAMES, st.integers(0, 2)),
        st.builds(ReplaceHeader, NAMES, st.sampled_from(["one", "\n two"]), st.integers(0, 3)),
    ),
    min_size=1,
    max_size=4,
)
LINES = st.lists(
    st.sampled_from(
        [b"A: b", b"a:", b"Ab : c", b" fold", b"\tfold", b"no colon", b"..A: dots", b"", b"X-Spam-Flag: \r", b"\0"]
    ),
    max_size=8,
)


@given(LINES, st.lists(EDITS, min_size=1, max_size=4))
def test_any_views_are_the_same_as_releasing_and_holding_anew(lines: list[bytes], all_edits: list[list[Edit]]) -> None:
    spool = Spool()
    held = message(b"\n".join(lines), spool)
    expected = b"\n".join(lines) + b"\n"
    for edits in all_edits:
        anew = Message()
        if expected:
            anew.append(expected.removesuffix(b"\n"))
        expected = wire(anew, *edits)
        held = held.edited(edits)
        assert wire(held) == expected
        assert held.wire_size == len(expected)
    held.close()
    assert spool.held == spool.in_memory == 0


def test_the_body_is_not_copied() -> None:
    spool = Spool()
    held = message(RAW + b"\n" + (b"x" * 99 + b"\n") * 200_000, spool)
    before = spool.held
    tracemalloc.start()
    try:
        seen = held
        for _ in range(10):
            seen = seen.edited([AddHeader("X-Again", "y" * 50)])
        cost, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cost < BLOCK
    assert spool.held - before < 2_048, "one header is counted, not ten"
    assert sum(len(block) for block in seen.wire()) == seen.wire_size > 10 * SPOOL_ABOVE
    seen.close()
    seen.close()
    assert spool.held == 0


def test_blocks_of_a_large_header_are_blocks() -> None:
    head = b"".join(b"X-%d: %b\n" % (number, b"v" * 240) for number in range(900))
    seen = message(head + b"\nbody").edited(TAG)
    blocks = list(seen.wire())
    assert max(map(len, blocks)) <= BLOCK
    assert all(block.endswith(b"\n") for block in blocks)
    assert len(seen.header.fields) == 901


def test_what_cannot_be_edited_is_not() -> None:
    with pytest.raises(HeaderTooLong):
        message(b"A: b\n" * 70_000).edited(SIGN)
    with pytest.raises(TooManyFields):
        message(b"a: b\n" * (MAX_FIELDS + 1) + b"\n").edited(TAG)
    with pytest.raises(HeaderTooLong):
        message().edited([AddHeader("X", "y" * 2_000)], longest=1_997)


def test_a_second_header_is_counted() -> None:
    spool = Spool(limit=1_000)
    held = message(b"A: " + b"x" * 600 + b"\n\nbody", spool)
    counted = spool.held
    with pytest.raises(SpoolError, match="limit"):
        held.edited(SIGN)
    assert spool.held == counted
    assert wire(held).startswith(b"A: x")


def test_nothing_comes_after_an_edit() -> None:
    with pytest.raises(ValueError, match="all its lines"):
        message().edited(SIGN).append(b"more")
