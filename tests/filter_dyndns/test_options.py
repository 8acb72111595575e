"""The command line: defaults, what each option takes, and which files are refused at start with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.bases.phase import Phase
from filter_api.errors import ConfigError, UsageError
from filter_dyndns.filter import build
from filter_dyndns.options import DEFAULT_TEXT, Options, parse, wants_explanation


def test_defaults() -> None:
    assert parse([])[0] == Options(None, None, None, mark=False, phase=Phase.MAIL_FROM, text=DEFAULT_TEXT, refuse=5)


def test_all_of_them() -> None:
    own, _ = parse(["-j", "3", "-p", "rcpt-to", "-r", "no", "-s", "7"])
    assert own == Options(junk=3, phase=Phase.RCPT_TO, text="no", refuse=7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-s", "0"], "-s takes a score"),
        (["-s", "101"], "-s takes a score"),
        (["-s", "five"], "-s takes a score"),
        (["-s", "\u0665"], "-s takes a score"),
        (["-s", "-5"], "-s takes a score"),
        (["-j", "5"], "never mark"),
        (["-j", "4", "-s", "3"], "never mark"),
        (["-p", "data"], "-p takes"),
        (["-r", "caf\xe9"], "-r: "),
        (["-r", ""], "-r: "),
        (["-z"], "-z"),
        (["word"], "word"),
    ],
)
def test_usage_errors(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(arguments)


ABSURD = ["9" * 5_000, "0" * 5_000, "1" + "0" * 4_400, "-" + "9" * 5_000, "5" * 5_000 + "x", "1e2", "1_0", ""]


@pytest.mark.parametrize("option", ["-s", "-j"])
@pytest.mark.parametrize("value", ABSURD)
def test_a_score_of_thousands_of_figures_is_a_usage_error(option: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{option} takes a score from 1 to 100") as caught:
        build([option, value])
    assert len(str(caught.value)) < 100


def test_zeros_in_front_of_a_score_do_no_harm() -> None:
    assert parse(["-s", "0" * 5_000 + "7", "-j", "003"])[0] == Options(junk=3, refuse=7)


@pytest.mark.parametrize("value", ["9" * 5_000, "1e400", "-1", "nan", "inf", "0" * 5_000, "5" * 400 + "s"])
def test_an_absurd_time_is_a_usage_error(value: str) -> None:
    with pytest.raises(UsageError, match="-T takes seconds") as caught:
        build(["-T", value])
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("arguments", [["-N", "192.0.2.0/" + "9" * 5_000], ["-p", "9" * 5_000], ["-N", "9" * 5_000]])
def test_other_absurd_values_are_told_too(arguments: list[str]) -> None:
    with pytest.raises((UsageError, ConfigError)):
        build(arguments)


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("-f", "9" * 5_000 + " haus"),
        ("-f", "-" + "0" * 5_000 + " haus"),
        ("-e", "192.0.2.0/" + "9" * 5_000),
        ("-e", "9" * 5_000 + ".0.0.1"),
    ],
)
def test_absurd_numbers_in_a_file_are_told_with_their_line(option: str, line: str, tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text(f"# a comment\n{line}\n")
    with pytest.raises(ConfigError, match=":2: "):
        build([option, str(table)])


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        ("-f", "5 haus\nfive hut\n", "table:2: .*points"),
        ("-f", "5 (a|aa)+$\n", "table:1: .*no pattern"),
        ("-e", "# none\n192.0.2.0/33\n", "table:2: "),
        ("-e", "mail.example.net\nbob@example.net\n", "table:2: .*address of mail"),
        ("-e", "192.0.2.1/24\n", "table:1: "),
        ("-e", "exa mple.net\n", "table:1: "),
        ("-W", "to:bob@example.net\n", "table:1: "),
    ],
)
def test_bad_files_name_the_line(option: str, content: str, message: str, tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text(content)
    with pytest.raises(ConfigError, match=message):
        build([option, str(table)])


@pytest.mark.parametrize("option", ["-e", "-f", "-W"])
def test_missing_files(option: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        build([option, str(tmp_path / "nowhere")])


def test_senders_may_be_exempt_once_they_are_known(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("from:example.net\n")
    for arguments in ([], ["-p", "rcpt-to"], ["-m", "-p", "rcpt-to"]):
        build([*arguments, "-W", str(table)])
    with pytest.raises(ConfigError, match="table:1: "):
        build(["-p", "connect", "-W", str(table)])


def test_recipients_may_be_exempt_only_at_rcpt_to(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("to:bob@example.net\n")
    build(["-p", "rcpt-to", "-W", str(table)])
    with pytest.raises(ConfigError, match="table:1: "):
        build(["-m", "-p", "rcpt-to", "-W", str(table)])  # marks are made earlier


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["-x", "name"], True),
        (["-mx", "name"], True),
        (["-e", "/x", "-f", "x"], False),
        (["-ex"], False),
        (["--x"], False),
        ([], False),
    ],
)
def test_when_an_explanation_is_wanted(arguments: list[str], wanted: bool) -> None:
    assert wants_explanation(arguments) is wanted
