"""What is made of a tally: actions, the log, the text of a refusal."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest

from filter_api.net.dnsbl import Hit, Tally, Zone, parse_entry, subject_of_address
from filter_dnsbl.options import Thresholds
from filter_dnsbl.policy import Action, facts_of, is_doubtful, is_settled, level, list_text, listing, reply_text

CLIENT = ip_address("192.0.2.5")
THRESHOLDS = Thresholds(grey=1, mark=3, refuse=5)


def hits(*words: str) -> Tally:
    """The client is on each of these lists, by two answers."""
    codes = (IPv4Address("127.0.0.2"), IPv4Address("127.0.0.4"))
    subject = subject_of_address(CLIENT)
    found = tuple(Hit(parse_entry(word), subject, codes) for word in words)
    points = sum(hit.entry.weight for hit in found)
    return Tally(found, points, points, points)


@pytest.mark.parametrize(
    ("points", "action"),
    [
        (-1, Action.PASS), (0, Action.PASS), (1, Action.GREY), (2, Action.GREY),
        (3, Action.MARK), (4, Action.MARK), (5, Action.REFUSE), (6, Action.REFUSE),
    ],
)  # fmt: skip
def test_points_are_good_for_what_the_highest_threshold_says_that_they_reach(points: int, action: Action) -> None:
    assert level(points, THRESHOLDS) is action


def test_a_threshold_that_is_not_given_is_never_reached() -> None:
    assert level(99, Thresholds(refuse=None)) is Action.PASS
    assert level(99, Thresholds(grey=1, refuse=None)) is Action.GREY
    assert level(99, Thresholds(mark=1, refuse=None)) is Action.MARK


@pytest.mark.parametrize(
    ("low", "points", "high", "settled", "doubtful"),
    [
        (5, 5, 9, True, False),
        (4, 5, 5, False, True),  # a welcome list may yet save the client
        (4, 4, 5, False, False),
        (-9, 0, 0, True, False),
        (-9, 4, 5, False, False),
    ],
)
def test_what_may_still_be_said_matters_only_if_it_changes_the_outcome(
    low: int, points: int, high: int, settled: bool, doubtful: bool
) -> None:
    tally = Tally(points=points, low=low, high=high)
    assert is_settled(tally, THRESHOLDS) is settled
    assert is_doubtful(tally, THRESHOLDS) is doubtful


@pytest.mark.parametrize(
    ("action", "grey"), [(Action.PASS, False), (Action.GREY, True), (Action.MARK, True), (Action.REFUSE, True)]
)
def test_the_log_has_points_and_lists_and_from_grey_on_says_so(action: Action, grey: bool) -> None:
    facts = facts_of(hits("bl.test*2", "wl.test*-1"), action)
    assert facts == {
        "reason": "dnsbl",
        "points": 1,
        "lists": "bl.test=127.0.0.2+127.0.0.4*2,wl.test=127.0.0.2+127.0.0.4*-1",
    } | ({"grey": True} if grey else {})


def test_a_refusal_names_each_list_that_speaks_against_the_client_once() -> None:
    tally = hits("b.test", "wl.test*-1", "a.test*2", "b.test=127.0.0.2")
    assert listing(tally) == ["b.test", "a.test"]
    assert (
        reply_text("%A is on %L (%T), 100%%, %x", CLIENT, tally)
        == "192.0.2.5 is on b.test, a.test (b.test, a.test), 100%, %x"
    )
    assert reply_text("%A: %T", None, tally, "see https://b.test/") == "your host: see https://b.test/"


def test_a_refusal_is_one_line_of_480_characters_at_most() -> None:
    assert reply_text("x" * 480, CLIENT, hits()) == "x" * 480
    assert reply_text("x" * 481, CLIENT, hits()) == "x" * 477 + "..."
    assert "\n" not in reply_text("%T", CLIENT, hits(), "two\nlines")


def test_what_a_list_says_is_shown_without_its_key_and_bounded() -> None:
    zone = Zone("sEcReT.bl.test", "bl.test", "sEcReT")
    assert list_text(zone, b"see https://x/?key=SECRET&secret") == "see https://x/?key=KEY&KEY"
    assert list_text(Zone("bl.test", "bl.test"), b"see\xff") == "see\\xff"
    assert list_text(zone, b"y" * 300) == "y" * 300
    assert list_text(zone, b"y" * 301) == "y" * 297 + "..."
