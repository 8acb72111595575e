"""One large message through filter-auth, in a process of its own: what does it add to the memory?

python -m bench.large FILE RECORD        FILE: a message with CRLF; RECORD: the key; prints megabytes
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import islice
from pathlib import Path

from filter_api.decision import Verdict
from filter_api.message.message import Message
from filter_api.net.dns import Resolver
from filter_api.session import Session, Transaction
from filter_api.testing.dns import FakeZone
from filter_api.trust import client_at
from filter_auth.filter import Authenticate, build

_LINES = 1_000


def growth(path: Path, record: bytes) -> float:
    """Megabytes of resident memory at the most, over what there was before."""
    command = [sys.executable, "-m", "bench.large", str(path), record.decode("ascii")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _session() -> Session:
    session = client_at(ip_address("192.0.2.1"))
    session.transaction = Transaction()
    session.transaction.sender = b"a@example.org"
    return session


def _blocks(path: Path) -> Iterator[bytes]:
    """Lines as smtpd hands them over, some at a time."""
    with path.open("rb") as file:
        while lines := [line.removesuffix(b"\r\n") for line in islice(file, _LINES)]:
            yield b"\n".join(lines)


def _message(blocks: Iterator[bytes]) -> Message:
    message = Message()
    for block in blocks:
        message.append(block)
    return message


async def _judge(filter_: Authenticate, message: Message) -> Verdict:
    return await filter_.on_message(_session(), message)


def _resident(name: str) -> int:
    """Kilobytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def main(path: Path, record: str) -> None:
    """Measure and print."""
    names = ("one._domainkey.example.org", "two._domainkey.example.org")
    filter_ = build([], Resolver(backend=FakeZone({(name, "TXT"): [record.encode()] for name in names})))
    filter_.preload()
    small = b"From: a@example.org\n\nhello"
    asyncio.run(_judge(filter_, _message(iter([small]))))  # what is loaded once
    before = _resident("VmRSS")
    message = _message(_blocks(path))
    verdict = asyncio.run(_judge(filter_, message))
    message.close()
    if verdict.facts["dkim"] != "pass:example.org,pass:example.org":
        raise RuntimeError(f"the signatures do not hold: {verdict.facts}")
    print((_resident("VmHWM") - before) / 1024)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
