"""What filters count and measure themselves reaches who asks; decisions are counted by their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from filter_api import Decision, Filter, Junk, Message, Proceed, Reject, Session, Verdict, in_use
from filter_api.bounds import MAX_FIGURES
from filter_api.control.document import Figured, Status
from filter_api.control.openmetrics import exposition
from filter_api.figures import Figure, counter, gauge
from filter_api.runtime.controlling import Control
from filter_api.testing import Player
from tests.support.metrics import samples


def status(smtpd: Player) -> Status:
    """What this process would tell of itself."""
    return Control(smtpd.dispatcher, [], "filter-test", [], unwritten=lambda: 0)._status()


class Greeting(Filter):
    """Counts who was greeted."""

    greeted = 0

    def saw_greeting(self, session: Session, hostname: bytes) -> None:
        self.greeted += 1

    def figures(self) -> Sequence[Figure]:
        return [
            counter("greeted", "Clients that were greeted.", self.greeted),
            gauge("doors", "Doors.", 2, kind="back\x1b"),
        ]


class Broken(Filter):
    """Has figures that nobody can read."""

    def on_connect(self, session: Session) -> Decision:
        return Proceed()

    def figures(self) -> Sequence[Figure]:
        raise RuntimeError("no figures today")


def test_a_filters_own_figures_are_told_with_its_name_and_escaped() -> None:
    with Player({"door": Greeting(), "broken": Broken()}) as smtpd:
        smtpd.connect()
        smtpd.connect()
        found = {each.name: each for each in samples(exposition([status(smtpd)])) if "filter" in each.labels}
        assert found["filter_greeted_total"].value == 2
        assert found["filter_greeted_total"].labels["filter"] == "door"
        assert found["filter_doors"].labels["kind"] == "back\\x1b"
        broken = status(smtpd)["members"][1]
        assert broken["figures"] == []
        assert any("figures" in line and "no figures today" in line for line in smtpd.log)


class Endless(Filter):
    """Has more figures than are told."""

    def on_connect(self, session: Session) -> Decision:
        return Proceed()

    def figures(self) -> Sequence[Figure]:
        return [gauge(f"n{number}", "One.", number) for number in range(10 * MAX_FIGURES)]


def test_of_too_many_figures_the_last_are_left_out() -> None:
    with Player(Endless()) as smtpd:
        assert len(status(smtpd)["members"][0]["figures"]) == MAX_FIGURES


class Part:
    """Of a process: it counts."""

    def __init__(self, count: int) -> None:
        self.count = count

    def figures(self) -> list[Figure]:
        return [counter("part_steps", "Steps.", self.count, of="stairs")]


def test_parts_of_a_process_announce_themselves_and_are_added_up() -> None:
    parts = [Part(3), Part(4)]
    for part in parts:
        in_use.FIGURES.add(part)
    with Player(Broken()) as smtpd:
        (told,) = (each for each in status(smtpd)["figures"] if each["name"] == "part_steps")
    expected: Figured = {
        "name": "part_steps",
        "kind": "counter",
        "help": "Steps.",
        "labels": {"of": "stairs"},
        "value": 7,
    }
    assert told == expected


class Throwing:
    """Cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not with me")

    __hash__ = None  # type: ignore[assignment]  # nor be a key

    def __str__(self) -> str:
        return "throwing"


class Reasoning(Filter):
    """Decides by the sender, and says why."""

    reasons: ClassVar[tuple[str, ...]] = ("odd", "spam")

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        name = sender.decode()
        if name.startswith("odd"):
            return Reject(550, "5.7.1", "no", facts={"reason": "odd"})
        if name.startswith("free"):
            return Reject(550, "5.7.1", "no", facts={"reason": f"said {name}"})
        if name.startswith("list"):
            return Reject(550, "5.7.1", "no", facts={"reason": ["odd"], "result": Throwing()})
        if name.startswith("mark"):
            return Junk(facts={"result": "spam"})
        if name.startswith("fail"):
            return Proceed(facts={"result": "failed", "reason": "odd"})
        return Reject(550, "5.7.1", "no") if name.startswith("bare") else Proceed()

    def on_message(self, session: Session, message: Message) -> Verdict:
        return Verdict(facts={"result": "spam", "reason": "because of a stranger"})


def test_decisions_are_counted_by_words_of_the_code_alone() -> None:
    with Player(Reasoning()) as smtpd:
        client = smtpd.connect()
        for name in ("odd", "odd", "free", "free2", "list", "mark", "fail", "bare", "good"):
            client.mail_from(f"{name}@example.net")
        client.mail()
        found = status(smtpd)["members"][0]["decisions"]
    assert [(each["phase"], each["verdict"], each["reason"], each["count"]) for each in found] == [
        ("mail-from", "junk", "spam", 1),
        ("mail-from", "proceed", "-", 2),
        ("mail-from", "proceed", "failed", 1),
        ("mail-from", "reject", "-", 1),
        ("mail-from", "reject", "odd", 2),
        ("mail-from", "reject", "other", 3),
        ("message", "proceed", "spam", 1),
    ]


def test_reasons_that_are_no_tuple_are_told_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"Wrong\.reasons is no str, but tuple"):

        class Wrong(Filter):
            reasons = "odd"  # type: ignore[assignment]  # the mistake
