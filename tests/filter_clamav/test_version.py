"""Option -h: clamd's version is asked for once in a while, and never holds a message up for long."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from filter_api.decision import AddHeader, Verdict
from filter_api.message.message import Message
from filter_api.session import Session
from filter_api.testing.servers import served
from filter_clamav import filter as program


class Clamd:
    """A daemon that finds nothing and has a version a second."""

    def __init__(self) -> None:
        self.asked = 0
        self.silent = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readuntil(b"\0")
        if command == b"zVERSION\0":
            self.asked += 1
            if self.silent:
                await asyncio.sleep(3600)
            writer.write(b"ClamAV 1.4.%d/27822/Thu Nov 19 08:35:12 2026\0" % self.asked)
        else:
            writer.write(b"stream: OK\0")
        await writer.drain()


async def scan(filter_: program.ClamAv) -> str:
    """What the header says of the version."""
    session, message = Session(b"0123456789abcdef"), Message()
    message.append(b"Received: from x\nSubject: x\n\nbody")
    verdict: Verdict = await filter_.on_message(session, message)
    (line,) = [
        edit.lines[0] for edit in verdict.edits if isinstance(edit, AddHeader) and edit.name == "X-Virus-Scanned"
    ]
    return line.decode("ascii").removeprefix("X-Virus-Scanned: ")


def test_asked_once_and_again_when_it_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        clamd = Clamd()
        async with served(clamd, tmp_path / "socket") as endpoint:
            filter_ = program.build(["-h", "-a", str(endpoint)])
            for _ in range(3):
                assert await scan(filter_) == "ClamAV 1.4.1/27822/Thu Nov 19 08:35:12 2026 on localhost"
            assert clamd.asked == 1
            monkeypatch.setattr(program, "VERSION_AGE", 0.0)
            assert (await scan(filter_)).startswith("ClamAV 1.4.2/")

    asyncio.run(main())


def test_the_last_one_is_shown_while_there_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        clamd = Clamd()
        monkeypatch.setattr(program, "VERSION_AGE", 0.0)
        monkeypatch.setattr(program, "VERSION_SECONDS", 0.1)
        async with served(clamd, tmp_path / "socket") as endpoint:
            filter_ = program.build(["-h", "-a", str(endpoint)])
            clamd.silent = True
            assert await scan(filter_) == "ClamAV on localhost"
            clamd.silent = False
            assert (await scan(filter_)).startswith("ClamAV 1.4.2/")
            clamd.silent = True
            assert (await scan(filter_)).startswith("ClamAV 1.4.2/")

    asyncio.run(main())
