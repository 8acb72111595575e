"""Start and stop real Redis servers and Sentinels on loopback, each in a directory of its own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from filter_greylist.store.base import Store
from filter_greylist.store.fallback import FallbackStore
from filter_greylist.store.opening import open_spec
from filter_greylist.store.spec import parse_spec
from tests.support.ports import free_port


def redis_missing() -> bool:
    """Whether there is no Redis here to test with."""
    return shutil.which("redis-server") is None


class _Server:
    """A process that answers PING on a port."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        with (self.directory / f"log-{self.port}").open("ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.directory, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not self.answers():
            assert time.monotonic() < deadline, (self.directory / f"log-{self.port}").read_text()
            time.sleep(0.02)

    def answers(self) -> bool:
        return self.ask("PING").startswith((b"+PONG", b"-NOAUTH"))

    def ask(self, *words: str) -> bytes:
        """The first line of the reply to a command; empty if there is none."""
        return self.talk(*words).split(b"\r\n")[0]

    def talk(self, *words: str) -> bytes:
        """Send a command and return what is read of the reply; empty if there is none."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as link:
            link.settimeout(1)
            link.sendall("".join([f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]).encode())
            return link.recv(65536)
        return b""

    def kill(self) -> None:
        """As a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Alive and silent."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _end(self, number: int) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(number)
            process.wait(10)


class RedisServer(_Server):
    """redis-server without persistence."""

    def __init__(self, directory: Path, port: int | None = None, *options: str) -> None:
        super().__init__(directory, port)
        self.options = options

    def command(self) -> list[str]:
        fixed = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        return ["redis-server", *fixed, *self.options]

    def url(self, prefix: str, fallback: Path) -> str:
        return f"redis://127.0.0.1:{self.port}/0?prefix={prefix}:&fallback={fallback}"


class SentinelServer(_Server):
    """redis-sentinel that watches a master called ``mx``."""

    def __init__(self, directory: Path, master: int) -> None:
        super().__init__(directory)
        self.config = directory / f"sentinel-{self.port}.conf"
        self.config.write_text(
            f"bind 127.0.0.1\nport {self.port}\nsentinel monitor mx 127.0.0.1 {master} 2\n"
            "sentinel down-after-milliseconds mx 1000\nsentinel failover-timeout mx 6000\n"
        )

    def command(self) -> list[str]:
        return ["redis-sentinel", str(self.config)]


Used = TypeVar("Used", bound=Store)
Result = TypeVar("Result")


def used(make: Callable[[], Used], what: Callable[[Used], Awaitable[Result]]) -> Result:
    """What is done with a store that is made and open for just that."""

    async def inside() -> Result:
        store = make()
        await store.open()
        try:
            return await what(store)
        finally:
            await store.close()

    return asyncio.run(inside())


def fallback_store(server: RedisServer, path: Path, told: list[str]) -> FallbackStore:
    """A store on that server with a file in that directory, not opened yet; `told` gets what it says."""
    store = open_spec(parse_spec(server.url("mx", path / "fallback.db")), told.append)
    assert isinstance(store, FallbackStore)
    return store
