"""What an answer of a list means: a listing, none, or trouble."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest

from filter_api.net.dns.answer import Answer, Record, Status
from filter_api.net.dnsbl.answers import DEAD_LISTS, Reading, is_dead, read_answer
from filter_api.net.dnsbl.entries import Zone

BL = Zone("bl.test", "bl.test")


def reading(*records: str, zone: Zone = BL) -> Reading:
    found: tuple[Record, ...] = tuple(ip_address(record) for record in records)
    return read_answer(zone, Answer(Status.OK, found))


def test_codes_of_127_are_a_listing_and_no_answer_is_none() -> None:
    assert reading("127.0.0.2", "127.0.1.4") == Reading((IPv4Address("127.0.0.2"), IPv4Address("127.0.1.4")))
    assert read_answer(BL, Answer(Status.NXDOMAIN)) == Reading()
    assert read_answer(BL, Answer(Status.NODATA)) == Reading()


@pytest.mark.parametrize("code", ["126.255.255.255", "128.0.0.0", "192.0.2.1"])
def test_what_is_no_code_is_trouble_for_ever_whatever_stands_beside_it(code: str) -> None:
    said = Reading(trouble=f"answers {code}, which is no answer of a list", broken=True)
    assert reading(code) == said
    assert reading("127.0.0.2", code) == said


@pytest.mark.parametrize("code", ["127.255.255.0", "127.255.255.254", "127.255.255.255"])
def test_a_refusal_is_trouble_whatever_stands_beside_it(code: str) -> None:
    said = Reading(trouble=f"refuses our questions ({code})")
    assert reading(code) == said
    assert reading("127.0.0.2", code) == said


@pytest.mark.parametrize(
    ("owner", "code"),
    [
        ("dnswl.org", "127.0.0.255"),
        ("surbl.org", "127.0.0.1"),
        ("uribl.com", "127.0.0.1"),
        ("dbl.spamhaus.org", "127.0.1.255"),
        ("dbl.dq.spamhaus.net", "127.0.1.255"),
    ],
)
def test_some_lists_refuse_by_codes_of_their_own(owner: str, code: str) -> None:
    """By the name that is shown: the other one may begin with a key."""
    for shown in (owner, f"list.{owner}"):
        assert reading(code, zone=Zone(f"key.{shown}", shown)) == Reading(trouble=f"refuses our questions ({code})")
    assert reading(code, zone=Zone(owner, f"not{owner}")) == Reading((IPv4Address(code),))


def test_no_answer_is_trouble_and_tells_nothing_of_a_question_with_a_key() -> None:
    failed = Answer(Status.TEMPFAIL, why="SERVFAIL of x.bl.test")
    assert read_answer(BL, failed) == Reading(trouble="SERVFAIL of x.bl.test")
    assert read_answer(BL, Answer(Status.TEMPFAIL)) == Reading(trouble="no answer")
    assert read_answer(Zone("k.bl.test", "bl.test", "k"), failed) == Reading(trouble="no answer")


def test_lists_that_have_ended_are_known_by_the_end_of_their_names() -> None:
    for dead in DEAD_LISTS:
        assert is_dead(dead)
        assert is_dead(f"x.{dead}")
        assert not is_dead(f"x{dead}")
    assert not is_dead("bl.test")
