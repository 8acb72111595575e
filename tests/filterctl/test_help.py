"""-h and --help of every program, verb and command: a line for each letter, which the manual pages have, too."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Mapping

import pytest

from filter_api.commands import Command, choose
from filter_api.errors import HelpWanted, UsageError
from filter_api.options import COMMON_OPTIONS, VersionWanted, letters_of, options_of, parse_options
from filter_api.version import VERSION
from filterctl.__main__ import VERBS, load, main
from filterctl.completion import Words, all_words
from tests.test_manuals import FILTERS, ROOT, documented, page_of

FILTERCTL = (ROOT / "man" / "filterctl.8").read_text()
OF_A_FILTER = {"dnsbl", "explain"}
"""Verbs whose options are those of a filter, which its own page has."""

_LINE = re.compile(r"  -(\w)(?: (\S+(?: \S+)*?))?  +(\S.*)")


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words, "--help"]) == 0
    return capsys.readouterr().out


def lines_of(text: str) -> dict[str, tuple[str, str]]:
    """By letter: what it takes, and what is said of it."""
    whole = re.sub(r"\n {8,}", " ", text.partition("\n\n")[2])
    return {line[1]: (line[2] or "", line[3]) for line in map(_LINE.fullmatch, whole.splitlines()) if line}


def plain(page: str) -> str:
    """The text of mdoc(7) without its macros, blanks and quotes, for comparing values."""
    return re.sub(r"\\&|[\s\"]", "", re.sub(r"^\.[A-Z][a-z] |\b(?:Ar|Cm|Ns|Pa|Ql|Op) ", "", page, flags=re.MULTILINE))


@pytest.mark.parametrize("package", FILTERS)
def test_a_filter_tells_its_letters_as_its_page_does(package: str) -> None:
    name = package.replace("_", "-")
    done = subprocess.run(
        [sys.executable, "-m", package, "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    told = lines_of(done.stdout)
    page = documented(page_of(package))
    assert done.stderr == ""
    assert done.stdout.startswith("usage: ")
    assert name in done.stdout
    assert set(told) == set(page)
    for letter, (value, about) in told.items():
        first = page[letter].splitlines()[0]
        assert bool(value) is (" Ar " in first or "Ns" in first), letter
        for default in re.findall(r"\(default (.*?)\)", about):
            assert default.replace(" ", "") in plain(page[letter]), f"-{letter}: {default}"
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("package", sorted(set(FILTERS) - {"filter_clamav", "filter_dkimsign"}))
def test_h_is_the_same_where_it_is_no_letter_of_the_filter(package: str) -> None:
    letters: str = importlib.import_module(f"{package}.options").LETTERS
    with pytest.raises(HelpWanted):
        parse_options("" if package == "filter_chain" else letters, ["-h"])


def test_every_verb_and_command_says_what_it_is_for() -> None:
    for words in all_words():
        for name, about in words.about.items():
            assert about, f"{words.verb} {words.command} {name}"


def letters_in_page(verb: str, command: str) -> set[str]:
    start = FILTERCTL.index(f"\n.Ss {verb}")
    own = re.search(rf"\n\.Ss {verb} (?:Cm )?{command}\b(?! \| )", FILTERCTL) if command else None
    start = own.start() if own else start
    section = FILTERCTL[start : FILTERCTL.find("\n.S", start + 1)]
    lines = re.findall(rf"^\.It Cm {command}\b.*$", section, re.MULTILINE) if command else []
    lines = (
        lines if lines and not own else [section.splitlines()[1], *re.findall(r"^\.It Fl \w.*$", section, re.MULTILINE)]
    )
    return {letter for line in lines for group in re.findall(r"Fl (\w+)", line) for letter in group}


@pytest.mark.parametrize(
    "words",
    [each for each in all_words() if each.verb and each.verb not in OF_A_FILTER],
    ids=lambda each: f"{each.verb}-{each.command}",
)
def test_a_verb_tells_its_letters_as_the_page_does(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    verb, command = words.verb, words.command
    told = help_of(capsys, *filter(None, (verb, command)))
    assert told.startswith(f"usage: filterctl {verb}")
    assert max(map(len, told.splitlines())) <= 80
    letters = lines_of(told)
    if (verb, command) == ("greylist", "explain"):
        return  # those of filter-greylist
    if command or not words.about.keys() - {f"-{letter}" for letter in letters}:
        assert set(letters) == letters_in_page(verb, command)
    for letter, (value, about) in letters.items():
        for default in re.findall(r"\(default (.*?)\)", about):
            assert default.replace(" ", "") in plain(FILTERCTL), f"-{letter} {value}: {default}"


def test_help_needs_neither_a_file_nor_a_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert "-m condition" in help_of(capsys, "quarantine", "-q", "/nonexistent", "list")
    assert "-K table" in help_of(capsys, "dkim", "rotate")
    assert "keygen" in help_of(capsys, "dkim")


def test_h_of_a_verb_whose_letter_it_is_stays_that_letter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["auth", "explain", "-h"]) == 1
    assert "option -h requires argument" in capsys.readouterr().err


def test_filterctl_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-h"]) == 0
    out = capsys.readouterr().out
    for name, verb in VERBS.items():
        assert re.search(rf"^  {name} +{re.escape(verb.about)}$", out, re.MULTILINE), name
    for words in (["-V"], ["why", "-V"], ["quarantine", "list", "-V"], ["dkim", "-V"]):
        assert main(words) == 0
        assert capsys.readouterr().out == f"filterctl {VERSION}\n"


def test_a_program_behind_a_verb_keeps_its_own_help() -> None:
    split = load("filterctl.recording.capture", "_options")
    assert split(["/tmp/file", "--", "filter-rdns", "--help"]) is not None


def test_an_error_of_a_command_shows_what_that_command_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dkim", "keygen"]) == 1
    assert "usage: filterctl dkim keygen -d domain -s selector" in capsys.readouterr().err


def test_letters_are_made_of_the_lines() -> None:
    options = "-a         one\n-b bytes   two\n           and more of it\n-c a b     three\n"
    assert letters_of(options) == "ab:c:"
    assert options_of(["-a", "-b", "1", "x"], options) == ({"-a": "", "-b": "1"}, ["x"])
    with pytest.raises(UsageError, match="option -z not recognized"):
        options_of(["-z"], options)
    with pytest.raises(HelpWanted) as wanted:
        options_of(["-ah"], options)
    assert wanted.value.options == options
    with pytest.raises(VersionWanted):
        options_of(["-V"], options)
    assert letters_of(COMMON_OPTIONS).replace(":", "").isalpha()


def test_choosing_a_command() -> None:
    seen: list[list[str]] = []

    def act(arguments: list[str]) -> int:
        seen.append(arguments)
        return 3

    commands: Mapping[str, Command] = {"do": Command(act, "[file]", "do it")}
    assert choose(["do", "-x"], commands) == 3
    assert seen == [["-x"]]
    with pytest.raises(UsageError, match=r"^a verb is missing: do$"):
        choose([], commands)
    with pytest.raises(UsageError, match=r"^unknown verb \\x1b\[: do$"):
        choose(["\x1b["], commands)
