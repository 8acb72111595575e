"""A scanner in memory, in place of a daemon, for tests of a `filter_api.bases.scanning.ScanningFilter`.

    scanner = FakeScanner(lambda asked: b"stream: Eicar FOUND\\0" if b"EICAR" in asked else b"stream: OK\\0")
    with Player(MyScanner(ScanSettings(scanner, size_limit=0, keeper=None))) as smtpd:
        outcome = smtpd.connect().mail(b"Subject: x\\r\\n\\r\\nEICAR\\r\\n")
    assert scanner.asked[0].startswith(b"zINSTREAM\\0")

It is asked with the very bytes a daemon would get, and its answer is read by the filter's own `Question`, so protocol
and bounds are tested, too. It needs no socket: an answer that takes long, or never comes, costs a test no time under
the player. `filter_api.testing.servers` has daemons on sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from filter_api.net.backend import Answer, BackendError, Backends
from filter_api.net.conversation import BadAnswer, Question

Reply: TypeAlias = bytes | BaseException | None
"""Bytes of the daemon; an exception to raise, such as `BackendError`; None for no answer at all."""


class FakeScanner(Backends):
    """Answers every question. answer: the reply, or what makes it of the question's bytes. seconds: how long it takes.

    asked: the bytes of every question. Both attributes may be changed between questions.
    """

    def __init__(self, answer: Reply | Callable[[bytes], Reply], *, seconds: float = 0.0) -> None:
        self.backends = ()
        self.answer = answer
        self.seconds = seconds
        self.asked: list[bytes] = []

    async def ask(self, question: Question[Answer], deadline: float) -> Answer:
        """As `Backends.ask`. Raises BackendError, and whatever the blocks of the question raise."""
        asked = b"".join(question.blocks())
        self.asked.append(asked)
        reply = self.answer(asked) if callable(self.answer) else self.answer
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.sleep(self.seconds)
                if reply is None:
                    await asyncio.get_running_loop().create_future()
        except TimeoutError:
            raise BackendError("fake: no answer within the deadline") from None
        if isinstance(reply, BaseException):
            raise reply
        return self._read(question, reply or b"")

    def _read(self, question: Question[Answer], reply: bytes) -> Answer:
        """What the filter makes of it. The reply arrives at once: what is behind its end is there, too."""
        if len(reply) > question.limit:
            raise BackendError(f"fake: an answer of more than {question.limit} bytes")
        try:
            question.finished(reply)
            return question.read(reply)
        except BadAnswer as error:
            raise BackendError(f"fake: {error}") from None
