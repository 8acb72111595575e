"""clamd and spamd that find nothing, after a while or at once: run beside a private smtpd, so that only filters cost.

python scanners.py clamd-port spamd-port seconds
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

HAM = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 9\r\nSpam: False ; 1.0 / 5.0\r\n\r\nALL_TESTS"
LEFT = 1 << 20


async def clamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """One question: a stream of chunks, each with its length before it."""
    command = await reader.readuntil(b"\0")
    if command != b"zINSTREAM\0":
        writer.write(b"ClamAV 1.0.0/27000/Sat Nov 28 00:00:00 2026\0" if b"VERSION" in command else b"PONG\0")
        return
    while size := int.from_bytes(await reader.readexactly(4), "big"):
        await reader.readexactly(size)
    await asyncio.sleep(seconds)
    writer.write(b"stream: OK\0")


async def spamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """One question: the client shuts its side down behind a message."""
    if (await reader.readline()).startswith(b"PING"):
        writer.write(b"SPAMD/1.5 0 PONG\r\n")
        return
    while await reader.read(LEFT):
        pass
    await asyncio.sleep(seconds)
    writer.write(HAM)


async def main(clamd_port: int, spamd_port: int, seconds: float) -> None:
    """Serve for ever."""
    for port, answer in ((clamd_port, clamd), (spamd_port, spamd)):

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: object = answer) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await answer(reader, writer, seconds)  # type: ignore[operator]  # one of the two above
                await writer.drain()
            writer.close()

        await asyncio.start_server(serve, "127.0.0.1", port, limit=LEFT, backlog=128)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
