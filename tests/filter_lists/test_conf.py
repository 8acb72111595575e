"""lists.conf(5): what each line says, in which order lists count, and that mistakes are told with their line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.text.lines import LineError, content_lines
from filter_lists.conf import Conf, parse_conf
from filter_lists.message import filled, one_text, parse_message
from filter_lists.words import parse_duration, quoted, show_duration, split_words

EXAMPLE = """\
# ours
drop  black https://www.spamhaus.org/drop/drop_v4.json every=12h expire=4d msg="%A is on Spamhaus DROP"
mine  white file:/etc/mail/white
order drop mine
"""


def conf(text: str) -> Conf:
    return parse_conf(content_lines(text.encode()))


def order(text: str) -> list[tuple[str, list[str]]]:
    return [(step.black.name, [white.name for white in step.whites]) for step in conf(text).steps]


def test_the_example_of_the_manual() -> None:
    found = conf(EXAMPLE)
    drop, mine = found.sources["drop"], found.sources["mine"]
    assert (drop.line, drop.black, drop.method, drop.target) == (
        2,
        True,
        "https",
        "https://www.spamhaus.org/drop/drop_v4.json",
    )
    assert (drop.every, drop.expire, drop.message.text) == (43_200, 345_600, "%A is on Spamhaus DROP")
    assert (mine.black, mine.method, mine.target, mine.every, mine.compiled) == (
        False,
        "file",
        "/etc/mail/white",
        None,
        False,
    )
    assert order(EXAMPLE) == [("drop", ["mine"])]


LISTS = "a black file:/a\nb black file:/b\nw white file:/w\nv white all file:/v\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("order a w b", [("a", ["w"]), ("b", [])]),
        ("order a b w", [("a", []), ("b", ["w"])]),
        ("order a w b w", [("a", ["w"]), ("b", ["w"])]),
        ("order a b v", [("a", ["v"]), ("b", ["v"])]),
        ("order v a w b", [("a", ["w", "v"]), ("b", ["v"])]),
        ("order b a", [("b", []), ("a", [])]),
    ],
)
def test_a_white_list_is_taken_from_the_black_list_before_it(line: str, expected: list[tuple[str, list[str]]]) -> None:
    assert order(LISTS + line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a black", "a list is written"),
        ("a grey file:/a", "a list is written"),
        ("a/b black file:/a", "no name"),
        ("all black file:/a", "no name"),
        ("a white all", "no source"),
        ("a black gopher://x/", "no source"),
        ("a black file:relative", "whole path"),
        ("a black https:///x", "no URL"),
        ("a black https:", "no URL"),
        ("a black https://user:hunter2@x/", "no user and no password"),
        ("a black file:/a colour=red", "no option"),
        ("a black file:/a every=12", "no time"),
        ("a black file:/a every=0h", "no time"),
        ("a black https://x/ every=2d expire=1d", "shorter than every"),
        ("a black file:/a expire=1d", "expire needs every"),
        ("a black file:/a every=1h every=2h", "given twice"),
        ("a black https://x/ empty=no", "empty takes ok"),
        ("a white file:/a msg=hello", "white list has no msg"),
        ('a black file:/a msg="', "quote is not closed"),
        ('a black file:/a msg="a\\qb"', "no escape"),
        ('a black file:/a msg=""', "empty"),
        ('a black file:/a msg="caf\u00e9"', "ASCII"),
    ],
)
def test_a_bad_line_is_named(line: str, message: str) -> None:
    with pytest.raises(LineError, match=message) as caught:
        conf(f"# a comment\n{line}\norder a\n")
    assert caught.value.number == 2
    assert len(str(caught.value)) < 300
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "no order"),
        ("\x1e", 1, "control characters, and nothing else"),
        ("a black file:/a\n\x1c\x1d\norder a", 2, "control characters, and nothing else"),
        ("a black file:/a", 1, "no order"),
        ("a black file:/a\na black file:/b\norder a", 2, "line 1 already"),
        ("a black file:/a\norder a\norder a", 3, "line 2 already"),
        ("a black file:/a\norder a a", 2, "twice"),
        ("a black file:/a\norder a nixspam", 2, 'no list "nixspam"'),
        ("a black file:/a\nw white file:/w\norder w a", 3, '"w" stands before any black list'),
        ("w white all file:/w\norder w", 2, "no black list"),
        ("".join(f"a{n} black file:/a\n" for n in range(101)), 101, "more than 100"),
    ],
)
def test_a_bad_order_is_named(text: str, line: int, message: str) -> None:
    with pytest.raises(LineError, match=message) as caught:
        conf(text)
    assert caught.value.number == line


def test_quotes_and_escapes() -> None:
    line = r'x msg="say \"no\" \\ 100%% \#1 \; two\nlines" exec:"/bin/list -a b" plain'
    assert split_words(line) == ["x", 'msg=say "no" \\ 100%% #1 ; two\nlines', "exec:/bin/list -a b", "plain"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40))
def test_what_is_quoted_is_read_back(text: str) -> None:
    assert split_words("x " + quoted(text)) == ["x", text]


def test_a_message_is_one_line_with_the_address_in_it() -> None:
    message = parse_message('Your address %A is "bad"\nSee   https://example.org/  for 100%%\n\n')
    assert message.text == 'Your address %A is "bad" / See https://example.org/ for 100%%'
    assert filled(message.text, "192.0.2.1") == ('Your address 192.0.2.1 is "bad" / See https://example.org/ for 100%')
    assert filled("%A %%A %B", "2001:db8::1") == "2001:db8::1 %A %B"


def test_a_long_message_is_cut_where_a_reply_ends() -> None:
    told = filled(one_text(["x" * 690 + " %A"]), "192.0.2.1")
    assert len("550 5.7.1 " + told) == 500
    assert told.endswith("x...")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1_800), ("12h", 43_200), ("4d", 345_600)])
def test_times(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert show_duration(seconds) == text


@pytest.mark.parametrize("text", ["", "12", "h", "-1h", "1.5h", "9999999h", "1y", "\u0661h"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        parse_duration(text)
