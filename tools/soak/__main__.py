"""The command: python -m tools.soak [-1] [-6] [-d time] [-r rate] [-p period] [-o folder]."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tools.private_smtpd import Unavailable

from .faults import Faults, all_faults
from .report import Soak, figures, good, lines
from .room import Room
from .senders import Senders
from .watch import Watch

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
WARM = 1800.0
"""Seconds in which caches and heaps fill."""
DRAIN = 180.0
"""Seconds in which everything has to be settled at the end."""


def duration(text: str) -> float:
    """90s, 30m, 2h, 3d in seconds. ValueError for anything else."""
    if text[-1:] not in UNITS or not text[:-1].isdigit():
        raise ValueError(text)
    return float(text[:-1]) * UNITS[text[-1]]


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; usage errors end with status 2, as argparse does."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("-d", metavar="time", type=duration, default="2h", help="how long: 90s, 30m, 2h, 3d")
    parser.add_argument("-f", choices=("both", "one", "many"), default="both", help="filters as one process or many")
    parser.add_argument("-r", metavar="rate", type=float, default=2.0, help="mails a second in each room")
    parser.add_argument("-p", metavar="period", type=duration, default="60s", help="from one fault to the next")
    parser.add_argument(
        "-w", metavar="warm", type=duration, help="not judged at the beginning; half an hour, or a quarter"
    )
    parser.add_argument("-o", metavar="folder", type=Path, default=Path("build/soak"), help="samples and report")
    return parser.parse_args(arguments)


@contextlib.contextmanager
def running(options: argparse.Namespace, to: TextIO) -> Iterator[list[Soak]]:
    """The rooms, with mail, faults and samples under way."""
    with contextlib.ExitStack() as stack:
        soaks = []
        for one in (False, True):
            if options.f in ("both", "one" if one else "many"):
                room = stack.enter_context(Room(one=one))
                faults = Faults(all_faults(room), options.p, min(15.0, options.p / 3))
                senders = Senders(room, options.r, min(60.0, options.d / 20), faults.undisturbed)
                warm = max(WARM, options.d / 4) if options.w is None else options.w
                soaks.append(Soak(room, senders, faults, Watch(room, senders, min(10.0, options.d / 30), to), warm))
        for soak in soaks:
            soak.watch.start()
            soak.senders.start()
            soak.faults.start()
        yield soaks


def finish(soaks: Sequence[Soak]) -> None:
    """No more faults, no new mail; everything is given time to settle."""
    for soak in soaks:
        soak.senders.stop()
    for soak in soaks:
        soak.faults.stop()
        soak.room.smtpd.step_clock(0)
    for soak in soaks:
        settled = soak.senders.drain(DRAIN)
        soak.settled = soak.room.empty_queue(DRAIN) and settled
        soak.watch.stop()


@contextlib.contextmanager
def interrupted() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM, which end a soak early, but in order."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str]) -> int:
    """Run; 0 if nothing is wrong and nothing grows, 1 if something is, 2 where it cannot be run."""
    options = parsed(arguments)
    options.o.mkdir(parents=True, exist_ok=True)
    try:
        with (options.o / "samples.tsv").open("w") as to, running(options, to) as soaks, interrupted() as stopped:
            limit = time.monotonic() + options.d
            while not stopped.wait(min(60.0, max(0.0, limit - time.monotonic()))) and time.monotonic() < limit:
                if any(soak.room.dead() for soak in soaks):
                    break
                (options.o / "so-far.txt").write_text("".join(f"{line}\n" for s in soaks for line in figures(s)))
            finish(soaks)
            text = "".join(f"{line}\n" for soak in soaks for line in lines(soak))
            well = all(good(soak) for soak in soaks)
    except Unavailable as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    text += "nothing grows, nothing is lost\n" if well else "FAILED\n"
    (options.o / "report.txt").write_text(text)
    print(text, end="")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
