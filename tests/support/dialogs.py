"""Clients of an smtpd in memory that all talk at once, each in its own time; what each waited for is measured.

`Rounds` feeds what all clients say next in one read, and goes on as soon as one of them has its answer. It asserts that
every question was answered once, in the phase it was asked in, and when; the player's oracle judges every line.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Final, TypeAlias

from filter_api import Filter
from filter_api.testing import Player

_STAMP: Final = b"1700000000.000000|smtp-in"
_TICK: Final = 0.5  # seconds

#: What a dialog says, as (phase, arguments of its lines); it gets the word of the answer.
Talk: TypeAlias = Generator[tuple[bytes, list[bytes]], str, None]


class Clocked(Player):
    """Notes when each line was written."""

    def __init__(self, members: Mapping[str, Filter], *, protocol: str, beside: bool = False) -> None:
        self.times: list[tuple[float, bytes]] = []
        super().__init__(members, protocol=protocol, beside=beside)

    def __enter__(self) -> Clocked:
        return self

    def _wrote(self, data: bytes) -> None:
        super()._wrote(data)
        self.times += [(self.loop.time(), line) for line in data.split(b"\n")[:-1]]


class Dialog:
    """One session: what it says next, and since when it waits."""

    def __init__(self, smtpd: Clocked, number: int, transactions: int, lines: Sequence[bytes]) -> None:
        self.smtpd = smtpd
        self.id = b"%016x" % (0xABC0 + number)
        self.lines = lines
        self.asked: bytes | None = None
        self.since = 0.0
        self.seen = 0
        self.over = False
        self.waited: list[tuple[bytes, float, str]] = []
        self._message = b"%08x" % (0x1000 + number)
        self._reports: list[bytes] = []
        self._talk = self._all(transactions)

    # --- what is said --------------------------------------------------------------------------------------------

    def _tell(self, name: bytes, *fields: bytes) -> None:
        if b"smtp-in|" + name in self.smtpd.oracle.reports:
            self._reports.append(b"|".join((b"report", self.smtpd.protocol, _STAMP, name, self.id, *fields)) + b"\n")

    def _request(self, phase: bytes, argument: bytes) -> bytes:
        token = self.smtpd.token(phase)
        return b"|".join((b"filter", self.smtpd.protocol, _STAMP, phase, self.id, token, argument)) + b"\n"

    def _envelope(self, name: bytes, address: bytes) -> None:
        fields = (address, b"ok") if self.smtpd.version < (0, 6) else (b"ok", address)
        self._tell(name, self._message, *fields)

    def _all(self, transactions: int) -> Talk:
        self._tell(b"link-connect", b"mx.example.net", b"pass", b"192.0.2.1:4711", b"198.51.100.1:25")
        if (yield b"connect", [b"mx.example.net|192.0.2.1"]) in {"reject", "disconnect"}:
            return
        for phase in (b"helo", b"ehlo"):
            if (yield phase, [b"client.example.net"]) != "reject":
                self._tell(b"link-identify", phase.upper(), b"client.example.net")
        yield b"starttls", [b""]
        for _ in range(transactions):
            yield from self._transaction()

    def _transaction(self) -> Talk:
        if (yield b"mail-from", [b"a@example.net"]) == "reject":
            return
        self._tell(b"tx-begin", self._message)
        self._envelope(b"tx-mail", b"a@example.net")
        for recipient in (b"b@example.org", b"c@example.org"):
            if (yield b"rcpt-to", [recipient]) != "reject":
                self._envelope(b"tx-rcpt", recipient)
        if (yield b"data", [b""]) != "reject":
            self._tell(b"tx-data", self._message, b"ok")
            if b"data-line" in self.smtpd.oracle.phases:
                yield b"data-line", [*self.lines, b"."]
            accepted = (yield b"commit", [b""]) == "proceed"
            self._tell(b"tx-commit" if accepted else b"tx-rollback", self._message, b"100")
        self._tell(b"tx-reset", self._message)

    def speak(self, answer: str | None) -> bytes:
        """The next lines; the answer is to those before. Nothing when all is said."""
        while True:
            try:
                phase, arguments = next(self._talk) if answer is None else self._talk.send(answer)
            except StopIteration:
                return self.leave()
            if phase in self.smtpd.oracle.phases:
                break
            answer = "proceed"
        said = [*self._reports, *(self._request(phase, argument) for argument in arguments)]
        self._reports.clear()
        self.asked, self.since, self.seen = phase, self.smtpd.loop.time(), len(self.smtpd.times)
        return b"".join(said)

    def leave(self) -> bytes:
        """The client is gone."""
        self.over, self.asked = True, None
        self._tell(b"link-disconnect")
        return b"".join(self._reports)

    # --- what is answered ----------------------------------------------------------------------------------------

    def answer(self) -> str | None:
        """The word of the answer, if there is one by now; ``.`` for message lines."""
        mine = [(when, line) for when, line in self.smtpd.times[self.seen :] if self.id in line]
        if self.asked == b"data-line":
            head = self.smtpd.head(self.id)
            dots = [when for when, line in mine if line == head + b"."]
        else:
            dots = [when for when, line in mine if line.startswith(b"filter-result|")]
        if not dots:
            return None
        assert len(dots) == 1, mine
        assert self.asked is not None
        word = "."
        if self.asked != b"data-line":
            (word,) = [line.split(b"|")[3].decode("ascii") for _, line in mine if line.startswith(b"filter-result|")]
        self.waited.append((self.asked, dots[0] - self.since, word))
        return word


class Rounds:
    """Runs dialogs beside each other until all of them are over."""

    def __init__(self, smtpd: Clocked, dialogs: Sequence[Dialog]) -> None:
        self.smtpd = smtpd
        self.dialogs = dialogs

    def run(self, leaving: Sequence[int] = (), patience: float = 200.0) -> None:
        """leaving: after these rounds a client that waits is gone. patience: seconds of the loop for one answer."""
        read = b"".join(dialog.speak(None) for dialog in self.dialogs)
        turn = 0
        while read or not all(dialog.over for dialog in self.dialogs):
            self.smtpd.feed(read)
            read = b""
            turn += 1
            waiting = [dialog for dialog in self.dialogs if not dialog.over]
            if turn in leaving and waiting:
                read += waiting[turn % len(waiting)].leave()
            for dialog in waiting:
                if dialog.over:
                    continue
                answer = dialog.answer()
                if answer is not None:
                    hangs_up = answer == "disconnect"
                    read += dialog.leave() if hangs_up else dialog.speak(answer)
                assert self.smtpd.loop.time() - dialog.since < patience, (dialog.asked, dialog.id)
            if not read:
                self.smtpd.advance(_TICK)
