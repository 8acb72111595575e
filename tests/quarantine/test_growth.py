"""Facts of a message, and the account of many, cost no more than in proportion to their number."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from filter_api.bounds import MAX_FACTS, MAX_RECIPIENTS
from filter_api.quarantine.account import Account, Kept
from filter_api.quarantine.directory import FACTS, MESSAGE, QuarantineDirectory, dump_facts
from filterctl.__main__ import main
from tests.support.growth import grows_in_proportion

NAME = "20261120-095311-0a1b2c3d"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "quarantine"
    path.mkdir(mode=0o700)
    (path / (NAME + MESSAGE)).write_bytes(b"Subject: x\r\n")
    return path


@pytest.mark.timed
@pytest.mark.parametrize("character", ["x", "\xff", '"', "\\", "\x00"])
def test_writing_and_reading_facts(directory: Path, character: str) -> None:
    quarantine = QuarantineDirectory(str(directory))

    def work(recipients: int) -> Callable[[], object]:
        facts = {"to": [character * 254] * recipients, "subject": character * recipients}

        def run() -> None:
            (directory / (NAME + FACTS)).write_bytes(dump_facts(facts))
            quarantine.facts(NAME)

        return run

    assert grows_in_proportion(work, MAX_RECIPIENTS // 10)
    quarantine.close()


HOSTILE = [b"[", b"[]", b"{}", b'{"a":', b'"', b"\\", b"1", b" ", b"\xff", b"[0,", b'"\\u0000"']


@pytest.mark.timed
@pytest.mark.parametrize("shape", HOSTILE)
def test_facts_that_somebody_damaged(directory: Path, shape: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    def work(size: int) -> Callable[[], object]:
        (directory / (NAME + FACTS)).write_bytes(b'{"subject": ' + shape * (size // len(shape)))
        return lambda: main(["quarantine", "-q", str(directory), "list"])

    assert grows_in_proportion(work, MAX_FACTS // 10 - 20)


@pytest.mark.timed
@pytest.mark.parametrize("value", ["=?utf-8?q?a?= ", "=?", "\x1b", "=?utf-8?b?", "\u202e", "a"])
@pytest.mark.parametrize("verb", [["list"], ["list", "-1"], ["show", NAME]])
def test_facts_that_somebody_made(
    directory: Path, value: str, verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def work(size: int) -> Callable[[], object]:
        text = value * (size // 12 // len(value))
        facts = {"subject": text, "from": text, "to": [text, *"a" * (size // 50)], "helo": text, "client": text}
        (directory / (NAME + FACTS)).write_bytes(dump_facts(facts))
        return lambda: main(["quarantine", "-q", str(directory), *verb])

    assert grows_in_proportion(work, 40_000)


@pytest.mark.timed
def test_the_account_of_many_messages() -> None:
    def work(count: int) -> Callable[[], object]:
        def run() -> None:
            account = Account()
            for number in range(count):
                account.remember(f"{number}", Kept(8192, f"{number % 1000}"))
            for number in range(count):
                account.forget(f"{number}")
            assert (account.total, account.of("1")) == (0, 0)

        return run

    assert grows_in_proportion(work, 1_000)


@pytest.mark.timed
def test_facts_of_the_longest_envelope_are_written_in_one_go() -> None:
    """On the event loop: 50 ms are the bound of anything there."""
    facts = {"to": ["\xff" * 254] * MAX_RECIPIENTS, "subject": "\x00" * 1000}
    before = time.process_time()
    dump_facts(facts)
    assert time.process_time() - before < 0.05
