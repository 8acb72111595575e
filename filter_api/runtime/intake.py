"""What smtpd writes, taken in: reads are cut to lines, and the parser tells them to the dispatcher.

Where there is no memory for a read at once it is taken a line at a time. What cannot be taken even so is lost: nobody
knows whose it was, so `lose` is called, which leaves nothing waiting for it and lets no message pass with gaps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from filter_api.protocol.framing import Framing
from filter_api.protocol.parser import Parser
from filter_api.protocol.sink import Sink

_TEXT: Final = b"|smtp-in|data-line|"
_LOOK: Final = 256  # bytes at the end of a read that tell whether it is mostly message text
_SLICE: Final = 1024  # bytes of a read that are taken at a time where there is no memory for more


class Intake:
    """From reads to what `sink` is told. Never raises.

    begin: called before the first event. lose(error): called when a part of a read is lost.
    """

    __slots__ = ("_begin", "_begun", "_framing", "_lose", "_parser", "_sink")

    def __init__(
        self, parser: Parser, sink: Sink, *, begin: Callable[[], None], lose: Callable[[BaseException], None]
    ) -> None:
        self._parser = parser
        self._sink = sink
        self._begin = begin
        self._lose = lose
        self._begun = False
        self._framing = Framing()

    def take(self, data: bytes | memoryview) -> None:
        """Take one read."""
        try:
            read = bytes(data)
            ends = self._parser.in_text or (len(read) > _LOOK and read.find(_TEXT, -_LOOK) >= 0)
            lines = self._framing.feed(read, ends)
            if not self._begun and any(line.startswith((b"report|", b"filter|")) for line in lines):
                self._begun = True
                self._begin()
            self._parser.tell(lines, self._sink, ends)
        except BaseException as error:  # noqa: BLE001 - no memory for all of it, or a mistake of the library's own
            self._take_singly(data, error)

    def _take_singly(self, data: bytes | memoryview, error: BaseException) -> None:
        """What is left of a read."""
        lines, at = self._parser.lines, self._parser.at
        self._sink.broke(error)
        if at < len(lines):
            self._tell_singly(lines, at)
            return
        for start in range(0, len(data), _SLICE):  # the lines of this read were not even told apart
            found: list[bytes] = []
            self._twice(partial(self._cut, data[start : start + _SLICE], found))
            self._tell_singly(found, 0)

    def _cut(self, data: bytes | memoryview, lines: list[bytes]) -> None:
        lines.extend(self._framing.feed(bytes(data)))

    def _tell_singly(self, lines: list[bytes], at: int) -> None:
        for place in range(at, len(lines)):
            self._twice(partial(self._tell_one, lines, place))

    def _tell_one(self, lines: list[bytes], place: int) -> None:
        self._parser.tell([lines[place].removesuffix(b"\n")], self._sink)

    def _twice(self, work: Callable[[], None]) -> None:
        """Try again when all messages that are not whole were given up, which frees what they hold."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - as above
            self._lose(error)
            try:
                work()
            except BaseException as worse:  # noqa: BLE001 - this is lost
                self._sink.broke(worse)
