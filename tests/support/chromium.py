"""A browser without a window, asked what a page looks like: Chromium over the DevTools protocol, by a pair of pipes.

    with Chromium(path) as browser:
        browser.open(Path("page.html"))
        browser.show(width=400, scheme="dark")
        browser.ask("document.title")

No port and no library is needed for that: with ``--remote-debugging-pipe`` it reads commands from descriptor 3 and
writes answers to 4, JSON with a zero byte behind it.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

#: Seconds until an answer; a machine that has a lot to do starts it in ten.
PATIENCE = 60.0
HEIGHT = 800
_ABOVE = 10  # the lowest descriptor for our ends, so that 3 and 4 are free in the child


def chromium() -> str | None:
    """The program, None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-headless-shell")


class Chromium:
    """One browser with one page. fetched: what it asked for, the page itself included; complaints: of its console."""

    def __init__(self, program: str) -> None:
        self.fetched: list[str] = []
        self.complaints: list[str] = []
        self._number = 0
        self._buffer = b""
        self._home = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        (commands, self._out), (self._in, answers) = _pipe(), _pipe()
        words = [
            *(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--remote-debugging-pipe", f"--user-data-dir={self._home.name}", "--disable-background-networking"),
            *("--disable-extensions", "--hide-scrollbars", "about:blank"),
        ]
        nothing = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, nothing, number) for number in (0, 1, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, commands, 3), (os.POSIX_SPAWN_DUP2, answers, 4)]
        environment = {**os.environ, "HOME": self._home.name}
        self._child = os.posix_spawn(program, words, environment, file_actions=actions, setsid=True)
        for descriptor in (nothing, commands, answers):
            os.close(descriptor)
        self._session = ""

    def __enter__(self) -> Chromium:
        target = self._command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self._command(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._in)
        os.close(self._out)
        self._home.cleanup()

    def open(self, path: Path) -> None:
        """Show a file."""
        self.fetched.clear()
        self.complaints.clear()
        self._command("Page.navigate", url=path.as_uri())
        until = time.monotonic() + PATIENCE
        while self.ask("document.readyState") != "complete" or self.ask("location.href") != path.as_uri():
            assert time.monotonic() < until, f"{path} was not loaded"
            time.sleep(0.02)

    def show(self, *, width: int, scheme: str, media: str = "screen") -> None:
        """As in a window so many pixels wide, in the ``light`` or ``dark`` scheme, on a ``screen`` or in ``print``."""
        self._command(
            "Emulation.setDeviceMetricsOverride", width=width, height=HEIGHT, deviceScaleFactor=1, mobile=False
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._command("Emulation.setEmulatedMedia", media=media, features=features)

    def ask(self, script: str) -> Any:  # noqa: ANN401 - whatever a script gives
        """The value of an expression in the page."""
        found = self._command("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, path: Path) -> None:
        """Put the whole page into a PNG file, for who wants to look at it."""
        shot = self._command("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def printed(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self._command("Page.printToPDF", printBackground=True)["data"])

    def _command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and wait for its answer; what is told meanwhile is kept."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, f"{method}: {told['error']}"
                result: dict[str, Any] = told["result"]
                return result
            self._event(told)

    def _event(self, told: dict[str, Any]) -> None:
        match told.get("method"):
            case "Network.requestWillBeSent":
                self.fetched.append(told["params"]["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(told["params"]["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Page.javascriptDialogOpening":
                self.complaints.append(json.dumps(told["params"])[:300])

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(until - time.monotonic(), 0))
            data = os.read(self._in, 1 << 20) if ready else b""
            assert data, "the browser has ended" if ready else "the browser does not answer"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told


def _pipe() -> tuple[int, int]:
    """Both ends of a pipe, above the descriptors that the child is to have."""
    low = os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for end in low]
    for end in low:
        os.close(end)
    return ends[0], ends[1]
