"""Memory runs out (ulimit -v): the process lives, every message is answered, and none passes with gaps."""

from __future__ import annotations

import contextlib
import resource
import threading
from pathlib import Path

import pytest

from tests.support.filter_process import FilterProcess

ECHO = """
from filter_api import *
import asyncio
class Echo(Filter):
    async def on_message(self, session, message):
        await asyncio.sleep(0.05)
        return Verdict()
main(Echo())
"""
MESSAGES = 40
BODY = 600_000  # bytes: held in memory, not spooled to a file


def size_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmSize"))


def converse(smtpd: FilterProcess, first: int, count: int, size: int) -> dict[bytes, bytes]:
    """Send messages side by side; gives each session's answer at commit. Answers are read while lines are sent."""
    answers: dict[bytes, bytes] = {}
    ids = [b"%016x" % (first + number) for number in range(count)]
    dots = {session: threading.Event() for session in ids}

    def read() -> None:
        while len(answers) < count:
            line = smtpd.line()
            kind, session, _, rest = line.split(b"|", 3)
            if kind == b"filter-dataline" and rest == b".":
                dots[session].set()
            elif kind == b"filter-result":
                answers[session] = rest

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    head = b"filter|0.7|1.1|smtp-in|data-line|%b|88|"
    block = 50
    for _ in range(size // (block * 1000)):
        for session in ids:
            smtpd.write((head % session + b"y" * 999 + b"\n") * block)
    for session in ids:
        smtpd.write(head % session + b".\n")
    for session in ids:
        assert dots[session].wait(20), "a message that never ends"
        smtpd.write(b"filter|0.7|1.1|smtp-in|commit|%b|89|\n" % session)
    reader.join(20)
    assert len(answers) == count
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("more", range(1, 21))
def test_every_message_is_answered_however_little_memory_there_is(more: int) -> None:
    with FilterProcess(["-c", ECHO]) as smtpd:
        smtpd.handshake()
        converse(smtpd, 1, 1, 50_000)
        limit = size_of(smtpd.process.pid) + more * (1 << 20)
        resource.prlimit(smtpd.process.pid, resource.RLIMIT_AS, (limit, limit))
        answers = converse(smtpd, 100, MESSAGES, BODY)
        assert smtpd.alive()
        for answer in answers.values():
            assert answer == b"proceed" or answer.startswith((b"reject|452 4.3.1", b"reject|451 4.3.0"))
        assert any(answer != b"proceed" for answer in answers.values()), "there was memory enough"
        resource.prlimit(smtpd.process.pid, resource.RLIMIT_AS, (limit, limit))
        later = converse(smtpd, 1000, 3, 50_000)
        assert set(later.values()) == {b"proceed"}, "what was held is free again"
        with contextlib.suppress(OSError):
            smtpd.oracle.finish()
        assert smtpd.hang_up() == 0
