"""The sum of what lists say, and what it may still become."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from filter_api.net.dnsbl import Hit, Tally, parse_entry
from filter_api.net.dnsbl.answers import Reading
from filter_api.net.dnsbl.names import Subject
from filter_api.net.dnsbl.tally import Question, add_up, is_unproven

CLIENT = Subject("c", "4", "5.2.0.192")
SENDER = Subject("s", "d", "sender.example", proven=None)
PROVEN = Subject("s", "d", "sender.example", proven=True)
NOBODY = Subject("s", "d", "sender.example", proven=False)
TWO, FOUR = IPv4Address("127.0.0.2"), IPv4Address("127.0.0.4")
LISTS = Reading((TWO, FOUR))
NOTHING = Reading()
TROUBLE = Reading(trouble="no answer")
BROKEN = Reading(trouble="answers 192.0.2.1, which is no answer of a list", broken=True)


def question(
    reading: Reading | None, *words: str, subject: Subject = CLIENT, name: str = "5.2.0.192.bl.test"
) -> Question:
    asked = Question(name, "A")
    asked.reading = reading
    for word in words:
        asked.entries[parse_entry(word)] = [subject]
    return asked


def test_nothing_asked_is_nothing() -> None:
    assert add_up([], {}) == Tally()
    assert not Tally().all_failed


def test_each_list_counts_by_its_weight_and_the_codes_it_looks_for() -> None:
    asked = question(LISTS, "bl.test*2", "bl.test=127.0.0.4*3", "bl.test=127.0.0.9*50", "bl.test*-1")
    tally = add_up([asked], {})
    assert (tally.points, tally.low, tally.high, tally.asked, tally.answered) == (4, 4, 4, 1, 1)
    assert [(hit.entry.weight, hit.addresses) for hit in tally.hits] == [
        (2, (TWO, FOUR)),
        (3, (FOUR,)),
        (-1, (TWO, FOUR)),
    ]
    assert [str(hit) for hit in tally.hits] == [
        "bl.test=127.0.0.2+127.0.0.4*2",
        "bl.test=127.0.0.4*3",
        "bl.test=127.0.0.2+127.0.0.4*-1",
    ]
    assert all(hit.subject is CLIENT for hit in tally.hits)


@pytest.mark.parametrize("reading", [None, TROUBLE])
def test_an_open_question_may_still_say_all_that_its_lists_count(reading: Reading | None) -> None:
    known = question(LISTS, "bl.test", name="a")
    tally = add_up([known, question(reading, "bl.test*2", "bl.test*-3", name="b")], {})
    assert (tally.points, tally.low, tally.high, tally.asked, tally.answered) == (1, -2, 3, 2, 1)


def test_what_several_open_questions_may_still_say_adds_up() -> None:
    opened = [question(None, "bl.test*2", "wl.test*-3", name=name) for name in ("a", "b")]
    answered = [question(NOTHING, "bl.test", name=name) for name in ("c", "d")]
    tally = add_up([*opened, *answered], {})
    assert (tally.points, tally.low, tally.high, tally.asked, tally.answered) == (0, -6, 4, 4, 2)


def test_a_broken_list_will_say_nothing() -> None:
    tally = add_up([question(BROKEN, "bl.test*2", "bl.test*-3")], {})
    assert (tally.points, tally.low, tally.high, tally.asked, tally.answered) == (0, 0, 0, 1, 0)
    assert tally.all_failed


def test_who_is_not_listed_has_no_points() -> None:
    tally = add_up([question(NOTHING, "bl.test*2", "bl.test*-3")], {})
    assert tally == Tally(asked=1, answered=1)
    assert not tally.all_failed


def test_a_name_that_is_asked_about_twice_counts_once_for_each_list() -> None:
    """Listed or open."""
    twice = [question(LISTS, "bl.test*2"), question(LISTS, "bl.test*2", subject=PROVEN)]
    assert add_up(twice, {}).points == 2
    other = question(LISTS, "bl.test*2", name="other.bl.test")
    assert add_up([*twice, other], {}).points == 4
    opened = [question(None, "bl.test*2"), question(None, "bl.test*2"), question(None, "bl.test*2", name="x")]
    assert (add_up(opened, {}).low, add_up(opened, {}).high) == (0, 4)


@pytest.mark.parametrize(
    ("subject", "proven", "points", "low", "unproven"),
    [
        (PROVEN, {}, -5, -5, False),
        (NOBODY, {}, 0, 0, False),
        (NOBODY, {"s": True}, 0, 0, False),
        (SENDER, {}, 0, -5, True),
        (SENDER, {"h": True}, 0, -5, True),
        (SENDER, {"s": True}, -5, -5, False),
        (SENDER, {"s": False}, 0, 0, False),
        (CLIENT, {}, -5, -5, False),
    ],
)
def test_a_welcome_counts_for_who_is_proven_and_may_count_where_that_is_not_known(
    subject: Subject, proven: dict[str, bool], points: int, low: int, unproven: bool
) -> None:
    asked = question(LISTS, "wl.test*-5", subject=subject)
    tally = add_up([asked], proven)
    assert (tally.points, tally.low, tally.high) == (points, low, points)
    assert is_unproven(asked, proven) is unproven
    against = question(LISTS, "bl.test*5", subject=subject)
    assert add_up([against], proven).points == 5, "who is listed need not be proven"
    assert not is_unproven(against, proven)


def test_what_several_welcome_lists_may_still_say_adds_up() -> None:
    asked = question(LISTS, "wl.test*-5", "w2.test*-2", subject=SENDER)
    assert (add_up([asked], {}).low, add_up([asked], {}).high) == (-7, 0)


def test_one_of_several_that_is_proven_is_enough() -> None:
    asked = question(LISTS, "wl.test*-5", subject=SENDER)
    for subjects in asked.entries.values():
        subjects.append(PROVEN)
    tally = add_up([asked], {})
    assert tally.points == -5
    assert tally.hits == (Hit(parse_entry("wl.test*-5"), SENDER, (TWO, FOUR)),)
    assert not is_unproven(asked, {})


@pytest.mark.parametrize("reading", [None, TROUBLE, NOTHING, Reading((IPv4Address("127.0.0.9"),), trouble="x")])
def test_nobody_is_to_be_proven_for_a_list_that_says_nothing(reading: Reading | None) -> None:
    assert not is_unproven(question(reading, "wl.test*-5", subject=SENDER), {})
    assert not is_unproven(question(LISTS, "wl.test=127.0.0.9*-5", subject=SENDER), {})
