"""Postfix on the other side: mail goes to smtpd and comes from it, and at the end each one is accounted for.

    python -m tools.soak.mta -n 5000

Postfix sends with a queue and retries of its own, through greylisting, failing backends, reloads, restarts of smtpd
and a killed filter, and takes what smtpd relays. At the end both queues are empty, and every mail is there once, or was
refused with a reason and its sender has one bounce.
"""

from __future__ import annotations

import argparse
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from tools.private_smtpd import SERVER, Client, Gone, Unavailable, dot_stuffed
from tools.private_smtpd.bridge import Bridge

from . import config
from .accounting import Boxes, Ledger
from .faults import Fault, Faults, all_faults, nothing
from .mails import Mail, plain
from .postfix import ADDRESS, NAMELESS_ROUTE, Postfix
from .room import Room

INCOMING: Final = {
    "ham": 50,
    "bounce": 4,
    "large": 1,
    "fresh": 15,
    "scored": 5,
    "spam": 8,
    "virus": 4,
    "archive": 4,
    "nameless": 4,
    "unknown": 5,
}
"""What Postfix sends, of a hundred."""
OUTGOING: Final = {"out": 80, "refused": 10, "later": 10}
"""What is handed to smtpd on its own host, of a hundred."""
SHARE_OUT: Final = 0.15
SESSION: Final = 20
"""Mails of a session by which they are handed in."""
NO_NAME: Final = "203.0.113.150"


def made(count: int, seed: int = 1) -> list[Mail]:
    """The mails, in the order in which they are handed in."""
    dice = random.Random(seed)
    found = []
    for token in range(1, count + 1):
        kinds = OUTGOING if dice.random() < SHARE_OUT else INCOMING
        found.append(plain(token, dice.choices(list(kinds), list(kinds.values()))[0], dice))
    return found


@dataclass(slots=True)
class Exchange:
    """Both sides, and the ways between their rooms."""

    room: Room
    postfix: Postfix
    mails: Sequence[Mail]
    stack: ExitStack
    taken: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    faults: Faults | None = None
    seconds: float = 0.0

    def connect(self) -> None:
        """Let each reach the other: from Postfix's address, and from one without a name, and back."""
        inner, outer = self.postfix.room, self.room.smtpd

        def incoming(source: str) -> socket.socket:
            made = outer.connection(source)
            made.settimeout(None)
            return made

        def outgoing() -> socket.socket:
            made = inner.socket(bind=(SERVER, 0))
            made.connect((ADDRESS, 25))
            return made

        for address, source in ((SERVER, ADDRESS), (NAMELESS_ROUTE, NO_NAME)):
            listener = inner.socket(bind=(address, 25), backlog=64)
            self.stack.enter_context(Bridge(listener, lambda source=source: incoming(source)))  # type: ignore[misc]
        self.stack.enter_context(Bridge(outer.room.socket(bind=(config.FAR, 25), backlog=64), outgoing))

    def hand_in(self, rate: float) -> None:
        """Give the mails to Postfix, and what goes out to smtpd, `rate` a second; each until somebody has it."""
        began = time.monotonic()
        for start in range(0, len(self.mails), SESSION):
            time.sleep(max(0.0, began + start / rate - time.monotonic()))
            batch = self.mails[start : start + SESSION]
            for going_out in (False, True):
                waiting = [mail for mail in batch if mail.goes_out == going_out]
                while waiting := [mail for mail in waiting if mail.token not in self.taken]:
                    self._session(waiting, going_out=going_out)

    def _session(self, mails: Sequence[Mail], *, going_out: bool) -> None:
        """One connection; it ends where smtpd is restarted or something is put off."""
        try:
            with self._client(going_out=going_out) as client:
                client.ehlo("localhost")
                for mail in mails:
                    client.rset()
                    reply = client.mail_from(mail.sender)
                    reply = client.rcpt_to(mail.recipient) if reply.code < 400 else reply
                    reply = client.data() if reply.code < 400 else reply
                    if reply.code == 354:
                        self.unsure.add(mail.token)
                        reply = client.body(dot_stuffed(mail.text))
                        self.unsure.discard(mail.token)
                    if reply.code != 250:
                        time.sleep(0.5)
                        return
                    self.taken.add(mail.token)
        except (Gone, OSError):
            time.sleep(0.5)

    def _client(self, *, going_out: bool) -> Client:
        if going_out:
            return self.room.smtpd.client("127.0.0.1", "127.0.0.1", port=config.LOCAL[1], timeout=120)
        made = self.postfix.room.socket()
        made.connect(("127.0.0.1", 25))
        return Client(made, 120)

    def settle(self, seconds: float) -> None:
        """Wait until both queues are empty, `seconds` at most."""
        self.postfix.take_everything()
        limit = time.monotonic() + seconds
        self.postfix.flush()
        while time.monotonic() < limit:
            if self.room.empty_queue(1) and not self.postfix.queued():
                return
            time.sleep(1)


def faults_of(room: Room) -> list[Fault]:
    """Everything that goes wrong in a room, and smtpd is restarted, and a filter dies, which smtpd does not survive."""

    def kill_a_filter() -> None:
        victim = room.smtpd.filters()[0]
        room.smtpd.room.ask("kill", pid=victim.pid, signal_number=int(signal.SIGKILL))

    restarts = [Fault("smtpd restarted", room.restart, nothing), Fault("a filter killed", kill_a_filter, room.restart)]
    # what smtpd notes of the time, for its own retries, does not go together with a clock that is set
    others = [each for each in all_faults(room) if each.name != "clock stepped"]
    return [restarts[0], *others[: len(others) // 2], restarts[1], *others[len(others) // 2 :]]


def run(count: int, *, one: bool, rate: float, period: float, patience: float) -> Ledger:
    """Send `count` mails both ways, with a fault every `period` seconds, and account for them. rate: mails a second."""
    with ExitStack() as stack:
        room = stack.enter_context(Room(one=one, far=False))
        exchange = Exchange(room, stack.enter_context(Postfix()), made(count), stack)
        exchange.connect()
        faults = exchange.faults = Faults(faults_of(room), period, period / 3)
        began = time.monotonic()
        faults.start()
        exchange.hand_in(rate)
        faults.stop()
        exchange.settle(patience)
        return ledger(exchange, faults, time.monotonic() - began)


def ledger(exchange: Exchange, faults: Faults, seconds: float) -> Ledger:
    """What has become of each mail."""
    room, postfix = exchange.room, exchange.postfix
    alarms = [line for line in room.smtpd.alarms if "lost processor" not in line]  # as smtpd says of one that is killed
    here = [path for user in ("alice", "bob", "carol") for path in room.maildirs(user)]
    return Ledger(
        mails={mail.token: mail for mail in exchange.mails},
        statuses=list(postfix.statuses()),
        smtpd=Boxes.of(here),
        postfix=Boxes.of(postfix.mailbox()),
        queued=[*postfix.queued(), *room.run("smtpctl", "show", "queue").splitlines()],
        faults=Counter(faults.happened),
        wrong=[*faults.broken, *(f"died: {each}" for each in room.dead()), *alarms],
        seconds=seconds,
        unsure=exchange.unsure,
    )


def main(arguments: Sequence[str]) -> int:
    """Run; 0 if every mail is accounted for, 1 if not, 2 where it cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak.mta", description="Postfix on the other side.")
    parser.add_argument("-n", metavar="mails", type=int, default=5000, help="how many")
    parser.add_argument("-f", choices=("one", "many"), default="one", help="filters as one process or many")
    parser.add_argument("-r", metavar="rate", type=float, default=10.0, help="mails handed in, a second")
    parser.add_argument("-p", metavar="seconds", type=float, default=20.0, help="from one fault to the next")
    options = parser.parse_args(arguments)
    try:
        done = run(options.n, one=options.f == "one", rate=options.r, period=options.p, patience=300)
    except Unavailable as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    print("\n".join(done.lines()))
    return 1 if list(done.wrongs()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
