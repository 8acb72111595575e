"""What takes the events of the parser: a `Sink`, and the one that keeps them as values, for tests and tools."""

from __future__ import annotations

from typing import Protocol

from filter_api.protocol.events import FIELDS, Config, DataLines, Event, Report, Request, Unknown


class Sink(Protocol):
    """What takes events, see `filter_api.protocol.events` for each.

    parts of a report: the whole line, split; the fields of the event itself begin at `events.FIELDS`. broke: a call of
    `Parser.told` raised.
    """

    def config(self, key: bytes, value: bytes, /) -> None: ...
    def report(self, name: bytes, session_id: bytes, parts: list[bytes], outgoing: bool, /) -> None: ...
    def request(self, phase: bytes, session_id: bytes, token: bytes, argument: bytes, /) -> None: ...
    def data_lines(self, session_id: bytes, token: bytes, text: bytes, /) -> None: ...
    def unknown(self, line: bytes, reason: str, /) -> None: ...
    def broke(self, error: BaseException, /) -> None: ...


class Values:
    """The sink that keeps events as values."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def config(self, key: bytes, value: bytes) -> None:
        self.events.append(Config(key, value))

    def report(self, name: bytes, session_id: bytes, parts: list[bytes], outgoing: bool) -> None:
        self.events.append(Report(name, session_id, parts[FIELDS:], outgoing))

    def request(self, phase: bytes, session_id: bytes, token: bytes, argument: bytes) -> None:
        self.events.append(Request(phase, session_id, token, argument))

    def data_lines(self, session_id: bytes, token: bytes, text: bytes) -> None:
        self.events.append(DataLines(session_id, token, text))

    def unknown(self, line: bytes, reason: str) -> None:
        self.events.append(Unknown(line, reason))

    def broke(self, error: BaseException) -> None:
        raise error
