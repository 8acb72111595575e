"""The view of a header: the same fields as its lines one by one, at little more than its bytes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api import Edit, Message, RemoveHeader, ReplaceHeader
from filter_api.bounds import MAX_FIELDS, MAX_HEADER
from filter_api.message.header import Field, HeaderView, edit_header, parse_header
from tests.support.growth import best, grows_in_proportion

PIECES = st.sampled_from(
    [
        b"Subject",
        b"subject",
        b"SUBJECT",
        b"X-Spam-Flag",
        b":",
        b": ",
        b" ",
        b"\t",
        b"x",
        b"\r",
        b"\0",
        b"\xe9",
        b"sub",
        b"",
    ]
)
LINES = st.lists(st.lists(PIECES, min_size=1, max_size=5).map(b"".join), max_size=12)
NAMES = ["Subject", "X-Spam-Flag", "sub", "x", "", " ", "subject x", "\tx"]


def by_lines(lines: list[bytes]) -> list[list[bytes]]:
    """The lines of each field, as one reads them: a line that starts with a blank belongs to the one before."""
    fields: list[list[bytes]] = []
    for line in lines:
        if not line:
            break
        if line[:1] in {b" ", b"\t"} and fields:
            fields[-1].append(line)
        else:
            fields.append([line])
    return fields


def name_of(lines: list[bytes]) -> bytes:
    joined = b"".join(lines)
    return joined.partition(b":")[0].rstrip(b" \t") if b":" in joined else b""


@given(LINES)
def test_a_view_has_the_fields_of_its_lines(lines: list[bytes]) -> None:
    fields = parse_header(lines).fields
    expected = by_lines(lines)
    assert [field.lines for field in fields] == expected
    assert [fields[place].lines for place in range(len(fields))] == expected
    assert [fields[-place - 1].lines for place in range(len(fields))] == expected[::-1]
    assert [field.lines for field in fields[1:5]] == expected[1:5]
    for field, its_lines in zip(fields, expected, strict=True):
        assert field.name == name_of(its_lines)
        assert field.raw == b"".join(line + b"\r\n" for line in its_lines)
        assert field.value == b"".join(its_lines).partition(b":")[2].strip(b" \t")
        assert Field(its_lines).raw == field.raw


@given(LINES, st.sampled_from(NAMES))
def test_a_field_is_found_by_its_name_wherever_it_stands_and_however_it_is_written(
    lines: list[bytes], name: str
) -> None:
    view = parse_header(lines)
    values = [
        b"".join(its_lines).partition(b":")[2].strip(b" \t")
        for its_lines in by_lines(lines)
        if name_of(its_lines).lower() == name.lower().encode()
    ]
    assert view.all(name) == values
    assert view.get(name.upper()) == (values[0] if values else None)


@given(LINES, st.lists(st.sampled_from(["Subject", "X-Spam-*", "sub*", "*", "x"]), min_size=1, max_size=3))
def test_what_is_not_removed_stays_as_it_was(lines: list[bytes], names: list[str]) -> None:
    kept = by_lines(lines)
    for name in names:
        wanted = name.lower().encode().removesuffix(b"*")
        kept = [
            its_lines
            for its_lines in kept
            if not (
                name_of(its_lines) != b"" and name_of(its_lines).lower().startswith(wanted)
                if name.endswith("*")
                else name_of(its_lines).lower() == wanted
            )
        ]
    edited = edit_header(parse_header(lines), [RemoveHeader(name) for name in names])
    assert b"".join(text + b"\n" for text in edited) == b"".join(line + b"\n" for field in kept for line in field)


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (b"mx.example.org; spf=pass", b"X: 1\nAR: other; x\nar : mx.example.org.evil; c\n"),
        (b"other; x", b"AR: mx.example.org; a\nX: 1\nar\n : mx.example.org;\n b\nar : mx.example.org.evil; c\n"),
        (b"mx.example.org.evil; c", b"AR: mx.example.org; a\nX: 1\nar\n : mx.example.org;\n b\nAR: other; x\n"),
        (
            b"nobody; x",
            b"AR: mx.example.org; a\nX: 1\nar\n : mx.example.org;\n b\nAR: other; x\nar : mx.example.org.evil; c\n",
        ),
    ],
)
def test_only_those_fields_of_a_name_are_removed_whose_value_a_function_picks(value: bytes, left: bytes) -> None:
    """As whoever checks must remove the results that are forged in its own name, and leave those of others."""
    message = held(
        b"AR: mx.example.org; a\nX: 1\nar\n : mx.example.org;\n b\nAR: other; x\nar : mx.example.org.evil; c\n"
    )
    whose = value.partition(b";")[0]
    edits = message.header.removals("Ar", lambda found: found.partition(b";")[0] == whose)
    assert b"".join(message.wire(edits)) == left + b"\nbody\n"
    assert message.edited(edits).header.all("AR") == [
        value for value in message.header.all("AR") if value.partition(b";")[0] != whose
    ]


def test_a_function_that_picks_fields_is_shown_unfolded_values_and_may_raise() -> None:
    header = held(b"Subject: a\n b\nX: y\nsubject : c \n").header
    seen: list[bytes] = []

    def none_of_them(value: bytes) -> bool:
        seen.append(value)
        return False

    assert header.removals("SUBJECT", none_of_them) == []
    assert seen == [b"a b", b"c"]
    with pytest.raises(ZeroDivisionError):
        header.removals("X", lambda _: bool(1 // 0))


@given(LINES, st.sampled_from(["Subject", "sub", "x"]), st.sets(st.integers(0, 5)))
def test_what_no_function_picks_stays_as_it_was(lines: list[bytes], name: str, picked: set[int]) -> None:
    kept, count = [], 0
    for its_lines in by_lines(lines):
        named = name_of(its_lines).lower() == name.lower().encode()
        if not named or count not in picked:
            kept.append(its_lines)
        count += named
    view = parse_header(lines)
    turns = iter(range(len(lines)))
    edited = edit_header(view, view.removals(name, lambda _: next(turns) in picked))
    assert b"".join(text + b"\n" for text in edited) == b"".join(line + b"\n" for field in kept for line in field)


def test_an_index_beyond_the_fields_is_an_index_error() -> None:
    fields = parse_header([b"A: b", b"C: d"]).fields
    for place in (2, -3):
        with pytest.raises(IndexError):
            _ = fields[place]
    assert list(parse_header([]).fields) == []
    with pytest.raises(IndexError):
        _ = parse_header([]).fields[0]


def held(head: bytes) -> Message:
    message = Message()
    message.append(head + b"\nbody")
    return message


LARGEST = {
    "tiny fields": b"a:\n" * MAX_FIELDS,
    "tiny folds": b"a:\n" + b" b\n" * 19_000,
    "folds of one field": b"Subject: x\n" + b" yyyyyyyyyyy\n" * 19_000,
    "fields of 255 bytes": (b"X: " + b"v" * 251 + b"\n") * MAX_FIELDS,
    "fields of 64 KB": (b"Subject: " + b"x" * 65_000 + b"\n") * 4,
    "Subjects": b"Subject: hi\n" * MAX_FIELDS,
    "no colons": b"xxxxxxxxxx\n" * MAX_FIELDS,
    "dots": b"..........:\n" * MAX_FIELDS,
    "names in folds": (b"Subject\n :x\n") * MAX_FIELDS,
    "NULs": (b"\0" * 200 + b"\n") * MAX_FIELDS,
    "bare CRs": (b"\r" * 200 + b"\n") * MAX_FIELDS,
}


@pytest.mark.parametrize("head", LARGEST.values(), ids=LARGEST)
def test_a_view_costs_little_more_than_its_bytes(head: bytes) -> None:
    message = held(head)
    tracemalloc.start()
    try:
        header = message.header
        assert header.get("Message-ID") is None
        assert len(header.fields) <= MAX_FIELDS
        cost, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cost < 1.1 * len(head) + 8_192  # and four bytes for each of 1,000 fields


def test_a_view_of_the_shortest_fields_costs_three_times_their_bytes_at_most() -> None:
    lines = [b"a:"] * (MAX_HEADER // 3)
    tracemalloc.start()
    try:
        header = parse_header(lines)
        assert len(header.fields) == len(lines)
        cost, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cost < 3 * MAX_HEADER


def look(head: bytes) -> Callable[[], object]:
    message = held(head)

    def work() -> object:
        message._header = None
        header = message.header
        return header.get("Subject"), header.all("X"), [field.key for field in header.fields]

    return work


def replace_all(head: bytes) -> Callable[[], object]:
    message = held(head)
    edits: list[Edit] = [RemoveHeader("X-*"), *(ReplaceHeader("Subject", "tag", place) for place in range(MAX_FIELDS))]
    return lambda: b"".join(message.wire(edits))


def remove_some(head: bytes) -> Callable[[], object]:
    message = held(head)
    return lambda: b"".join(message.wire(message.header.removals("Subject", lambda value: not value.endswith(b"z"))))


@pytest.mark.parametrize("work", [look, replace_all, remove_some])
@pytest.mark.parametrize("head", LARGEST.values(), ids=LARGEST)
def test_the_largest_header_of_any_shape_holds_nobody_up(
    head: bytes, work: Callable[[bytes], Callable[[], object]]
) -> None:
    assert best(work(head)) < 0.05


@pytest.mark.timed
@pytest.mark.parametrize("work", [look, replace_all, remove_some])
@pytest.mark.parametrize("head", LARGEST.values(), ids=LARGEST)
def test_work_on_a_header_grows_in_proportion(head: bytes, work: Callable[[bytes], Callable[[], object]]) -> None:
    lines = [line + b"\n" for line in head.split(b"\n")[:-1]]
    assert grows_in_proportion(lambda count: work(b"".join(lines[:count])), max(1, len(lines) // 10))


@pytest.mark.timed
def test_fields_are_gone_through_by_index_in_proportion() -> None:
    """Nothing is made for the others where one is looked at."""

    def work(count: int) -> Callable[[], object]:
        view = HeaderView(b"Subject: x\n" * count)
        return lambda: [view.fields[place].key for place in range(len(view.fields))]

    assert grows_in_proportion(work, MAX_FIELDS // 10)
