"""What a soak has shown, as text, and what of it is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .faults import Faults
from .room import Room
from .senders import Senders, Took
from .slopes import HEADING, Judgement, judge
from .watch import MB, Watch

SHOWN = 10
"""Cases and replies that are named, at most."""


@dataclass(slots=True)
class Soak:
    """One room with all that runs in it. warm: seconds that are not judged. settled: whether the end was reached."""

    room: Room
    senders: Senders
    faults: Faults
    watch: Watch
    warm: float
    settled: bool = False


def judgements(soak: Soak) -> Iterator[Judgement]:
    """Everything that may not grow."""
    for name, series in list(soak.watch.samples.items()):
        resident = [(when, one.resident / MB) for when, one in series]
        yield judge(f"{name} resident", "MB", resident, after=soak.warm, bound=1.0, least=0.5)
        descriptors = [(when, float(one.descriptors)) for when, one in series]
        yield judge(f"{name} descriptors", "", descriptors, after=soak.warm, bound=0.01, least=0.5)
        threads = [(when, float(one.threads)) for when, one in series]
        yield judge(f"{name} threads", "", threads, after=soak.warm, bound=0.01, least=0.5)
    yield judge("stores on disk", "MB", soak.watch.stores, after=soak.warm, bound=1.0, least=0.5)
    if soak.watch.redis:
        yield judge("data in Redis", "MB", soak.watch.redis, after=soak.warm, bound=1.0, least=0.5)
    cpu = soak.watch.cpu_per_try()
    yield judge("processor time of filters, session", "ms", cpu, after=soak.warm, share=1.0, least=2.0)
    for part in (50, 99):
        yield judge(f"latency p{part}", "ms", latencies(soak, part), after=soak.warm, share=2.0, least=50.0)


def latencies(soak: Soak, part: int) -> list[tuple[float, float]]:
    """A percentile of each sixtieth of the time, in milliseconds, of mail that was accepted while nothing was wrong."""
    took = list(soak.senders.took)  # senders may still add to it
    if not took:
        return []
    begin, end = took[0].ended, took[-1].ended
    width = (end - begin) / 60 or 1.0
    bins: dict[int, list[Took]] = {}
    for each in took:
        bins.setdefault(int((each.ended - begin) / width), []).append(each)
    found = []
    for index, members in sorted(bins.items()):
        if len(members) >= 10:
            times = sorted(each.seconds for each in members)
            value = times[min(len(times) - 1, len(times) * part // 100)]
            found.append((begin + (index + 0.5) * width - soak.watch.began, 1000 * value))
    return found


def wrongs(soak: Soak) -> Iterator[str]:
    """Everything that must not be, apart from what grows."""
    room, senders, books = soak.room, soak.senders, soak.senders.books
    yield from (f"died: {each}" for each in room.dead())
    yield from (f"logged: {line}" for line in room.smtpd.alarms)
    yield from (f"unanswered: {each}" for each in senders.unanswered)
    yield from (f"a sender failed: {each}" for each in senders.broken)
    yield from (f"a sample could not be taken: {each}" for each in soak.watch.broken)
    yield from (f"a fault could not be made: {each}" for each in soak.faults.broken)
    if books.asked != books.answered:
        yield f"asked {books.asked}, answered {books.answered}"
    if not soak.settled:
        yield "mails were still waiting, or mail was still in the queue, when time was up"
    if room.strange:
        yield f"{room.strange} messages without a token were delivered"
    for token, code in books.outcome.items():
        mail, there = books.mails[token], room.arrived[token]
        yield f"last reply {code}, accepted {books.accepted[token]} times, delivered {there} times: {mail}"
    yield from (f"delivered once too often: {token}" for token in room.arrived.keys() - books.mails.keys())


def figures(soak: Soak) -> Iterator[str]:
    """What was done, and what grew, of one room."""
    books, watch = soak.senders.books, soak.watch
    seconds = watch.sent[-1][0] if watch.sent else 0.0
    kinds: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    for (kind, code), count in books.totals().items():
        kinds[kind] += count
        codes[code] += count
    yield f"== {'one process' if soak.room.one else 'separate processes'}: {seconds / 3600:.2f} h"
    yield f"mails {kinds.total()} ({', '.join(f'{kind} {count}' for kind, count in kinds.most_common())})"
    yield f"tries {books.tries}, commands asked {books.asked}, answered {books.answered}"
    yield f"accepted {codes[250]}, delivered {books.delivered}; " + ", ".join(
        f"last reply {code}: {count}" for code, count in sorted(codes.items())
    )
    yield "faults: " + ", ".join(f"{name} {count}" for name, count in soak.faults.happened.copy().items())
    yield f"lines logged {soak.room.smtpd.logged}; not judged: the first {soak.warm / 60:.0f} minutes"
    yield "most frequent refusals:"
    yield from (f"  {count:7} {reply}" for reply, count in books.refusals().most_common(SHOWN))
    yield HEADING
    yield from (str(each) for each in judgements(soak))


def lines(soak: Soak) -> Iterator[str]:
    """The report of one room."""
    yield from figures(soak)
    found = list(wrongs(soak))
    yield from (f"WRONG: {each}" for each in found[:SHOWN])
    if len(found) > SHOWN:
        yield f"WRONG: and {len(found) - SHOWN} more"


def good(soak: Soak) -> bool:
    """Whether nothing is wrong and nothing grows."""
    return not any(True for _ in wrongs(soak)) and not any(each.grows for each in judgements(soak))
