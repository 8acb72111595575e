"""The commands that the documentation tells to type: their verbs and options exist."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterctl.__main__ import VERBS

ROOT = Path(__file__).resolve().parents[2]
#: design.md tells nobody to type anything.
DOCS = [path for path in (ROOT / "docs").rglob("*.md") if path.name != "design.md"]
PAGES = sorted([*DOCS, ROOT / "README.md", ROOT / "debian/opensmtpd-filters.README.Debian"])
FILTERS = sorted(path.parent.name.replace("_", "-") for path in (ROOT / "filters").glob("filter_*/__main__.py"))

_FILTERCTL = re.compile(r"(?<![\w./-])filterctl ([a-z]+)\b")
_OPTIONS = re.compile(r"(?<![\w./-])(filter-[a-z]+)((?:(?:[ \t]|\\\n)+(?:-[A-Za-z0-9]+|\"?[\w./:,@*=>…-]+\"?))*)")
_CODE = re.compile(r"```.*?```|`[^`]+`|^    [^\n]*$", re.MULTILINE | re.DOTALL)


def code(page: Path) -> str:
    """What stands in backquotes, fences and indented lines."""
    return "\n".join(_CODE.findall(page.read_text(encoding="utf-8")))


def letters(name: str) -> set[str]:
    """The option letters a filter's usage line shows."""
    package = name.replace("-", "_")
    usage: str = importlib.import_module(f"{package}.options").USAGE
    return {letter for group in re.findall(r"(?<=[\s\[])-([A-Za-z0-9]+)", usage) for letter in group}


def options_in(text: str) -> Iterator[tuple[str, str]]:
    """(filter, letters) for each option given to a filter by its name."""
    for name, rest in _OPTIONS.findall(text):
        if name in FILTERS:
            yield from ((name, word[1:]) for word in rest.split() if re.fullmatch(r"-[A-Za-z0-9]+", word))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_verbs_exist(page: Path) -> None:
    assert set(_FILTERCTL.findall(code(page))) <= set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_exist(page: Path) -> None:
    for name, group in options_in(code(page)):
        known = letters(name) | set("z") if page.name == "writing-a-filter.md" else letters(name)
        assert set(group) <= known, f"{name} -{group}"


def test_the_tests_see_something() -> None:
    """The patterns above do find what the pages say."""
    text = "".join(code(ROOT / f"docs/migrating/{name}.md") for name in ("smarthost", "spamd", "amavisd"))
    assert len(set(_FILTERCTL.findall(text)) & set(VERBS)) >= 5
    assert ("filter-greylist", "G") in set(options_in(text))
    assert len(set(options_in(text))) >= 8


# --- options of filterctl's verbs, in running text too -------------------------------------------------------------

_VERB = re.compile(r"(?<![\w./-])filterctl ([a-z]+)((?:[ \t]+(?:'[^']*'|[^\s`|>&;\\]+))*)")


def documented(verb: str) -> set[str]:
    """The letters in the sections of a verb in filterctl(8), and those that ``explain`` takes from a filter."""
    page = (ROOT / "man/filterctl.8").read_text(encoding="utf-8")
    sections = re.findall(rf"^\.Ss {verb}\b.*\n(?:(?!\.S[sh] ).*\n)*", page, re.MULTILINE)
    found = {letter for group in re.findall(r"\bFl ([A-Za-z0-9]+)", "".join(sections)) for letter in group}
    return found | {letter for name in FILTERS for letter in letters(name)} if verb == "explain" else found


def verbs_in(text: str) -> Iterator[tuple[str, str]]:
    """(verb, letters) for each option given to filterctl, up to the ``--`` before a command of its own."""
    for verb, rest in _VERB.findall(text):
        own = rest.partition(" -- ")[0].partition(" #")[0]
        yield from ((verb, word[1:]) for word in own.split() if re.fullmatch(r"-[A-Za-z]+", word))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_of_verbs_exist(page: Path) -> None:
    for verb, group in verbs_in(code(page)):
        assert set(group) <= documented(verb), f"filterctl {verb} -{group}"


def test_options_of_verbs_are_seen() -> None:
    assert {("greylist", "aT"), ("report", "k")} <= set(
        verbs_in("filterctl greylist -aT x; filterctl report messages -k y")
    )
    assert "q" in documented("quarantine")
    assert "y" not in documented("greylist")
