"""Where memory runs out at one place, put in by hand: a filter to ask, and what asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from filter_api import Decision, Filter, Message, Proceed, Reject, Session, Verdict
from filter_api.testing import Player


class Both(Filter):
    """Asks a while about senders, and looks at messages; refuses recipients."""

    async def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        await asyncio.sleep(5)
        return Proceed()

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
        return Reject(550, "5.7.1", "no")

    def on_message(self, session: Session, message: Message) -> Verdict:
        return Verdict(facts={"seen": 1})


def no_memory(*_: object, **__: object) -> None:
    raise MemoryError


def once(real: Callable[..., object]) -> Callable[..., object]:
    """There is memory for it at the second time."""
    calls: list[None] = []

    def sometimes(*arguments: object, **more: object) -> object:
        calls.append(None)
        if len(calls) == 1:
            raise MemoryError
        return real(*arguments, **more)

    return sometimes


def asked(smtpd: Player, number: int, phase: bytes, argument: bytes = b"x@y") -> bytes:
    ids = (smtpd.protocol, phase, number, smtpd.token(phase))
    return b"filter|%b|1.1|smtp-in|%b|%016x|%b|" % ids + argument + b"\n"


def feed(smtpd: Player, data: bytes) -> None:
    """As `Player.feed`, without a task of its own."""
    smtpd.oracle.smtpd_wrote(data)
    smtpd.loop.call_soon(smtpd.dispatcher.feed, data)
    smtpd.loop.call_soon(smtpd.loop.stop)
    smtpd.loop.run_forever()


def answered(smtpd: Player, number: int) -> list[bytes]:
    return [line.split(b"|", 3)[3] for line in smtpd.lines() if line.startswith(b"filter-result|%016x|" % number)]
