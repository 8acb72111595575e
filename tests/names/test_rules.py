"""Patterns of one's own: what they match, and what is no pattern."""

from __future__ import annotations

import pytest

from filter_api.names.dynamic import Item, score
from filter_api.names.rules import parse_rules
from filter_api.text.lines import LineError, content_lines


def own(rule: str, name: str) -> list[int]:
    """The points that one line gives to a name."""
    rules = parse_rules(content_lines(rule.encode()))
    return [item.weight for item in score(name, None, rules).items if item.kind == "own"]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("haus", "haus.example.net"),
        ("haus", "haus17.example.net"),
        ("haus", "7haus-17.example.net"),
        ("haus", "a-haus-b.example.net"),
        ("haus", "a_haus_b.example.net"),
        ("HAUS", "Haus.EXAMPLE.net"),
        ("b2b", "x-b2b-9.example.net"),
        ("node-pool", "a-node-pool-9.example.net"),
        ("node-pool", "node9-pool.example.net"),
        ("node-*", "node-.example.net"),
        ("node-*", "x.node-17a.example.net"),
        ("*-h?me", "a-home.example.net"),
        ("*.dsl.example.net", "a.dsl.example.net"),
        ("*.dsl.example.net", "a.b.c.dsl.example.net"),
        ("c?.dsl.example.net", "c1.dsl.example.net"),
        ("c*.dsl*.example.net.", "c-1.dsl-3.example.net"),
    ],
)
def test_matches(pattern: str, name: str) -> None:
    assert own(f"7 {pattern}", name) == [7]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("haus", "hausboot.example.net"),
        ("haus", "haus.net"),  # the registered domain is left out
        ("node-*", "a-node-1.example.net"),
        ("*.dsl.example.net", "dsl.example.net"),
        ("*.dsl.example.net", "a.xdsl.example.net"),
        ("c?.dsl.example.net", "a.c1.dsl.example.net"),
        ("a.*.example.net", "a.b.c.example.net"),  # only a first star is more than one label
    ],
)
def test_does_not_match(pattern: str, name: str) -> None:
    assert own(f"7 {pattern}", name) == []


def test_every_match_counts_and_is_named() -> None:
    rules = parse_rules(content_lines(b"# ours\n\n+3 haus\n-5 *.example.net\n"))
    assert score("haus.example.net", None, rules).items == (
        Item(-5, "own", "*.example.net (line 4)"),
        Item(3, "own", "haus (line 3)"),
    )
    assert len(rules) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("haus", "points"),
        ("haus 5", "points"),
        ("0 haus", "points"),
        ("101 haus", "points"),
        ("1.5 haus", "points"),
        ("5", "missing"),
        ("5 (a+)+$", "no pattern"),
        ("5 haus boot", "no pattern"),
        ("5 a..b", "no pattern"),
        ("5 .example.net", "no pattern"),
        ("5 " + "a" * 64, "no pattern"),
        ("5 caf\xe9", "no pattern"),
        ("5 *", "everything"),
        ("5 *.*", "everything"),
        ("5 ??", "everything"),
    ],
)
def test_what_is_no_pattern(line: str, message: str) -> None:
    with pytest.raises(LineError, match=message) as caught:
        parse_rules(content_lines(b"\n# a comment\n" + line.encode("latin-1")))
    assert caught.value.number == 3
