"""A scanner in a chain answers in the time that is left, and with -p in its own, whatever those beside it have."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from filter_api import Failure, Filter, Message, Reject, Session, Verdict
from filter_api.bases.scanning import ScanningFilter, scan_settings
from filter_api.testing import Player

MAIL = b"Subject: x\r\n\r\nhello\r\n"
FOUND = Reject(554, "5.7.1", "virus found")


class Late(ScanningFilter):
    """Finds something at the last moment it may; what it cannot check it accepts."""

    def __init__(self, timeout: float | None = None) -> None:
        super().__init__(scan_settings([], address="127.0.0.1", port=1, size_limit=0, parallel=1)[0])
        self.options.failure = Failure.ACCEPT
        self.options.timeout = timeout
        self.had = 0.0

    async def examine(self, session: Session, message: Message, deadline: float) -> Verdict:
        self.had = deadline - asyncio.get_running_loop().time()
        await asyncio.sleep(self.had)
        return Verdict(FOUND)


class Slow(Filter):
    """Takes its time, and lets everything pass."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.options.timeout = 200.0

    async def on_message(self, session: Session, message: Message) -> Verdict:
        await asyncio.sleep(self.seconds)
        return Verdict()


@pytest.mark.parametrize(
    ("before", "timeout", "had"), [(0, None, 59.8), (40, None, 59.8), (60, None, 49.8), (105, None, 4.8), (60, 7, 6.8)]
)
def test_what_is_found_in_the_time_that_is_left_is_refused(before: float, timeout: float | None, had: float) -> None:
    scanner = Late(timeout)
    with Player({"slow": Slow(before), "scanner": scanner}) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "554 5.7.1 virus found"
    assert scanner.had == pytest.approx(had, abs=0.01)


@pytest.mark.parametrize("timeouts", [(5, 20), (20, 5), (3, 3)])
def test_scanners_side_by_side_have_each_its_own_time(timeouts: Sequence[float]) -> None:
    one, two = map(Late, timeouts)
    one.options.observe = True  # or it would end the scan beside it
    with Player({"one": one, "two": two}, beside=True) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "554 5.7.1 virus found"
    assert (one.had, two.had) == pytest.approx([each - 0.2 for each in timeouts], abs=0.01)


@pytest.mark.parametrize(("timeout", "had"), [(None, 59.8), (280.0, 279.8), (0.2, 0.1)])
def test_one_that_is_alone_has_what_its_options_say(timeout: float | None, had: float) -> None:
    scanner = Late(timeout)
    with Player(scanner) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "554 5.7.1 virus found"
    assert scanner.had == pytest.approx(had, abs=0.01)
