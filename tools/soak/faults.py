"""What goes wrong while a soak runs, one thing after the other, and what an operator does meanwhile."""

from __future__ import annotations

import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tools.private_smtpd import Trouble
from tools.private_smtpd.backends import Backend

from . import config
from .beside import Beside
from .room import Room

SETTLING: Final = 30.0
"""Seconds after a fault in which latency is not noted: a filter leaves a failed daemon alone for ten."""
STEPS: Final = (7200, 0, -7200, 0, 86400, 0, 120, 0)
"""Seconds from the true time to which the clock is set, one after the other."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that begins and ends."""

    name: str
    begin: Callable[[], None]
    end: Callable[[], None]


def nothing() -> None:
    """No end: it is over at once."""


@dataclass(slots=True)
class Faults(Beside):
    """Each fault in turn: `period` seconds from one to the next, of which it lasts `lasting`.

    The first comes after some rest, and one that lasts when this is stopped is ended.
    """

    faults: Sequence[Fault]
    period: float
    lasting: float
    happened: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    _quiet_since: float = 0.0
    _active: bool = False

    def undisturbed(self) -> bool:
        """Whether nothing is wrong, nor was lately."""
        return not self._active and time.monotonic() > self._quiet_since + min(SETTLING, self.period / 3)

    def run(self) -> None:
        """One fault after the other."""
        for each in itertools.cycle(self.faults):
            if self.over(self.period - self.lasting):
                return
            self._active = True
            try:
                each.begin()
                if each.end is not nothing:
                    self.over(self.lasting)
                each.end()
            except Exception as error:  # noqa: BLE001 - reported at the end
                self.broken.append(f"{each.name}: {error!r}")
            self.happened[each.name] += 1
            self._quiet_since = time.monotonic()
            self._active = False


def reload(room: Room) -> Fault:
    """Other content in the files and SIGHUP, twice; the first time, now and then, with an error in one of them."""
    numbers = itertools.count(1)

    def write(scores: str) -> None:
        number = next(numbers)
        room.smtpd.room.write("/etc/mail/sender-scores", f"# reload {number}\n{scores}")
        room.smtpd.room.write("/etc/mail/traps", f"# reload {number}\n{config.TRAPS}")
        room.smtpd.hang_up()

    bad = itertools.cycle((config.SCORES, "scored.example much\n"))
    return Fault("reload", lambda: write(next(bad)), lambda: write(config.SCORES))


def silence(room: Room, trouble: Trouble) -> Fault:
    """Every question to the name server has this trouble."""
    zone = room.smtpd.dns.zone

    def begin() -> None:
        room.smtpd.dns.zone = dict.fromkeys(zone, trouble)

    def end() -> None:
        room.smtpd.dns.zone = zone

    return Fault("DNS silent" if trouble is Trouble.DROP else "DNS fails", begin, end)


def stopped(backend: Backend, name: str) -> Fault:
    """Killed, and started again."""
    return Fault(f"{name} killed", lambda: backend.process.signal(signal.SIGKILL), backend.start)


def hanging(backend: Backend, name: str) -> Fault:
    """It takes connections and never answers."""
    return Fault(f"{name} hangs", backend.freeze, backend.thaw)


def all_faults(room: Room) -> list[Fault]:
    """Everything that goes wrong in a room whose filters run on. Between two faults of one daemon lies another."""
    clamd, spamd, redis = (room.backends.get(name) for name in ("clamd", "spamd", "redis"))
    steps = itertools.cycle(STEPS)
    again = reload(room)
    step = Fault("clock stepped", lambda: room.smtpd.step_clock(next(steps)), nothing)
    assert clamd is not None
    assert spamd is not None
    found = [Fault("spamd stopped", spamd.stop, spamd.start), again, hanging(clamd, "clamd"), step]
    found += [stopped(redis, "redis")] if redis else []
    found += [silence(room, Trouble.DROP), Fault("log rotated", room.smtpd.rotate_log, nothing)]
    found += [stopped(clamd, "clamd"), again, hanging(spamd, "spamd"), step]
    found += [hanging(redis, "redis")] if redis else []
    return [*found, silence(room, Trouble.SERVFAIL)]
