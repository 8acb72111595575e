"""What is given back is up to fifty times of what is held: each line gets a head. While smtpd does not read, it waits.

An empty line is one byte of a message and 51 on the wire, so a message of 64 KiB may be 3 MB there. Whatever many small
messages are decided at once, only about one of them is made ready before smtpd has taken what there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from filter_api import AddHeader, Filter, Message, Session, Verdict
from filter_api.bounds import BLOCK, DATALINE_HEAD
from filter_api.runtime.transport import HIGH_WATER
from filter_api.testing import Player

MOST = HIGH_WATER + BLOCK * (DATALINE_HEAD + 1) + 100_000
"""Bytes that may wait for smtpd: what it takes before it is slow, and one block of the shortest lines."""


class Passing(Filter):
    """Lets every message pass: at once, or all of them five seconds later. edited: with a field on top."""

    def __init__(self, *, late: bool, edited: bool) -> None:
        self.late = late
        self.verdict = Verdict(edits=[AddHeader("X-Seen", "1")] if edited else ())

    def on_message(self, session: Session, message: Message) -> Verdict | Awaitable[Verdict]:
        return self._later() if self.late else self.verdict

    async def _later(self) -> Verdict:
        await asyncio.sleep(5)
        return self.verdict


class SlowReader:
    """smtpd that reads nothing until it is told to."""

    def __init__(self, smtpd: Player) -> None:
        self.outbox = smtpd.dispatcher.outbox
        self.write = self.outbox.write
        self.outbox.write = self._wrote
        self.unread = self.most = self.dots = self.lines = 0

    def _wrote(self, data: bytes) -> None:
        self.unread += len(data)
        self.most = max(self.most, self.unread)
        self.dots += data.count(b"|.\n")
        self.lines += data.count(b"\n")
        if self.unread > HIGH_WATER:
            self.outbox.pause()

    def read(self) -> None:
        self.unread = 0
        self.outbox.resume()


@pytest.mark.parametrize("edited", [False, True], ids=["as they are", "edited"])
@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize(
    ("messages", "lines", "line"),
    [
        (12, 65_000, b""),
        (40, 16_000, b""),
        (12, 32_000, b"x"),
        (200, 1_000, b""),
    ],
    ids=["64 KB of empty lines", "16 KB of empty lines", "lines of a byte", "many that are small"],
)
def test_small_messages_that_are_decided_at_once_wait_for_a_slow_reader(
    messages: int, lines: int, line: bytes, late: bool, edited: bool
) -> None:
    with Player(Passing(late=late, edited=edited)) as smtpd:
        token = smtpd.token(b"data-line")
        heads = [b"filter|0.7|1.1|smtp-in|data-line|%016x|%b|" % (number, token) for number in range(1, messages + 1)]
        for head in heads:
            for _ in range(lines // 500):
                smtpd.dispatcher.feed((head + line + b"\n") * 500)
        reader = SlowReader(smtpd)
        smtpd.loop.call_soon(smtpd.dispatcher.feed, b"".join(head + b".\n" for head in heads))
        for _ in range(3 * messages + 20):
            smtpd.advance(1)
            reader.read()
        assert reader.dots == messages
        assert reader.lines == messages * (lines // 500 * 500 + 1 + edited)
        assert reader.most <= MOST
        assert smtpd.context.spool.held == 0
