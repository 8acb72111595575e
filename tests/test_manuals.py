"""The manual pages and the code agree: every option is documented, none is that does not exist, mandoc is content."""

from __future__ import annotations

import getopt
import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "man").glob("*.[1-9]"))
FILTERS = sorted(path.parent.name for path in (ROOT / "filters").glob("filter_*/__main__.py"))

REFUSED = {"filter_greylist": "w", "filter_dkimsign": "S"}
"""Letters that only give an error which explains why: mentioned in the page, but not offered."""

_OPTION = re.compile(r"^\.It Fl ([A-Za-z0-9])(?: |$)(.*)", re.MULTILINE)
_EXAMPLE = re.compile(r"for example|such as|as in|^\.Ql |^\.Dl |^\.Bd |^\.It Cm |\.Cm ", re.IGNORECASE | re.MULTILINE)
_DEFAULT = re.compile(r"\bdefaults?\b|must be given|is required", re.IGNORECASE)
_MACHINE = re.compile(r"referenced manual not found|outdated mandoc.db")


class LettersSeen(BaseException):
    """Carries the letters a filter gives to getopt(3); not an Exception, so that nobody in between handles it."""


def letters_of(package: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a filter really passes to getopt when it is started."""

    def spy(_arguments: Sequence[str], letters: str, _long: object = ()) -> None:
        raise LettersSeen(letters)

    module = importlib.import_module(f"{package}.__main__")
    monkeypatch.setattr(getopt, "getopt", spy)
    monkeypatch.setattr(sys, "argv", [package.replace("_", "-")])
    with pytest.raises(LettersSeen) as seen:
        module.run()
    return str(seen.value)


def page_of(package: str) -> str:
    return (ROOT / "man" / f"{package.replace('_', '-')}.8").read_text()


def description(page: str) -> str:
    """From DESCRIPTION up to the next section, where the options are documented."""
    start = page.index("\n.Sh DESCRIPTION")
    end = page.find("\n.Sh ", start + 1)
    return page[start : end if end > 0 else None]


def documented(page: str) -> dict[str, str]:
    """Letter → the text of its entry."""
    text = description(page)
    found = list(_OPTION.finditer(text))
    ends = [entry.start() for entry in found[1:]] + [len(text)]
    return {entry[1]: text[entry.start() : end] for entry, end in zip(found, ends, strict=True)}


def synopsis_letters(page: str) -> set[str]:
    """Letters in the SYNOPSIS: ``.Op Fl abc`` and ``.Op Fl x Ar value``."""
    start = page.index("\n.Sh SYNOPSIS")
    text = page[start : page.index("\n.Sh ", start + 1)]
    return {letter for group in re.findall(r"Fl ([A-Za-z0-9]+)", text) for letter in group}


def test_there_is_a_page_for_each_program() -> None:
    names = {path.name for path in PAGES}
    assert {f"{package.replace('_', '-')}.8" for package in FILTERS} <= names
    assert "filterctl.8" in names


@pytest.mark.parametrize("package", FILTERS)
def test_options_and_page_agree(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = letters_of(package, monkeypatch)
    code = set(letters.replace(":", ""))
    page = page_of(package)
    refused = set(REFUSED.get(package, ""))
    assert set(documented(page)) | refused == code
    assert synopsis_letters(page) == code - refused
    assert all(f"Fl {letter}" in page for letter in refused)
    takes_value = {letter for letter, colon in zip(letters, letters[1:] + " ", strict=True) if colon == ":"}
    for letter, text in documented(page).items():
        assert (" Ar " in text.splitlines()[0] or "Ns" in text.splitlines()[0]) is (letter in takes_value), letter


@pytest.mark.parametrize("package", FILTERS)
def test_every_option_with_a_value_tells_its_default_and_an_example(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = letters_of(package, monkeypatch)
    page = page_of(package)
    entries = documented(page)
    examples = page[page.index("\n.Sh EXAMPLES") :]
    for letter in re.findall(r"([A-Za-z]):", letters):
        assert _DEFAULT.search(entries[letter]), f"-{letter}: no default"
        assert _EXAMPLE.search(entries[letter]) or f"-{letter}" in examples or f"Fl {letter}" in examples, (
            f"-{letter}: no example"
        )


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_is_content(path: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-Tlint", str(path)], capture_output=True, text=True)
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if not _MACHINE.search(line)]
    assert complaints == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_refer_to_pages_that_exist(path: Path) -> None:
    ours = {(page.stem, page.suffix[1:]) for page in PAGES}
    referred = re.findall(r"^\.Xr (filter[\w-]*|opensmtpd-filters) (\d)", path.read_text(), re.MULTILINE)
    assert set(referred) <= ours
    assert path.name == "opensmtpd-filters.7" or ("opensmtpd-filters", "7") in referred, "the overview is not linked"


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("check", []),
        ("doctor", []),
        ("init", []),
        ("monitor", []),
        ("ready", []),
        ("record", []),
        ("replay", []),
        ("report", ["messages"]),
        ("report", ["decisions"]),
        ("trace", []),
        ("why", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_of_a_verb_and_its_section_agree(
    verb: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from filterctl.__main__ import VERBS, load

    def spy(_arguments: Sequence[str], letters: str, _long: object = ()) -> None:
        raise LettersSeen(letters)

    function = load(VERBS[verb].module, VERBS[verb].function)
    monkeypatch.setattr(getopt, "getopt", spy)
    with pytest.raises(LettersSeen) as seen:
        function(arguments)
    section = verb_section(" Cm ".join([verb, *arguments]))
    assert {letter for letter, _ in _OPTION.findall(section)} == set(str(seen.value).replace(":", ""))


def verb_section(verb: str) -> str:
    """The text about a verb in filterctl(8)."""
    page = (ROOT / "man" / "filterctl.8").read_text()
    start = page.index(f"\n.Ss {verb} ")
    return page[start : page.find("\n.S", start + 1)]


def test_every_verb_of_filterctl_has_its_section() -> None:
    from filterctl.__main__ import VERBS

    page = (ROOT / "man" / "filterctl.8").read_text()
    sections = dict(re.findall(r"^\.Ss (\w+)(.*)$", page, re.MULTILINE))
    assert set(sections) == set(VERBS)
    for verb in VERBS:
        section = verb_section(verb)
        assert ".Bd -literal" in section or ".Dl " in section, f"{verb}: no example"


def test_all_pages_say_the_same_of_host_names_in_files_of_exemptions() -> None:
    entries = [
        (path.name, text)
        for path in PAGES
        for text in re.findall(r"^\.It Cm host : Ns Ar name\n((?:[^.].*\n)*)", path.read_text(), re.MULTILINE)
    ]
    assert len(entries) >= 8
    told = "the client has this host name, and it is confirmed both ways;\na leading dot stands for every name below"
    assert [name for name, text in entries if not text.startswith(told)] == []
