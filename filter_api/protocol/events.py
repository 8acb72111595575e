"""What smtpd says, as values. Field order is that of protocol 0.7, whatever the daemon speaks (see `parser`)."""

from __future__ import annotations

from typing import Final, TypeAlias, Union


class _Event:
    """Equality and repr by slots; plain classes, as one is made for every line on the hot path."""

    __slots__: tuple[str, ...] = ()

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Event) and type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._values()))})"


class Config(_Event):
    """``config|key|value``; the last one is ``config|ready``, with an empty value."""

    __slots__ = ("key", "value")

    def __init__(self, key: bytes, value: bytes) -> None:
        self.key = key
        self.value = value


class Report(_Event):
    """Something happened in a session. fields: those of smtpd-filters(7), at least as many as the event has."""

    __slots__ = ("fields", "name", "outgoing", "session_id")

    def __init__(self, name: bytes, session_id: bytes, fields: list[bytes], outgoing: bool = False) -> None:
        self.name = name
        self.session_id = session_id
        self.fields = fields
        self.outgoing = outgoing


class Request(_Event):
    """smtpd waits for a decision. token names the filter and phase, not the request: key on session and phase."""

    __slots__ = ("argument", "phase", "session_id", "token")

    def __init__(self, phase: bytes, session_id: bytes, token: bytes, argument: bytes) -> None:
        self.phase = phase
        self.session_id = session_id
        self.token = token
        self.argument = argument


class DataLines(_Event):
    """A run of message lines of one session, joined by LF, still dot-stuffed; the message ends with the line ``.``."""

    __slots__ = ("session_id", "text", "token")

    def __init__(self, session_id: bytes, token: bytes, text: bytes) -> None:
        self.session_id = session_id
        self.token = token
        self.text = text


class Unknown(_Event):
    """A line that says nothing we know: a newer event, or garbage. reason: a word for the log."""

    __slots__ = ("line", "reason")

    def __init__(self, line: bytes, reason: str) -> None:
        self.line = line
        self.reason = reason


Event: TypeAlias = Union[Config, Report, Request, DataLines, Unknown]  # noqa: UP007 - shown in help() as one name

#: Where the fields of a report's event begin: report|VERSION|TIME|DIRECTION|NAME|SESSION|fields…
FIELDS: Final = 6

#: Reports by name: how many fields each has, and whether the last may hold ``|`` (it is the client's text).
REPORTS: Final[dict[bytes, tuple[int, bool]]] = {
    b"link-connect": (4, False),
    b"link-greeting": (1, False),
    b"link-identify": (2, True),
    b"link-tls": (1, False),
    b"link-auth": (2, True),
    b"link-disconnect": (0, False),
    b"tx-reset": (1, False),
    b"tx-begin": (1, False),
    b"tx-mail": (3, True),
    b"tx-rcpt": (3, True),
    b"tx-envelope": (2, False),
    b"tx-data": (2, False),
    b"tx-commit": (2, False),
    b"tx-rollback": (1, False),
    b"protocol-client": (1, True),
    b"protocol-server": (1, True),
    b"filter-report": (3, True),
    b"filter-response": (2, True),
    b"timeout": (0, False),
}

#: Phases in which smtpd asks; ``data-line`` is not one of them, as lines have no answer of their own.
PHASES: Final = (
    b"connect",
    b"helo",
    b"ehlo",
    b"starttls",
    b"auth",
    b"mail-from",
    b"rcpt-to",
    b"data",
    b"commit",
    b"rset",
    b"quit",
    b"noop",
    b"help",
    b"wiz",
)
