"""Escaping of foreign bytes: one printable line whatever comes, and back again."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.text.escape import CUT_MARK, format_pairs, one_line, parse_pairs, printable, quote_value, unescape

PRINTABLE_LINE = re.compile(r"[\x20-\x7e]*\Z")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"alice@example.org", "alice@example.org"),
        ("plain", "plain"),
        (b"", ""),
        (b"a\nb", r"a\x0ab"),
        (b"\x1b[31m", r"\x1b[31m"),
        (b"caf\xe9", r"caf\xe9"),
        ("café", r"caf\xc3\xa9"),
        (b"back\\slash", r"back\\slash"),
        (b"\x7f\x85", r"\x7f\x85"),
        ("line\u2028end", r"line\xe2\x80\xa8end"),
        ("\udcff", r"\xff"),
        ("\ud800", r"\xed\xa0\x80"),
    ],
)
def test_printable(value: bytes | str, expected: str) -> None:
    assert printable(value) == expected


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [
        (b"a" * 10, 10, "a" * 10),
        (b"a" * 11, 10, "aaaaaaa..."),
        (b"aaaaaa\n\n\n", 10, "aaaaaa..."),
        (b"\n" * 100, 11, r"\x0a\x0a..."),
        (b"\\" * 6, 8, "\\\\\\\\..."),
    ],
)
def test_a_long_value_is_cut_with_a_mark_between_escapes(value: bytes, limit: int, expected: str) -> None:
    assert printable(value, limit) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("word", "word"),
        (b"<a@b>", "<a@b>"),
        ("two words", '"two words"'),
        ("", '""'),
        (b"", '""'),
        ('say "hi"', r'"say \"hi\""'),
        ('"', r'"\""'),
        ("a\tb", r"a\x09b"),
        (3062, "3062"),
        (2.7, "2.7"),
        (-15.9, "-15.9"),
        (True, "yes"),
        (False, "no"),
        (None, "-"),
    ],
)
def test_quote_value(value: object, expected: str) -> None:
    assert quote_value(value) == expected


def test_pairs_are_written_and_read_back() -> None:
    pairs = {"result": "spam", "score": 15.9, "subject": 'a "b" c', "user": ""}
    line = "f9f470e4d4702127 message " + format_pairs(pairs)
    assert line == 'f9f470e4d4702127 message result=spam score=15.9 subject="a \\"b\\" c" user=""'
    assert parse_pairs(line) == {"result": "spam", "score": "15.9", "subject": 'a "b" c', "user": ""}


@given(st.binary() | st.text(st.characters(codec=None)), st.integers(4, 400))
def test_any_value_becomes_one_printable_line_within_the_limit(value: bytes | str, limit: int) -> None:
    text = printable(value, limit)
    assert PRINTABLE_LINE.match(text)
    assert len(text) <= limit


@given(st.binary(max_size=80))
def test_what_was_not_cut_comes_back(value: bytes) -> None:
    assert unescape(printable(value)) == value


@given(st.dictionaries(st.from_regex("[a-z][a-z0-9_]{0,8}", fullmatch=True), st.binary(max_size=80), max_size=5))
def test_any_pairs_survive_a_log_line(pairs: dict[str, bytes]) -> None:
    parsed = parse_pairs("0123 what " + format_pairs(pairs))
    assert {key: unescape(value) for key, value in parsed.items()} == pairs


@given(st.text())
def test_reading_a_log_line_never_raises(line: str) -> None:
    assert isinstance(parse_pairs(line), dict)
    assert isinstance(unescape(line), bytes)


HOSTILE = st.one_of(
    st.binary(max_size=600),
    st.text(alphabet='"\\\\ =ab\\n', max_size=600),
    st.sampled_from(['a=1 b=2 "', '" result=clean x="', "x" * 900, '\\\\"' * 200]),
)


@given(st.dictionaries(st.from_regex("[a-z][a-z0-9_]{0,8}", fullmatch=True), HOSTILE, max_size=12), st.integers(0, 900))
def test_a_cut_line_has_the_very_keys_in_order_and_none_of_a_strangers(
    pairs: dict[str, bytes | str], room: int
) -> None:
    line = format_pairs(pairs, room)
    assert len(line) <= room
    read = parse_pairs("0123 what " + line)
    assert list(read) == list(pairs)[: len(read)]
    for key, value in read.items():
        whole = printable(pairs[key])
        assert value == whole or (value.endswith(CUT_MARK) and whole.startswith(value.removesuffix(CUT_MARK)))


def test_a_line_has_room_for_every_key_of_a_decision() -> None:
    pairs = dict.fromkeys(("action", "reply", "result", "client", "rdns", "helo", "from", "to", "size"), b"\xff" * 400)
    assert list(parse_pairs(format_pairs(pairs, 880))) == list(pairs)


def test_short_values_are_whole_beside_a_long_one() -> None:
    read = parse_pairs(format_pairs({"a": "short", "b": "x " * 400, "c": "also short"}, 100))
    assert (read["a"], read["c"]) == ("short", "also short")
    assert read["b"].endswith(CUT_MARK)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=1 a=2", {"a": "1"}),
        ('a=1 b="open c=3', {"a": "1"}),
        ('a=1 "open c=3', {"a": "1"}),
        ('a=1 b="x"y c=3', {"a": "1"}),
        ('a="b=2 c=3" d=4', {"a": "b=2 c=3", "d": "4"}),
        (r'a="\\" b=2', {"a": r"\\", "b": "2"}),
        ("what ever a=1", {"a": "1"}),
    ],
)
def test_the_first_key_wins_and_an_open_quote_ends_the_line(line: str, expected: dict[str, str]) -> None:
    assert parse_pairs(line) == expected


@given(st.text(max_size=400), st.integers(4, 500))
def test_a_message_in_words_is_one_line_and_is_not_escaped_twice(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert PRINTABLE_LINE.match(line)
    assert len(line) <= limit
    assert one_line(line, limit) == line
    assert one_line(printable(text, limit), limit) == printable(text, limit)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\\xff", "a\\xff"), ("a\r\nb", "a\\x0d\\x0ab"), ("caf\xe9", "caf\\xc3\\xa9"), ("\udcff\x1b", "\\xff\\x1b")],
)
def test_backslashes_of_a_message_stay(text: str, shown: str) -> None:
    assert one_line(text) == shown
