"""Messages: text for scanners, header view, edits, spool."""

from __future__ import annotations

import hashlib
import os
import time
import timeit
import tracemalloc
from pathlib import Path
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api import AddHeader, Edit, Message, RemoveHeader, ReplaceHeader
from filter_api.bounds import BLOCK, MAX_FIELDS, SPOOL_ABOVE
from filter_api.message.message import HeaderTooLong, TooManyFields, _text_size
from filter_api.message.spool import Spool, SpoolError
from tests.support.growth import best

RAW = b"Received: by mx\n\tid 1\nSubject: one\nX-Spam-Flag: NO\nFrom : a@b\nsubject: two\nbroken\n\n..dots\nend"


def message(raw: bytes = RAW, spool: Spool | None = None) -> Message:
    held = Message(spool)
    held.append(raw)
    return held


def wire(held: Message, *edits: Edit) -> bytes:
    return b"".join(held.wire(edits))


def test_text_is_what_the_recipient_gets() -> None:
    assert b"".join(message().text()).endswith(b"broken\r\n\r\n.dots\r\nend\r\n")
    assert message().size == len(RAW) - 1 + RAW.count(b"\n") + 2
    assert b"".join(message(b".a\n..\n...b").text()) == b"a\r\n.\r\n..b\r\n"


def test_text_starts_over_on_each_call() -> None:
    held = message()
    assert b"".join(held.text()) == b"".join(held.text())


def test_the_header_drops_nothing() -> None:
    header = message().header
    assert [field.name for field in header.fields] == [
        b"Received",
        b"Subject",
        b"X-Spam-Flag",
        b"From",
        b"subject",
        b"",
    ]
    assert header.get("received") == b"by mx\tid 1"
    assert header.all("SUBJECT") == [b"one", b"two"]
    assert header.get("from") == b"a@b"
    assert header.get("to") is None
    assert header.fields[0].raw == b"Received: by mx\r\n\tid 1\r\n"


@pytest.mark.parametrize("raw", [b"", b"\nbody", b"A: b", b"A: b\n", b"A: b\n\n", b"no header at all", b"\n"])
def test_odd_messages_survive_unedited_and_edited(raw: bytes) -> None:
    assert wire(message(raw)) == raw + b"\n"
    assert wire(message(raw), AddHeader("X", "y")) == b"X: y\n" + raw + b"\n"


@pytest.mark.parametrize(
    ("raw", "found"),
    [(b"A: b\n\nx\n", False), (b"A: \rb\n\nx\n", True), (b"A: b\n\nx\r\n", True), (b"A: b\n\n\r", True)],
)
def test_a_bare_cr_is_found(raw: bytes, found: bool) -> None:
    assert message(raw).bare_cr is found


def test_a_bare_cr_is_found_far_down() -> None:
    held = Message()
    fill(held, 20_000)
    assert not held.bare_cr
    held.append(b"odd\rline")
    assert held.bare_cr
    held.close()


def test_edits() -> None:
    edited = wire(
        message(),
        RemoveHeader("x-spam-*"),
        AddHeader("X-Spam-Flag", "YES"),
        ReplaceHeader("Subject", "new", occurrence=1),
        AddHeader("X-Last", "1", where="bottom"),
    )
    expected = RAW.replace(b"X-Spam-Flag: NO\n", b"").replace(b"subject: two", b"subject: new")
    assert edited == b"X-Spam-Flag: YES\n" + expected.replace(b"broken\n\n", b"broken\nX-Last: 1\n\n") + b"\n"


@pytest.mark.parametrize("forged", [b"x-SPAM-flag\t:NO", b"X-Spam-Flag\n : NO", b"X-Spam-Flag\n \n\t: NO\n more"])
def test_a_field_is_removed_however_its_name_is_written(forged: bytes) -> None:
    """A reader that unfolds first takes a colon behind a fold for the end of the name."""
    assert wire(message(forged + b"\nSubject: x\n\nbody"), RemoveHeader("X-Spam-*")) == b"Subject: x\n\nbody\n"


def test_a_replacement_with_nothing_to_replace_does_nothing() -> None:
    assert wire(message(), ReplaceHeader("X-None", "x"), ReplaceHeader("Subject", "x", 2)) == RAW + b"\n"


@pytest.mark.parametrize(
    ("edits", "left"),
    [
        ([RemoveHeader("x", 0)], b"x: 2\nA: b\nX: 3\n"),
        ([RemoveHeader("X", 1)], b"X: 1\nA: b\nX: 3\n"),
        ([RemoveHeader("X", 2)], b"X: 1\nx: 2\nA: b\n"),
        ([RemoveHeader("X", 3), RemoveHeader("Y", 0)], b"X: 1\nx: 2\nA: b\nX: 3\n"),
        ([RemoveHeader("X", 0), RemoveHeader("X", 0)], b"A: b\nX: 3\n"),
        ([RemoveHeader("X", 1), ReplaceHeader("X", "n", 1)], b"X: 1\nA: b\nX: n\n"),
        ([RemoveHeader("X", 1), RemoveHeader("X")], b"A: b\n"),
    ],
)
def test_one_field_among_equals_is_removed(edits: list[Edit], left: bytes) -> None:
    assert wire(message(b"X: 1\nx: 2\nA: b\nX: 3\n\nbody"), *edits) == left + b"\nbody\n"


@pytest.mark.parametrize(("name", "occurrence"), [("X", -1), ("X-*", 0), ("*", 1)])
def test_only_an_occurrence_of_a_whole_name_is_removed(name: str, occurrence: int) -> None:
    with pytest.raises(ValueError, match="whole header name"):
        RemoveHeader(name, occurrence)


def test_header_lines_with_dots_are_stuffed_again() -> None:
    held = message(b"..dotted: field\nA: b\n .continued\n\n..body")
    assert held.header.fields[0].name == b".dotted"
    assert wire(held, RemoveHeader("A")) == b"..dotted: field\n\n..body\n"


def test_a_header_without_end_is_not_edited() -> None:
    held = message(b"A: b\n" * 70_000)
    assert wire(held) == b"A: b\n" * 70_000 + b"\n"
    with pytest.raises(HeaderTooLong):
        wire(held, AddHeader("X", "y"))
    with pytest.raises(TooManyFields):
        _ = held.header


@pytest.mark.parametrize(
    ("head", "ok"),
    [
        (b"a: b\n" * MAX_FIELDS, True),
        (b"a: b\n" * (MAX_FIELDS + 1), False),
        (b"no colon\n" * (MAX_FIELDS + 1), False),
        (b"\r\n" * (MAX_FIELDS + 1), False),
        (b"To: a,\n" + b" b@c,\n" * 19_000, True),
        (b"To: a,\n" + b"\tb@c,\n" * 20_001, False),
        (b"X: y\n z\n" * MAX_FIELDS, True),
        (b"..a: b\n" * MAX_FIELDS, True),
        (b"..a: b\n" * (MAX_FIELDS + 1), False),
    ],
)
def test_a_header_of_more_fields_or_lines_than_anybody_sends_is_not_looked_at(head: bytes, ok: bool) -> None:
    held = message(head + b"\n" + b"body\n" * 30_000)
    if ok:
        assert 0 < len(held.header.fields) <= MAX_FIELDS
        assert wire(held, RemoveHeader("None")) == head + b"\n" + b"body\n" * 30_000 + b"\n"
        return
    with pytest.raises(TooManyFields):
        _ = held.header
    with pytest.raises(TooManyFields):
        wire(held, RemoveHeader("X"))
    assert wire(held, AddHeader("X", "y")).startswith(b"X: y\n"), "what is only added needs no look"


@pytest.mark.timed
def test_as_many_edits_as_fields_cost_one_pass() -> None:
    """One edit for each Subject: a spammer with 28,000 of them held everybody up for 50 seconds."""

    def seconds(count: int) -> float:
        held = message(b"Subject: x\n" * count + b"\n")
        edits = [ReplaceHeader("Subject", "tag", number) for number in range(count)]
        _ = held.header
        return min(timeit.repeat(lambda: wire(held, *edits), timer=time.process_time, number=20, repeat=5))

    assert any(seconds(1_000) < 25 * seconds(100) for _ in range(4)), "edits times fields would be a hundred times"


def by_hand(fields: list[bytes], edits: list[Edit]) -> list[bytes]:
    """What edits mean, one after the other over all fields."""
    top: list[bytes] = []
    bottom: list[bytes] = []
    for edit in edits:
        name = edit.name.lower().encode()
        if isinstance(edit, AddHeader):
            (top if edit.where == "top" else bottom).extend(edit.lines)
        elif isinstance(edit, RemoveHeader):
            ends = name.endswith(b"*")
            fields = [
                field
                for field in fields
                if not (field.lower().startswith(name[:-1]) if ends else field.lower().partition(b":")[0] == name)
            ]
        else:
            places = [place for place, field in enumerate(fields) if field.lower().partition(b":")[0] == name]
            if edit.occurrence < len(places):
                place = places[edit.occurrence]
                fields[place] = fields[place].partition(b":")[0] + b":" + edit.lines[0]
    return [*top, *fields, *bottom]


NAMES = st.sampled_from(["A", "a", "Ab", "X-Spam-Flag", "x-spam-score", "Subject"])
EDITS = st.one_of(
    st.builds(AddHeader, NAMES, st.just("added"), st.sampled_from(["top", "bottom"])),
    st.builds(RemoveHeader, st.one_of(NAMES, st.sampled_from(["A*", "X-Spam-*", "z*"]))),
    st.builds(ReplaceHeader, NAMES, st.sampled_from(["one", "two"]), st.integers(0, 3)),
)


FIELDS = st.builds(lambda name, value: f"{name}: {value}".encode(), NAMES, st.text("xyz"))


@given(st.lists(FIELDS, max_size=8), st.lists(EDITS, max_size=6))
def test_all_edits_at_once_are_the_same_as_one_after_the_other(fields: list[bytes], edits: list[Edit]) -> None:
    held = message(b"".join(field + b"\n" for field in fields) + b"\nbody")
    expected = by_hand(list(fields), edits)
    assert wire(held, *edits) == b"".join(line + b"\n" for line in expected) + b"\nbody\n"


def test_an_edit_may_not_make_a_line_too_long() -> None:
    held = message(b"Subject: " + b"x" * 1_900 + b"\n\n")
    with pytest.raises(HeaderTooLong):
        b"".join(held.wire([ReplaceHeader("Subject", "y" * 2_000)], longest=1_997))


def fill(held: Message, lines: int, line: bytes = b"x" * 99) -> None:
    run = b"\n".join([line] * 500)
    for _ in range(lines // 500):
        held.append(run)


def test_a_large_message_goes_to_a_file_and_comes_back_whole() -> None:
    spool = Spool()
    held = Message(spool)
    held.append(b"Subject: large\n")
    fill(held, 100_000)
    held.append(b"..last")
    digest, size = hashlib.sha256(), 0
    for block in held.wire():
        assert block.endswith(b"\n")
        assert len(block) < 2 * BLOCK
        digest.update(block)
        size += len(block)
    assert size == held.wire_size
    assert size <= spool.held < size + BLOCK
    expected = b"Subject: large\n\n" + (b"x" * 99 + b"\n") * 100_000 + b"..last\n"
    assert digest.digest() == hashlib.sha256(expected).digest()
    assert b"".join(held.wire([AddHeader("A", "b")])) == b"A: b\n" + expected
    assert held.size == len(expected) + 100_003 - 1
    held.close()
    held.close()
    assert spool.held == 0


def test_a_large_message_costs_little_memory() -> None:
    held = Message(Spool())
    tracemalloc.start()
    try:
        fill(held, 250_000)
        for _ in held.wire():
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held.wire_size == 25_000_000
    assert peak < 2 * SPOOL_ABOVE + 4 * BLOCK
    held.close()


def test_the_spool_has_a_limit() -> None:
    held = Message(Spool(limit=100))
    held.append(b"x" * 90)
    with pytest.raises(SpoolError, match="limit"):
        held.append(b"x" * 10)


def test_no_room_on_the_disk(tmp_path: Path) -> None:
    held = Message(Spool(directory=str(tmp_path / "missing")))
    with pytest.raises(SpoolError, match="cannot spool"):
        fill(held, 20_000)
    held.close()


def test_spooled_files_have_no_name_and_no_readers(tmp_path: Path) -> None:
    held = Message(Spool(directory=str(tmp_path)))
    fill(held, 20_000)
    assert held.wire_size > SPOOL_ABOVE
    assert list(tmp_path.iterdir()) == []
    assert not os.listdir(tmp_path)
    held.close()


LINES = st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line and line != b"."), max_size=40)


@given(LINES, st.integers(1, 7))
def test_any_lines_in_any_runs_come_back_as_they_were(lines: list[bytes], step: int) -> None:
    held = Message()
    for start in range(0, len(lines), step):
        held.append(b"\n".join(lines[start : start + step]))
    assert wire(held) == b"".join(line + b"\n" for line in lines)
    expected = b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in lines)
    assert b"".join(held.text()) == expected
    assert held.size == len(expected)


@given(LINES)
def test_edits_leave_the_body_alone(lines: list[bytes]) -> None:
    held = Message()
    held.append(b"\n".join([b"A: b", b"", *lines]))
    assert wire(held, AddHeader("X", "y"), RemoveHeader("A")) == b"".join(
        line + b"\n" for line in (b"X: y", b"", *lines)
    )


@pytest.mark.parametrize(
    ("head", "kept"), [(b"Subject: hi\n" * 900, True), (b"Subject: hi\n" + b" fold\n" * 9_000, False)]
)
def test_a_message_that_waits_holds_nothing_of_a_large_header(head: bytes, kept: bool) -> None:
    """What a filter looked at before it asks a scanner is made anew when it looks again."""
    held = message(head + b"\nbody")
    first = held.header
    assert held.header is first, "one view while somebody has it"
    assert held.header.get("subject") == first.get("Subject")
    seen = ref(first)
    del first
    assert (seen() is not None) is kept
    assert held.header.fields[0].value[:2] == b"hi"
    assert wire(held, RemoveHeader("Subject")) == b"\nbody\n"


@pytest.mark.timed
@pytest.mark.parametrize("line", [b"", b"..", b"...", b"..\r", b"ab", b"\0", b"." * 60_000, b"x" * 76])
def test_text_of_any_shape_holds_nobody_up(line: bytes) -> None:
    """25 MB of dots or of empty lines: a block is soon made, and the size of all of them soon counted."""
    held = Message()
    run = b"\n".join([line] * (BLOCK // (len(line) + 1)))
    for _ in range(25_000_000 // (len(run) + 1)):
        held.append(run)
    blocks = held.text()
    assert best(lambda: next(blocks)) < 0.005
    assert best(lambda: held.bare_cr) < 0.05
    assert best(lambda: sum(map(_text_size, held.wire()))) < 0.05
    assert held.size == sum(map(len, held.text()))
    held.close()
