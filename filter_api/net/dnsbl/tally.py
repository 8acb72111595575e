"""The sum of what lists say, with what they may still say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from filter_api.net.dnsbl.answers import Reading
from filter_api.net.dnsbl.entries import Entry
from filter_api.net.dnsbl.names import Subject


@dataclass(frozen=True, slots=True)
class Hit:
    """A list that counts, whom it lists, and by which of its answers."""

    entry: Entry
    subject: Subject
    addresses: tuple[IPv4Address, ...]

    def __str__(self) -> str:
        codes = "+".join(map(str, self.addresses))
        return f"{self.entry.zone.shown}={codes}*{self.entry.weight}"


@dataclass(frozen=True, slots=True)
class Tally:
    """points: the sum of the hits. low, high: what it may still become, by questions that are open or in trouble.

    asked, answered: how many questions there are, and how many of them a list has answered.
    """

    hits: tuple[Hit, ...] = ()
    points: int = 0
    low: int = 0
    high: int = 0
    asked: int = 0
    answered: int = 0

    @property
    def all_failed(self) -> bool:
        """Whether something was asked and nobody answered."""
        return self.asked > 0 and self.answered == 0


class Question:
    """One name that is asked, whom it is about, and which lists count what it says."""

    __slots__ = ("entries", "kind", "name", "reading")

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.entries: dict[Entry, list[Subject]] = {}
        #: None while it is open.
        self.reading: Reading | None = None


class _Sums:
    """A tally under way. `counted`: names with the lists that have counted what was said of them."""

    __slots__ = ("counted", "high", "hits", "low")

    def __init__(self) -> None:
        self.hits: list[Hit] = []
        self.low = self.high = 0
        self.counted: set[tuple[str, Entry]] = set()

    def add_open(self, question: Question) -> None:
        """A question without an answer: what it may still say. A broken list will say nothing."""
        if question.reading is not None and question.reading.broken:
            return
        for entry in question.entries:
            if self._is_new(question, entry):
                self.low += min(entry.weight, 0)
                self.high += max(entry.weight, 0)

    def add_answer(self, question: Question, addresses: tuple[IPv4Address, ...], proven: dict[str, bool]) -> None:
        """The hits, and welcomes whose proof is open."""
        for entry, subjects in question.entries.items():
            codes = tuple(filter(entry.counts, addresses))
            welcome = _welcome(subjects, proven) if entry.weight < 0 else True
            if not codes or welcome is False or not self._is_new(question, entry):
                continue
            if welcome:
                self.hits.append(Hit(entry, subjects[0], codes))
            else:
                self.low += entry.weight

    def _is_new(self, question: Question, entry: Entry) -> bool:
        key = question.name, entry
        if key in self.counted:
            return False
        self.counted.add(key)
        return True


def add_up(questions: Iterable[Question], proven: dict[str, bool]) -> Tally:
    """The tally of these questions. proven: by ``where``, what was found out of subjects whose proof was not known.

    A name may be in two questions, as that of a client and that of its mail; each list counts it once.
    """
    sums = _Sums()
    asked = answered = 0
    for question in questions:
        asked += 1
        reading = question.reading
        if reading is None or reading.trouble:
            sums.add_open(question)
            continue
        answered += 1
        if reading.addresses:
            sums.add_answer(question, reading.addresses, proven)
    points = sum(hit.entry.weight for hit in sums.hits)
    return Tally(tuple(sums.hits), points, points + sums.low, points + sums.high, asked, answered)


def is_unproven(question: Question, proven: dict[str, bool]) -> bool:
    """Whether a welcome list has answered about somebody who is not proven to be who it means, and may be."""
    codes = question.reading.addresses if question.reading is not None and not question.reading.trouble else ()
    return any(
        entry.weight < 0 and any(map(entry.counts, codes)) and _welcome(subjects, proven) is None
        for entry, subjects in question.entries.items()
    )


def _welcome(subjects: list[Subject], proven: dict[str, bool]) -> bool | None:
    """Whether one of those that a welcome list knows is who it says; None if that is not known yet."""
    proofs = [proven.get(each.where) if each.proven is None else each.proven for each in subjects]
    return True if True in proofs else None if None in proofs else False
