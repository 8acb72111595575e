"""What filterctl check says of tables: the line, and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.filterctl.conf.test_mistakes import assert_told, told

TABLE = "table t file:/etc/t"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("match from src <none> for any reject", "table none is not defined: a line table none ... is wanted above"),
        ("match from src <rdns> for any reject", "its name in quotes if smtpd.conf has such a word"),
        ("match from src <t for any reject", "a table is named as <name>"),
        ("table t file:/etc/u", "table t is defined twice"),
        ("table", "table wants a name"),
        ("table src file:/etc/u", "table wants a name: a word that smtpd.conf has not, or in quotes"),
        ("table u", "table u wants its content behind it: file:/path"),
        ("table u file:u", "a whole path stands behind file:, beginning with /"),
        ("table u { }", "the list is empty: put a value between the braces"),
        ('table u { "a", }', "a comma without a value before or behind it: take it out"),
        ('table u { "a",, "b" }', "a comma without a value before or behind it: take it out"),
        ('table u { "a", rdns }', 'rdns in a list: quote it, "rdns"'),
    ],
)
def test_the_line_and_the_remedy_are_told(line: str, message: str, tmp_path: Path) -> None:
    assert_told(tmp_path / "smtpd.conf", f"{TABLE}\n{line}\n", 2, message)


@pytest.mark.parametrize(
    "line",
    [
        "match from src <t> for any reject",
        'table u { "a" = "b", "c" => "d" }',
        "table u { a b }",
        "table u db:/etc/u.db",
        "table u passwd:/etc/u",
        'table "rdns" { a }\nmatch from src <"rdns"> for any reject',
    ],
)
def test_nothing_is_told_of_tables_that_smtpd_takes(line: str, tmp_path: Path) -> None:
    path = tmp_path / "smtpd.conf"
    path.write_text(f"{TABLE}\n{line}\n")
    assert not [each for each in told(path) if "table" in each or "list" in each]
