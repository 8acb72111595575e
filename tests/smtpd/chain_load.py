"""Many mail servers at once, for test_chain_load.py: each sends its mails and tries again as long as it is told to.

    load = Load(smtpd, mails_for(2000, 50))
    load.start()
    … faults …
    load.finish()
    load.heard         # every reply that settled something: (mail, Seen)
    load.accepted      # ids of the mails that were answered 250

A connection is a thread with an address of its own and behaves as servers do: one command after the other, a new
session after some mails, a later retry after a 4xx reply to a wanted mail. It is no burden to smtpd beyond its means:
connections are opened one by one, as its backlog is five, and a session has less than a hundred mails.
"""

from __future__ import annotations

import itertools
import random
import re
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tests.smtpd.chain import Seen, converse, infected, mail
from tests.smtpd.chain_config import ZONE
from tools.private_smtpd import Client, Gone, Smtpd
from tools.private_smtpd.backends import EICAR, GTUBE

SESSION_MAILS: Final = 25
VANISHING: Final = "vanishing.good.example"
"""How clients call themselves that do not stay for an answer."""
RETRY: Final = (0.5, 2.5)
"""Seconds a server waits after a 4xx reply."""
ID: Final = re.compile(rb"^Subject: load ([0-9]+)\n", re.M)

_DOOR: Final = threading.Lock()

GOOD_SERVERS: Final = 40
VANISHERS: Final = 4
KINDS: Final = (
    *("ham",) * 21,
    *("bounce",) * 2,
    "large",
    *("fresh",) * 4,
    *("scored",) * 2,
    *("spam",) * 6,
    *("virus",) * 2,
    *("archive",) * 2,
)
"""What good servers send, as their users may be infected: fresh is ham from a domain never heard of before."""
STRANGERS: Final = ("nameless",) * 4 + ("residential",) * 3 + ("trap",) * 3
"""What the other connections are."""
BODY: Final = "\n.one dot\n..two dots\nblanks \t here \nFrom here\n"
LARGE: Final = "nothing much happens in here, for long\n" * 30_000
"""What makes a message go through a temporary file."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail; its number is in its sender and in its subject."""

    number: int
    kind: str
    source: str
    helo: str
    domain: str

    @property
    def sender(self) -> str:
        return "" if self.kind == "bounce" else f"m{self.number}@{self.domain}"

    @property
    def recipient(self) -> str:
        return "carol@example.org" if self.kind == "trap" else "bob@example.org"

    @property
    def body(self) -> str:
        return {"spam": f"\n{GTUBE.decode()}\n", "virus": EICAR.decode(), "large": BODY + LARGE}.get(self.kind, BODY)

    @property
    def text(self) -> bytes:
        subject = f"load {self.number}"
        author = self.sender or f"mailer-daemon@{self.domain}"
        return infected(subject, author=author) if self.kind == "archive" else mail(subject, self.body, author=author)

    def settled(self, seen: Seen) -> bool:
        """Whether its server gives up, or is done."""
        return not 400 <= seen.code < 500 or (self.kind == "trap" and seen.code == 450)


def mails_for(count: int, connections: int) -> list[list[Mail]]:
    """The mails of each connection."""
    numbers = itertools.count(1)
    each = count // connections
    found = []
    for index in range(connections):
        kinds = itertools.cycle(random.Random(index).sample(KINDS, len(KINDS)))
        found.append([_mail(next(numbers), index, next(kinds)) for _ in range(each)])
    return found


def _mail(number: int, index: int, kind: str) -> Mail:
    if index < GOOD_SERVERS:
        domain = {"fresh": f"fresh{number}.example", "scored": "scored.example"}.get(kind, "good.example")
        return Mail(number, kind, f"192.0.2.{100 + index}", f"mx{index}.good.example", domain)
    kind = STRANGERS[index - GOOD_SERVERS]
    network = {"nameless": "203.0.113", "residential": "198.51.100", "trap": "192.0.3"}[kind]
    return Mail(number, kind, f"{network}.{100 + index}", f"mx{index}.good.example", "good.example")


def zone_for(connections: Sequence[Sequence[Mail]]) -> dict[str, str | list[str]]:
    """The DNS that knows these servers and senders."""
    zone = dict(ZONE)
    for index in range(VANISHERS):
        zone[f"192.0.2.{200 + index}"] = VANISHING
    zone[VANISHING] = [f"A 192.0.2.{200 + index}" for index in range(VANISHERS)]
    for each in itertools.chain.from_iterable(connections):
        name = f"{each.source.replace('.', '-')}.dsl.pool.example" if each.kind == "residential" else each.helo
        if each.kind != "nameless":
            zone[each.source] = name
            zone[name] = [f"A {each.source}"]
        if each.kind == "fresh":
            zone[each.domain] = ["MX 10 mx.good.example."]
    return zone


def connect(smtpd: Smtpd, source: str) -> socket.socket:
    """A connection, when nobody else is on the way in."""
    with _DOOR:
        return smtpd.connection(source)


@dataclass(slots=True)
class Load:
    """Threads that send; see the module. `pause`: seconds between two mails of a connection, on average."""

    smtpd: Smtpd
    connections: Sequence[Sequence[Mail]]
    pause: float
    deadline: float = 0.0
    heard: list[tuple[Mail, Seen]] = field(default_factory=list)
    accepted: Counter[int] = field(default_factory=Counter)
    unfinished: list[Mail] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, seconds: float) -> None:
        """Begin; what is not settled after `seconds` is `unfinished`."""
        self.deadline = time.monotonic() + seconds
        for mails in self.connections:
            self._threads.append(threading.Thread(target=self._guarded, args=(deque(mails),), daemon=True))
            self._threads[-1].start()

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def finish(self) -> None:
        for thread in self._threads:
            thread.join()

    def _guarded(self, mails: deque[Mail]) -> None:
        try:
            self._run(mails)
        except Exception as error:  # noqa: BLE001 - the test reports it
            self.broken.append(f"{mails[0] if mails else None}: {error!r}")

    def _run(self, waiting: deque[Mail]) -> None:
        dice = random.Random(waiting[0].number)
        tries = 0
        later: list[tuple[float, Mail]] = []
        client = self._connect(waiting[0])
        while (waiting or later) and time.monotonic() < self.deadline:
            due = [item for item in later if item[0] <= time.monotonic()]
            if not due and not waiting:
                time.sleep(0.1)
                continue
            current = due[0][1] if due else waiting.popleft()
            later = [item for item in later if item[1] is not current]
            if tries >= SESSION_MAILS:
                self._leave(client)
                client, tries = self._connect(current), 0
            tries += 1
            seen = self._send(client, current)
            if seen is None:
                client, tries = self._connect(current), 0
            if seen is None or not current.settled(seen):
                later.append((time.monotonic() + dice.uniform(*RETRY), current))
            time.sleep(dice.uniform(0, 2 * self.pause))
        self.unfinished += [item for _, item in later] + list(waiting)
        self._leave(client)

    def _connect(self, current: Mail) -> Client:
        """A session; where the name server is silent, smtpd greets late."""
        client = Client(connect(self.smtpd, current.source), timeout=90)
        client.ehlo(current.helo)
        return client

    def _send(self, client: Client, current: Mail) -> Seen | None:
        """One try; None if smtpd had hung up before it heard of the mail. Losing it later is an error."""
        try:
            client.rset()
        except (Gone, OSError):
            return None
        seen = converse(client, current.sender, current.recipient, current.text)
        self.heard.append((current, seen))
        if seen.code == 250:
            self.accepted[current.number] += 1
        return seen

    @staticmethod
    def _leave(client: Client) -> None:
        try:
            client.quit()
        except OSError:
            client.close()


@dataclass(slots=True)
class Vanishing:
    """Clients that hang up in the middle of it, wherever that is, until stopped. What they send is never whole."""

    smtpd: Smtpd
    visits: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for index in range(VANISHERS):
            self._threads.append(threading.Thread(target=self._run, args=(index,), daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, index: int) -> None:
        dice = random.Random(index)
        while not self._stopped.wait(dice.uniform(0, 0.5)):
            words = [
                b"EHLO %s" % VANISHING.encode(),
                b"MAIL FROM:<x@good.example>",
                b"RCPT TO:<bob@example.org>",
                b"DATA",
            ]
            words += [b"Subject: never", b"", b"half of it", b"and a bit"]
            self.visits += 1
            with suppress(OSError), connect(self.smtpd, f"192.0.2.{200 + index}") as connection:
                connection.settimeout(0.5)
                for word in words[: dice.randint(0, len(words))]:
                    connection.sendall(word + b"\r\n")
                    if dice.random() < 0.9:
                        connection.recv(4096)


def numbers_of(texts: Sequence[bytes]) -> Iterator[int]:
    """Which mails these are."""
    for text in texts:
        found = ID.search(text)
        assert found is not None, text
        yield int(found[1])
