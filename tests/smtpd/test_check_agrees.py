"""filterctl check and smtpd -n judge the same configurations alike, under both smtpds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from filter_api.errors import ConfigError
from filterctl.conf.smtpdconf import read
from tests.smtpd import check_corpus, check_corpus_files, check_corpus_tables, check_corpus_uses, check_corpus_words
from tests.smtpd.check_corpus import HEAD, TAIL
from tests.smtpd.check_corpus_files import INCLUDED
from tools.private_smtpd.namespace import Namespace
from tools.private_smtpd.systems import require

TABLE = "/etc/s"
"""A file that some of the lines name as a table."""


def refused(path: Path) -> bool:
    try:
        return bool(list(read(str(path)).refused()))
    except ConfigError:
        return True


def disagreements(version: str, folder: Path, cases: Sequence[tuple[bool, str, str]]) -> list[str]:
    """Of cases, each bad or not, lines and what they include, those that smtpd or check judge otherwise."""
    path, included = folder / "smtpd.conf", folder / "included.conf"
    told = []
    with Namespace(require(version)) as room:
        room.write(TABLE, "192.0.2.1\n")
        for bad, lines, inner in cases:
            text = HEAD + lines + TAIL
            path.write_text(text.replace(INCLUDED, str(included)), newline="")
            included.write_text(inner.replace(INCLUDED, str(included)), newline="")
            room.write("/etc/smtpd.conf", text, 0o600)
            room.write(INCLUDED, inner, 0o600)
            code, output = room.run(["smtpd", "-n", "-f", "/etc/smtpd.conf"])
            if not refused(path) == (code != 0) == bad:
                told.append(repr((lines[:80], inner, bad, output, refused(path))))
    return told


@pytest.mark.parametrize("kind", ["GOOD", "BAD"])
@pytest.mark.parametrize("corpus", [check_corpus, check_corpus_words, check_corpus_uses, check_corpus_tables])
def test_check_refuses_what_smtpd_refuses_and_nothing_else(
    version: str, tmp_path: Path, corpus: ModuleType, kind: str
) -> None:
    lines: Sequence[str] = getattr(corpus, kind)
    assert len(lines) >= 40
    told = disagreements(version, tmp_path, [(kind == "BAD", each, "") for each in lines])
    assert not told, "\n".join(told)


def test_check_refuses_what_smtpd_refuses_in_files_that_are_included(version: str, tmp_path: Path) -> None:
    good, bad = check_corpus_files.GOOD, check_corpus_files.BAD
    told = disagreements(version, tmp_path, [*((False, *case) for case in good), *((True, *case) for case in bad)])
    assert not told, "\n".join(told)


@pytest.mark.parametrize("lines", ["filter x chain {\na, b\n}", "listen on 127.0.0.1 filter { a,\n\tb }"])
def test_braces_over_several_lines_are_those_that_only_an_older_smtpd_refuses(
    version: str, tmp_path: Path, lines: str
) -> None:
    assert bool(disagreements(version, tmp_path, [(False, lines, "")])) == (version == "6.8")
    assert read(str(tmp_path / "smtpd.conf")).spread[0].line == 5
