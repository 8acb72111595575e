"""The log of a filter: one line an event, ``SESSION what key=value …``, made for grep and awk.

`Logger` shapes lines and gives them to a sink (`filter_api.runtime.log` has the real ones). Values of strangers are
escaped and quoted here, so that nobody can forge a line or drive a terminal.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeAlias

from filter_api.bounds import LOG_LINE
from filter_api.session import Session
from filter_api.text.escape import format_pairs, one_line, printable

Sink: TypeAlias = Callable[[int, str], None]


_LABEL: Final = 40  # characters of a label


class Trace(Protocol):
    """Takes the lines of one session."""

    def append(self, line: str, /) -> object: ...


def _nowhere(_level: int, _line: str) -> None:
    """The sink of a filter that does not run yet."""


class Logger:
    """Levels are those of `logging`; debug lines are written with option -v only.

    label: the name of a member of a chain, which its lines begin with (``rdns: SESSION what …``); empty where there is
    one filter, whose name smtpd puts there. traced: by session, who gets its lines as well, debug lines among them
    (`filterctl trace`); shared by the members of a chain.
    """

    __slots__ = ("_head", "sink", "traced", "verbose")

    def __init__(self, sink: Sink = _nowhere, *, verbose: bool = False, label: str = "") -> None:
        self.traced: dict[bytes, Trace] = {}
        self.sink = sink
        self.verbose = verbose
        self._head = f"{printable(label, _LABEL)}: " if label else ""

    def named(self, label: str, *, verbose: bool = False) -> Logger:
        """The log of one member of a chain, on the same sink. verbose: -v of the member; that of all holds, too."""
        same = Logger(self.sink, verbose=self.verbose or verbose, label=label)
        same.traced = self.traced
        return same

    def debug(self, session: Session | None, what: str, **facts: object) -> None:
        """For whoever looks for a mistake."""
        if self.verbose or (session is not None and session.id in self.traced):
            self.line(logging.DEBUG, session, what, facts)

    def info(self, session: Session | None, what: str, **facts: object) -> None:
        """What the filter did."""
        self.line(logging.INFO, session, what, facts)

    def warning(self, session: Session | None, what: str, **facts: object) -> None:
        """Something is wrong outside; the filter goes on."""
        self.line(logging.WARNING, session, what, facts)

    def error(self, session: Session | None, what: str, **facts: object) -> None:
        """Something is wrong in here; the filter goes on."""
        self.line(logging.ERROR, session, what, facts)

    def line(self, level: int, session: Session | None, what: str, facts: Mapping[str, object]) -> None:
        """Write one line."""
        head = self._head + (what if session is None else f"{printable(session.id)} {what}")
        try:
            pairs = format_pairs(facts, LOG_LINE - len(head) - 1)
        except Exception as error:  # noqa: BLE001 - a value that cannot be shown must not keep an answer back
            pairs = f"unprintable={type(error).__name__}"
        text = f"{head} {pairs}" if pairs else head
        self.sink(level, text[:LOG_LINE])
        if self.traced and session is not None and session.id in self.traced:
            self.traced[session.id].append(text[:LOG_LINE])

    def failure(self, session: Session | None, what: str, error: BaseException) -> None:
        """Write an exception and its traceback, a line each."""
        self.error(session, what, error=f"{type(error).__name__}: {error}")
        for chunk in traceback.format_exception(error):
            for text in chunk.rstrip().split("\n"):
                self.sink(logging.ERROR, one_line(f"{self._head}  {text.strip()}", LOG_LINE))
