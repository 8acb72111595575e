"""The daemon answers before it has the whole message, and closes or stops reading: the answer counts, nobody waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.testing.servers import Handler, say_early, say_early_and_stay
from tests.support.process import Smtpd
from tests.support.scanners import CLAMAV, MAIL, Scanner, each_scanner, with_server

pytestmark = pytest.mark.timed

LARGE = MAIL + b"a line of thirty bytes or so..\r\n" * 12_000


def handlers(answer: bytes) -> list[Handler]:
    return [say_early(answer), say_early(answer, 5000), say_early_and_stay(answer)]


@each_scanner
@pytest.mark.parametrize("which", range(3))
def test_an_early_answer_counts(scanner: Scanner, which: int, tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        for _ in range(5):
            outcome = await smtpd.send(LARGE)
            assert outcome.reply is None
            assert scanner.unknown not in outcome.text
            assert outcome.seconds < 2

    with_server(scanner, handlers(scanner.good)[which], tmp_path, scenario)


@pytest.mark.parametrize("which", range(3))
def test_an_early_size_limit_counts(which: int, tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        for _ in range(5):
            outcome = await smtpd.send(LARGE)
            assert outcome.reply == "552 5.3.4 message is larger than the virus scanner takes"

    with_server(CLAMAV, handlers(b"INSTREAM size limit exceeded. ERROR\0")[which], tmp_path, scenario)


@pytest.mark.parametrize("which", range(3))
def test_an_early_virus_counts(which: int, tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        assert (await smtpd.send(LARGE)).reply == "554 5.7.1 virus found: Early"

    with_server(CLAMAV, handlers(b"stream: Early FOUND\0")[which], tmp_path, scenario)
