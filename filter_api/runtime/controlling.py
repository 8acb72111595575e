"""The control socket of a running process: it is made, served, and what is asked for is done.

::

    GET  /metrics               OpenMetrics text
    GET  /status                `filter_api.control.document.Status` as JSON
    GET  /ready                 200, or 503 before everything is open
    GET  /trace/SESSION?N       an open session and its lines in the log from number N on; they are kept from now on
    POST /log/verbose|brief     log as with -v, or not
    POST /reload                as SIGHUP, and a look at every file; gives the files

This module is loaded behind ``register|ready``, with all that the socket needs.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from filter_api import in_use
from filter_api.bounds import MAX_TRACED, MAX_TRACED_LINES, TRACED_SECONDS
from filter_api.control.document import Status
from filter_api.control.http import JSON, OPENMETRICS, Request, Response, problem
from filter_api.control.openmetrics import exposition
from filter_api.control.place import SUFFIX, Listener, Taken, listen
from filter_api.control.server import Server
from filter_api.runtime import state
from filter_api.runtime.dispatch import Dispatcher
from filter_api.runtime.state import Process
from filter_api.text.escape import printable

_AGAIN: Final = 2.0
"""Seconds until a place is tried again where another process listens: one that ends gives it up."""

_DIGITS: Final = 16  # of a session's id


class Traced:
    """The last lines of a session. number: how many there were; asked: when somebody last asked for them."""

    __slots__ = ("asked", "lines", "number")

    def __init__(self, now: float) -> None:
        self.lines: deque[str] = deque(maxlen=MAX_TRACED_LINES)
        self.number = 0
        self.asked = now

    def append(self, line: str) -> None:
        """One more."""
        self.lines.append(line)
        self.number += 1

    def since(self, number: int) -> list[str]:
        """Those from this number on, as far as they were kept."""
        new = min(max(self.number - number, 0), len(self.lines))
        return list(self.lines)[len(self.lines) - new :]


class Control:
    """Everything behind the socket. places: where it may be, the best first. unwritten: bytes smtpd has not taken."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        places: Sequence[str],
        program: str,
        words: Sequence[str],
        *,
        unwritten: Callable[[], int],
    ) -> None:
        context = dispatcher.context
        self._dispatcher = dispatcher
        self._log = context.log
        self._places = places
        self._unwritten = unwritten
        self._process = Process(program, program, words, os.getpid(), context.wall(), context.monotonic())
        self._listener: Listener | None = None
        self._traced: dict[bytes, Traced] = {}
        self._serving: asyncio.Task[None] | None = None
        #: Whether the filters have opened what they need.
        self.ready = False

    def begin(self) -> None:
        """Serve from now on, in a task."""
        self._serving = asyncio.get_running_loop().create_task(self._serve())

    def close(self) -> None:
        """Take the socket away. Never raises."""
        if self._serving is not None:
            self._serving.cancel()
        if self._listener is not None:
            self._listener.close()

    async def _serve(self) -> None:
        try:
            self._listener = await self._listen()
            directory, name = os.path.split(self._listener.path)
            name = f"{os.path.basename(directory)}/{name.removesuffix(SUFFIX)}"
            self._process = self._process._replace(name=printable(name))
            await Server(self.answer, self._failed).serve(self._listener.socket)
        except OSError as error:
            self._log.warning(None, "control", path=self._places[0], error=error.strerror)
        except Exception as error:  # noqa: BLE001 - mail goes on without it
            self._failed(error)

    async def _listen(self) -> Listener:
        """The socket, as soon as there is a place for it. Raises OSError."""
        told = False
        while True:
            for number, path in enumerate(self._places):
                try:
                    return listen(path)
                except Taken as error:
                    if not told:
                        self._log.warning(None, "control", path=path, error=str(error))
                        told = True
                if number == 0:
                    await asyncio.sleep(_AGAIN)
            await asyncio.sleep(_AGAIN)

    def _failed(self, error: BaseException) -> None:
        self._dispatcher.broke(error)

    # --- what is asked for ---------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response:
        """Do what is asked for; at once, in a few milliseconds at most."""
        self._forget_traces()
        if request.path.startswith("/trace/"):
            return self._get(request, self._trace)
        found = {
            "/metrics": ("GET", self._metrics),
            "/status": ("GET", lambda _: _json(self._status())),
            "/ready": ("GET", self._ready),
            "/log/verbose": ("POST", lambda _: self._set_verbose(on=True)),
            "/log/brief": ("POST", lambda _: self._set_verbose(on=False)),
            "/reload": ("POST", self._reload),
        }.get(request.path)
        if found is None:
            return problem(404, "there is no such thing here")
        method, answer = found
        if method == "GET":
            return self._get(request, answer)
        if request.method != method:
            return problem(405, "this wants POST")._replace(allowed=method)
        return answer(request)

    def _get(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return problem(405, "this wants GET")._replace(allowed="GET, HEAD")
        return answer(request)

    def _status(self) -> Status:
        dropped = getattr(self._log.sink, "dropped", 0)  # a sink of a test's own may not count
        return state.status_of(
            self._dispatcher, self._process, ready=self.ready, unwritten=self._unwritten(), dropped=dropped
        )

    def _metrics(self, _request: Request) -> Response:
        return Response(200, exposition([self._status()]).encode("ascii"), OPENMETRICS)

    def _ready(self, _request: Request) -> Response:
        return problem(200, "ready") if self.ready else problem(503, "not everything is open yet")

    def _set_verbose(self, *, on: bool) -> Response:
        for log in (self._log, *(member.filter.log for member in self._dispatcher.members)):
            log.verbose = on
        self._log.info(None, "control", log="verbose" if on else "brief")
        return problem(200, "done")

    def _reload(self, _request: Request) -> Response:
        self._log.info(None, "control", reload=True)
        for member in self._dispatcher.members:
            member.reload()
        for file in in_use.FILES.now():
            file.look()
        return _json({"files": state.files()})

    def _trace(self, request: Request) -> Response:
        session_id = request.path.rpartition("/")[2].encode("ascii")
        traced = self._traced.get(session_id)
        session = self._dispatcher.sessions.open.get(session_id)
        if traced is None:
            if session is None or len(session_id) > _DIGITS:
                return problem(404, "there is no such session")
            if len(self._traced) >= MAX_TRACED:
                return problem(503, f"{MAX_TRACED} sessions are traced already: end one of these, and wait a minute")
            traced = Traced(self._dispatcher.context.monotonic())
            self._traced[session_id] = self._log.traced[session_id] = traced
        traced.asked = self._dispatcher.context.monotonic()
        since = int(request.query) if request.query.isdigit() and len(request.query) < _DIGITS else 0
        known = None if session is None else state.session_of(self._dispatcher, session)
        return _json({"session": known, "lines": traced.since(since), "next": traced.number})

    def _forget_traces(self) -> None:
        """Those that nobody asks for any more."""
        before = self._dispatcher.context.monotonic() - TRACED_SECONDS
        for session_id in [key for key, traced in self._traced.items() if traced.asked < before]:
            del self._traced[session_id], self._log.traced[session_id]


def _json(value: object) -> Response:
    return Response(200, json.dumps(value).encode("ascii") + b"\n", JSON)
