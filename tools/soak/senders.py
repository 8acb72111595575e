"""Mail servers that send mixed mail at an even rate and come again as long as they are told to.

Every command counts as a question: `asked` grows when it is sent, `answered` when its reply has come. A reply that
does not come in two minutes is one that is owed.
"""

from __future__ import annotations

import heapq
import itertools
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from tools.private_smtpd import Client, Gone, Reply, dot_stuffed

from .mails import FORBIDDEN, WANTED, Mail, mail
from .room import Room

PATIENCE: Final = 120.0
"""Seconds; more than the deadlines of all filters of a listener together."""
AGAIN: Final = 2.0
"""Seconds until the first try again, doubled each time."""
GIVES_UP: Final = 5
"""Tries of a mail that is not wanted, which may be put off for ever."""
WORKERS: Final = 40
VARIES: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]+|\d+\.\d+\.\d+\.\d+|\b\d+ minutes?")
"""What is different in each reply: ids, addresses, times."""


@dataclass(frozen=True, slots=True)
class Took:
    """How long a mail took from MAIL to the reply to its dot: when it ended (monotonic), seconds."""

    ended: float
    seconds: float


@dataclass(slots=True)
class Books:
    """What became of the mails. One that has ended well is only counted, so that days of them take no memory."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    mails: dict[int, Mail] = field(default_factory=dict)
    """Those not yet done with, by token."""
    outcome: dict[int, int] = field(default_factory=dict)
    """The reply code by which each of them ended; 0 before that."""
    accepted: Counter[int] = field(default_factory=Counter)
    done: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Kind and last code of the others."""
    delivered: int = 0
    tries: int = 0
    asked: int = 0
    answered: int = 0
    replies: Counter[str] = field(default_factory=Counter)

    def close(self, arrived: Counter[int]) -> None:
        """Forget what ended as it should. arrived: how often each token was delivered; of those, too."""
        with self.lock:
            for token, code in list(self.outcome.items()):
                mail = self.mails[token]
                right = code == 250 if mail.kind in WANTED else code != 250 or mail.kind not in FORBIDDEN
                if code and right and self.accepted[token] == arrived[token] == (code == 250):
                    self.done[mail.kind, code] += 1
                    self.delivered += arrived[token]
                    for each in (self.mails, self.outcome, self.accepted, arrived):
                        del each[token]

    def refusals(self) -> Counter[str]:
        """How often each reply was given that put off or refused."""
        with self.lock:
            return self.replies.copy()

    def totals(self) -> Counter[tuple[str, int]]:
        """Kind and last code of all mails; 0 for what is under way."""
        with self.lock:
            return self.done + Counter((mail.kind, self.outcome[token]) for token, mail in self.mails.items())


@dataclass(slots=True)
class Senders:
    """Threads that send to one room; `rate`: new mails a second; slowest: seconds between two tries of a mail at most.

    undisturbed: whether latency is worth a note now.
    """

    room: Room
    rate: float
    slowest: float = 60.0
    undisturbed: Callable[[], bool] = lambda: True
    seed: int = 1
    books: Books = field(default_factory=Books)
    unanswered: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    took: list[Took] = field(default_factory=list)
    _due: list[tuple[float, int, int]] = field(default_factory=list)
    """When (monotonic), token, how many tries it has had."""
    _busy: int = 0
    _lock: threading.Condition = field(default_factory=threading.Condition)
    _producing: bool = True
    _ended: bool = False
    _door: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin to send."""
        threading.Thread(target=self._produce, name="producer", daemon=True).start()
        for number in range(WORKERS):
            threading.Thread(target=self._work, name=f"sender {number}", daemon=True).start()

    def stop(self) -> None:
        """Send nothing new; what is put off is tried again."""
        self._producing = False

    def drain(self, seconds: float) -> bool:
        """Wait until everything is settled; whether that came in time. Then end."""
        limit = time.monotonic() + seconds
        while (self._due or self._busy) and time.monotonic() < limit:
            time.sleep(0.2)
        settled = not self._due and not self._busy
        with self._lock:
            self._ended = True
            self._lock.notify_all()
        return settled

    def _produce(self) -> None:
        dice = random.Random(self.seed)
        began = time.monotonic()
        for token in itertools.count(1):
            time.sleep(max(0.0, began + token / self.rate - time.monotonic()))
            if not self._producing:
                return
            with self.books.lock:
                self.books.mails[token] = mail(token, dice)
                self.books.outcome[token] = 0
            self._put(token, 0, 0.0)

    def _put(self, token: int, tries: int, delay: float) -> None:
        with self._lock:
            heapq.heappush(self._due, (time.monotonic() + delay, token, tries))
            self._lock.notify()

    def _take(self) -> tuple[int, int] | None:
        """The next token that is due, and its tries; None at the end."""
        with self._lock:
            while not self._ended:
                wait = self._due[0][0] - time.monotonic() if self._due else 3600.0
                if wait <= 0:
                    self._busy += 1
                    return heapq.heappop(self._due)[1:]
                self._lock.wait(wait)
        return None

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            token, tries = taken
            current = self.books.mails[token]
            code = 0
            try:
                code = self._attempt(current)
            except Exception as error:  # noqa: BLE001 - reported at the end
                self.broken.append(f"{current}: {error!r}")
            if 400 <= code < 500 and (current.kind in WANTED or tries + 1 < GIVES_UP):
                self._put(token, tries + 1, min(self.slowest, AGAIN * 2**tries))
            else:
                with self.books.lock:
                    self.books.outcome[token] = code
            with self._lock:
                self._busy -= 1

    def _attempt(self, current: Mail) -> int:
        """One session; the code by which it ended, 421 where smtpd hung up, 221 where we did."""
        with self.books.lock:
            self.books.tries += 1
        if current.kind == "vanishing":
            self._vanish(current)
            return 221
        began = time.monotonic()
        try:
            code = self._converse(current)
        except Gone:
            return 421
        except TimeoutError:
            self.unanswered.append(f"{time.ctime()} {current}")
            return 499
        if code == 250:
            with self.books.lock:
                self.books.accepted[current.token] += 1
            if self.undisturbed() and current.kind != "large":
                self.took.append(Took(time.monotonic(), time.monotonic() - began))
        return code

    def _converse(self, current: Mail) -> int:
        """The code of the first refusal, or of the reply to the dot."""
        with self._connect(current) as client:
            code = 0
            for line in (
                f"EHLO {current.helo}",
                f"MAIL FROM:<{current.sender}>",
                f"RCPT TO:<{current.recipient}>",
                "DATA",
            ):
                reply = self._ask(client, line.encode() + b"\r\n")
                code = reply.code
                if code >= 400:
                    break
            if code == 354:
                reply = self._ask(client, dot_stuffed(current.text) + b".\r\n")
                code = reply.code
            if code != 250:
                with self.books.lock:
                    self.books.replies[VARIES.sub("*", f"{reply.code} {reply.lines[0]}")[:70]] += 1
            with suppress(Gone):
                self._ask(client, b"QUIT\r\n")
        return code

    def _connect(self, current: Mail) -> Client:
        """A connection, one at a time, as smtpd's backlog is five; the greeting is an answer too."""
        with self._door:
            connection = self.room.smtpd.connection(current.source, *current.server)
        client = Client(connection, PATIENCE, greeted=False)
        with self._question():
            client.greet()
        return client

    def _ask(self, client: Client, said: bytes) -> Reply:
        with self._question():
            try:
                client.send(said)
                return client.reply()
            except (BrokenPipeError, ConnectionResetError) as error:
                raise Gone("connection closed") from error

    @contextmanager
    def _question(self) -> Iterator[None]:
        """Count one, and its answer; to be hung up on is an answer, too."""
        with self.books.lock:
            self.books.asked += 1
        try:
            yield
        except TimeoutError:
            raise
        except OSError:
            with self.books.lock:
                self.books.answered += 1
            raise
        with self.books.lock:
            self.books.answered += 1

    def _vanish(self, current: Mail) -> None:
        """Hang up in the middle of it, wherever that is."""
        dice = random.Random(current.token)
        words = ["EHLO mx0.good.example", "MAIL FROM:<x@good.example>", "RCPT TO:<bob@example.org>", "DATA"]
        words += ["Subject: never", "", "half of it"]
        with self._door:
            connection = self.room.smtpd.connection(current.source, *current.server)
        with suppress(OSError), connection:
            connection.settimeout(0.5)
            for word in words[: dice.randint(0, len(words))]:
                connection.sendall(word.encode() + b"\r\n")
                if dice.random() < 0.9:
                    connection.recv(4096)
