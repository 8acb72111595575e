"""Everything that is asked of lists for one session or one message: all at once, each name once.

Answers that are in the cache are there at once, so that mostly nobody waits and no task is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from filter_api.net.dns import Resolver
from filter_api.net.dns.answer import canonical_name
from filter_api.net.dnsbl.answers import Reading, read_answer
from filter_api.net.dnsbl.entries import Entry, Zone
from filter_api.net.dnsbl.names import IPV6, Subject
from filter_api.net.dnsbl.selftest import SelfTests, Standing
from filter_api.net.dnsbl.tally import Question, Tally, add_up, is_unproven

Tell = Callable[[Zone, str], None]
"""Is told of a list in trouble, and why; never a key."""


Count = Callable[[Zone, str, bool | None], None]
"""Is told of an answer: of which list, to a question of which kind, and whether it lists; None for trouble."""


def _tell_nobody(_zone: Zone, _why: str) -> None:
    """By default."""


def _count_nothing(_zone: Zone, _kind: str, _listed: bool | None) -> None:
    """By default."""


class Inquiry:
    """The questions about one client, and about what it says. `tests` is None where lists are believed untested."""

    __slots__ = ("_count", "_flying", "_questions", "_resolver", "_tell", "_tests", "proven")

    def __init__(
        self, resolver: Resolver, tests: SelfTests | None, tell: Tell = _tell_nobody, count: Count = _count_nothing
    ) -> None:
        self._resolver = resolver
        self._tests = tests
        self._tell = tell
        self._count = count
        self._questions: dict[str, Question] = {}
        self._flying: set[asyncio.Task[None]] = set()
        #: By ``where``: whether a subject whose proof was not known (`Subject.proven`) has been proven.
        self.proven: dict[str, bool] = {}

    def ask(self, entries: Sequence[Entry], subjects: Iterable[Subject]) -> None:
        """Start the questions of these lists about these subjects. Those that are no possible name are left out."""
        new = []
        for subject in subjects:
            for entry in entries:
                if subject.where not in entry.where:
                    continue
                name = canonical_name(f"{subject.label}.{entry.zone.name}")
                if name is None or self._is_off(entry.zone, subject.kind):
                    continue
                question = self._questions.get(name)
                if question is None:
                    question = self._questions[name] = Question(name, subject.kind)
                    new.append((question, entry.zone))
                question.entries.setdefault(entry, []).append(subject)
        for question, zone in new:
            self._begin(question, zone)

    def tally(self) -> Tally:
        """What is known now."""
        return tally_of([self])

    def readings(self) -> Iterator[tuple[Entry, Subject, Reading | None]]:
        """Each list with whom it was asked about and what it said; None if it has not answered. To explain verdicts."""
        for question in self._questions.values():
            for entry, subjects in question.entries.items():
                yield entry, subjects[0], question.reading

    @property
    def wants_proof(self) -> bool:
        """Whether a welcome list knows somebody of whom it is not known yet whether he is who he says."""
        return any(is_unproven(question, self.proven) for question in self._questions.values())

    async def wait(self, decided: Callable[[], bool], deadline: float) -> None:
        """Until `decided` says so, nothing is open, or it is `deadline` (a time of the event loop)."""
        await wait_for([self], decided, deadline)

    def close(self) -> None:
        """Nobody waits any more. What was asked goes on into the cache."""
        for task in self._flying:
            task.cancel()

    def _is_off(self, zone: Zone, kind: str) -> bool:
        """Whether a list has failed its self test; one that was never tested for IPv6 is asked beside the test."""
        if self._tests is None or self._tests.standing(zone, kind) is not Standing.OFF:
            return False
        if kind != IPV6:
            self._tell(zone, self._tests.why(zone, kind))
        return True

    def _begin(self, question: Question, zone: Zone) -> None:
        known = self._resolver.known(question.name, "A")
        if known is not None:
            reading = read_answer(zone, known)
            standing = self._standing(zone, question, reading)
            if standing is not None:
                self._read(question, zone, reading, standing)
                return
        task = asyncio.get_running_loop().create_task(self._ask(question, zone))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)

    async def _ask(self, question: Question, zone: Zone) -> None:
        reading = read_answer(zone, await self._resolver.resolve(question.name, "A"))
        standing = self._standing(zone, question, reading)
        if standing is None and self._tests is not None:
            standing = await self._tests.settled(zone, question.kind)
        self._read(question, zone, reading, standing or Standing.UNKNOWN)

    def _standing(self, zone: Zone, question: Question, reading: Reading) -> Standing | None:
        """What the self test says of a list; None if that must be waited for: not by whom the list does not list."""
        if self._tests is None or not (reading.addresses or reading.trouble):
            return Standing.PASSED
        return self._tests.standing(zone, question.kind)

    def _read(self, question: Question, zone: Zone, reading: Reading, standing: Standing) -> None:
        """Keep what was read, as far as the self test lets it count."""
        if reading.addresses and standing is not Standing.PASSED and self._tests is not None:
            reading = Reading(trouble=self._tests.why(zone, question.kind), broken=standing is Standing.OFF)
        if reading.trouble and not (question.kind == IPV6 and standing is Standing.OFF):
            self._tell(zone, reading.trouble)
        question.reading = reading
        codes = reading.addresses
        listed = None if reading.trouble else any(entry.counts(code) for entry in question.entries for code in codes)
        self._count(zone, question.kind, listed)


def tally_of(inquiries: Sequence[Inquiry]) -> Tally:
    """What is known now by several inquiries together; a name that more than one has asked counts once."""
    proven = {where: proof for inquiry in inquiries for where, proof in inquiry.proven.items()}
    return add_up(chain.from_iterable(inquiry._questions.values() for inquiry in inquiries), proven)


async def wait_for(inquiries: Sequence[Inquiry], decided: Callable[[], bool], deadline: float) -> None:
    """`Inquiry.wait` for several: any answer to one of them may decide."""
    loop = asyncio.get_running_loop()
    while not decided() and (left := deadline - loop.time()) > 0:
        flying = set().union(*(inquiry._flying for inquiry in inquiries))
        if not flying:
            break
        await asyncio.wait(flying, timeout=left, return_when=asyncio.FIRST_COMPLETED)
