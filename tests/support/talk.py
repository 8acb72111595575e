"""One client of an smtpd in memory, line by line, whatever the filter has answered by then.

with talks() as make:
    one = make(MyFilter())
    one.lines(b"A: b", b"", b"x", b".")
    one.commit()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from filter_api import Filter
from filter_api.message.spool import Spool
from filter_api.testing import Client, Player


class Talk:
    """smtpd's lines of one client, as they come, whatever the filter has answered by then."""

    def __init__(self, smtpd: Player, client: Client) -> None:
        self.smtpd = smtpd
        self.client = client
        self.head = b"filter|%b|1.1|smtp-in|" % smtpd.protocol

    def lines(self, *texts: bytes) -> None:
        """Message lines, in one read."""
        start = self.head + b"data-line|%b|%b|" % (self.client.id, self.smtpd.token(b"data-line"))
        self.smtpd.feed(b"".join(start + text + b"\n" for text in texts))

    def commit(self) -> None:
        token = self.smtpd.token(b"commit")
        self.smtpd.feed(self.head + b"commit|%b|%b|\n" % (self.client.id, token))

    @property
    def back(self) -> list[bytes]:
        """Message lines that came back."""
        head = self.smtpd.head(self.client.id)
        return [line.removeprefix(head) for line in self.smtpd.lines() if line.startswith(head)]

    @property
    def answers(self) -> list[bytes]:
        """Answers at commit."""
        start = b"filter-result|%b|%b|" % (self.client.id, self.smtpd.token(b"commit"))
        return [line.removeprefix(start) for line in self.smtpd.lines() if line.startswith(start)]


@contextmanager
def talks() -> Iterator[Callable[..., Talk]]:
    """Give a function that makes a talk with a filter; the players are closed at the end.

    judged: whether the oracle hears what the filter writes; what smtpd never does has no place in its books.
    """
    players: list[Player] = []

    def make(
        filter_: Filter | Mapping[str, Filter],
        *,
        judged: bool = True,
        protocol: str = "0.7",
        spool: Spool | None = None,
    ) -> Talk:
        smtpd = Player(filter_, protocol=protocol, spool=spool)
        players.append(smtpd)
        client = smtpd.connect()
        if not judged:
            smtpd.oracle.filter_wrote = lambda _: None  # type: ignore[method-assign,assignment]
        client.mail_from()
        return Talk(smtpd, client)

    try:
        yield make
    finally:
        for smtpd in players:
            smtpd.close(check=False)
