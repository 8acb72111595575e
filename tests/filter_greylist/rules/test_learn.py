"""What outgoing mail teaches, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_greylist.rules import learn
from filter_greylist.rules.learn import DAY, NEW_PAIRS, QUEUED, OurMessages, Quota, lesson
from filter_greylist.rules.records import Kind, Life, pair_name
from tests.filter_greylist.smtp import Smtpd

ZONE = {
    ("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"],
    ("open.example", "TXT"): [b"v=spf1 +all"],
}


def write(smtpd: Smtpd, *theirs: str, ours: str = "us@example.org", user: str | None = "alice") -> bytes:
    """A user of ours sends a message; its id."""
    client = smtpd.client("unix" if user is None else "203.0.113.77")
    if user is not None:
        client.auth(user)
    client.mail(b"Subject: x\r\n\r\nx\r\n", *theirs, sender=ours)
    message_id: bytes = client._msgid
    client.quit()
    smtpd.settle()
    return message_id


def relay(smtpd: Smtpd, message_id: bytes, mx: str = "192.0.2.25", sender: bytes = b"us@example.org") -> None:
    """smtpd delivers a message to an MX."""
    events = [
        b"link-connect|%(sid)b|mx|pass|198.51.100.1:4711|%(mx)b:25",
        b"tx-begin|%(sid)b|%(id)b",
        b"tx-mail|%(sid)b|%(id)b|ok|%(sender)b",
        b"tx-rcpt|%(sid)b|%(id)b|ok|them@example.net",
        b"tx-commit|%(sid)b|%(id)b|300",
        b"tx-reset|%(sid)b|%(id)b",
        b"link-disconnect|%(sid)b",
    ]
    values = {b"sid": b"00000000deadbeef", b"id": message_id, b"mx": mx.encode(), b"sender": sender}
    for event in events:
        smtpd.player.feed(b"report|0.7|1700000000.000000|smtp-out|" + event % values + b"\n")
    smtpd.settle()


def test_a_reply_to_our_user_does_not_wait_if_spf_vouches(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        write(smtpd, "them@example.net")
        now = int(smtpd.hands.wall)
        assert {record.life for record in smtpd.records(Kind.PAIR, Kind.DOMAIN)} == {
            Life(now, now, now + 864 * 3600, 0, 1)
        }
        assert smtpd.offer("192.0.2.1") == ""
        assert smtpd.offer("192.0.2.1", sender="Them+news@Example.net") == ""
        assert smtpd.offer("198.51.100.9") != "", "a forged sender waits"
        assert smtpd.offer("192.0.2.1", sender="other@example.net") != "", "one message teaches an address"
        assert smtpd.offer("192.0.2.1", recipient="other@example.org") != "", "and one user of ours"
        assert not any("learned" in line for line in smtpd.log), "only what is refused is told"


def test_writing_to_one_mailbox_lets_no_other_in(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        write(smtpd, "1234567@example.net")
        assert smtpd.offer("192.0.2.1", sender="1234567@example.net") == ""
        for stranger in ("7654321@example.net", "1@example.net", "deadbeef01@example.net", "prvs=x=123@example.net"):
            assert smtpd.offer("192.0.2.1", sender=stranger) != "", stranger


def test_an_answer_that_is_signed_by_batv_is_known(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        write(smtpd, "them@example.net")
        assert smtpd.offer("192.0.2.1", sender="prvs=0123abcdef=them@example.net") == ""
        assert smtpd.offer("192.0.2.1", sender="msprvs1=18500XyZ=them@example.net") == ""
        assert smtpd.offer("192.0.2.1", sender="prvs=0123abcdef=they@example.net") != ""


@pytest.mark.parametrize(
    "ours",
    [
        "prvs=0123abcdef=us@example.org",
        "prvs=us=0123abcdef@example.org",
        "prvs=us/0123abcdef@example.org",
        "msprvs1=18500abcdef=us@example.org",
        "btv1==123abc==us@example.org",
        "US+tag@Example.org",
    ],
)
def test_a_sender_of_ours_that_is_signed_by_batv_teaches_for_its_mailbox(tmp_path: Path, ours: str) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        write(smtpd, "them@example.net", ours=ours)
        assert smtpd.offer("192.0.2.1", recipient="us@example.org") == ""
        assert smtpd.offer("192.0.2.1", recipient="other@example.org") != ""
        assert smtpd.offer("192.0.2.1", recipient="0123abcdef@example.org") != ""
        assert [record.name for record in smtpd.records(Kind.PAIR)] == [
            pair_name(b"them@example.net", b"us@example.org")
        ]


@pytest.mark.parametrize("one", ["joe", "bob", "a.b"])
@pytest.mark.parametrize("shape", ["prvs={}=123@example.net", "prvs={}/x@example.net", "bounce-{}-7@example.net"])
def test_what_is_no_signature_teaches_one_mailbox_alone(tmp_path: Path, shape: str, one: str) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        write(smtpd, shape.format(one))
        assert smtpd.offer("192.0.2.1", sender=shape.format(one)) == ""
        for other in {"joe", "bob", "a.b", "eve"} - {one}:
            assert smtpd.offer("192.0.2.1", sender=shape.format(other)) != ""


def test_a_signature_that_changes_daily_gives_no_second_quota(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        for day in range(2):
            theirs = (f"user{number}@example.net" for number in range(day * 150, day * 150 + 150))
            write(smtpd, *theirs, user=None, ours=f"prvs=000{day}abcdef=us@example.org")
        assert len(smtpd.records(Kind.PAIR)) == NEW_PAIRS


def test_the_quota_is_for_each_user_and_each_day() -> None:
    """Enough for people; a stolen account opens the gates for so many, and no more until tomorrow."""
    quota = Quota()
    assert [quota.take(b"alice", wanted, 0) for wanted in (150, 100, 1)] == [150, 50, 0]
    assert quota.take(b"bob", 10, 0) == 10
    assert quota.take(b"alice", 1, DAY - 1) == 0
    assert quota.take(b"alice", NEW_PAIRS + 1, DAY) == NEW_PAIRS


def test_two_messages_teach_a_whole_domain(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        write(smtpd, "them@example.net", user="alice", ours="us@example.org")
        write(smtpd, "they@example.net", user="bob", ours="bob@example.org")
        assert smtpd.offer("192.0.2.1", sender="new@example.net", recipient="new@example.org") == ""
        assert smtpd.offer("198.51.100.9", sender="new@example.net", recipient="new@example.org") != ""


def test_one_message_to_two_of_a_domain_is_one_message(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        write(smtpd, "them@example.net", "they@example.net")
        assert smtpd.offer("192.0.2.1", sender="new@example.net") != ""


def test_a_domain_that_lets_anybody_send_is_of_no_use_to_anybody(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        write(smtpd, "them@open.example")
        write(smtpd, "them@open.example")
        assert smtpd.offer("192.0.2.1", sender="them@open.example") != ""


def test_without_o_nothing_is_learned(tmp_path: Path) -> None:
    with Smtpd(tmp_path, zone=ZONE) as smtpd:
        write(smtpd, "them@example.net")
        assert smtpd.records(Kind.PAIR, Kind.DOMAIN) == []


def test_strangers_and_bounces_teach_nothing(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        smtpd.deliver("192.0.2.1", "them@example.net", sender="us@example.org")
        smtpd.hands.advance(1500)
        assert smtpd.deliver("192.0.2.1", "them@example.net", sender="us@example.org"), "forwarded, say"
        write(smtpd, "them@example.net", ours="", user=None)
        assert smtpd.records(Kind.PAIR, Kind.DOMAIN) == []


def test_a_user_may_teach_two_hundred_new_recipients_a_day(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o", zone=ZONE) as smtpd:
        write(smtpd, *(f"user{number}@example.net" for number in range(NEW_PAIRS + 50)))
        assert len(smtpd.records(Kind.PAIR)) == NEW_PAIRS
        assert any("refused=50" in line for line in smtpd.log)
        write(smtpd, "user0@example.net", "new@example.net")
        assert len(smtpd.records(Kind.PAIR)) == NEW_PAIRS, "a known one is renewed, a new one refused"
        renewed = [record.name for record in smtpd.records(Kind.PAIR) if record.life.passed == 2]
        assert renewed == [pair_name(b"user0@example.net", b"us@example.org")]
        write(smtpd, "new@example.net", user="bob", ours="bob@example.org")
        assert len(smtpd.records(Kind.PAIR)) == NEW_PAIRS + 1
        smtpd.hands.advance(DAY)
        smtpd.hands.advance(DAY)
        write(smtpd, "new@example.net")
        assert len(smtpd.records(Kind.PAIR)) == NEW_PAIRS + 2


def test_the_host_that_takes_our_mail_is_white(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o") as smtpd:
        relay(smtpd, write(smtpd, "them@example.net"))
        (white,) = smtpd.records(Kind.WHITE)
        assert (white.name, white.life.passed) == (b"192.0.2.25", 0), "no message came from it"
        assert smtpd.offer("192.0.2.25") == ""


def test_forwarded_mail_and_bounces_make_no_host_white(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o") as smtpd:
        relay(smtpd, b"cafe0001")
        message_id = write(smtpd, "them@example.net")
        relay(smtpd, message_id, sender=b"")
        relay(smtpd, message_id, mx="127.0.0.1")
        assert smtpd.records(Kind.WHITE) == []


def test_a_lesson_is_what_the_store_will_be_asked_for() -> None:
    taught = lesson(None, b"Us@Example.org", [b"Them+x@Example.net", b"them@example.net", b"local"])
    assert taught is not None
    assert taught.user == b"us@example.org"
    assert taught.pairs == (pair_name(b"them@example.net", b"us@example.org"),)
    assert taught.domains == (b"example.net",)
    assert lesson(b"alice", b"", [b"them@example.net"]) is None
    assert lesson(b"alice", None, [b"them@example.net"]) is None


def test_a_quota_begins_anew_each_day() -> None:
    quota = Quota()
    assert quota.take(b"alice", 150, 0) == 150
    assert quota.take(b"alice", 100, DAY - 1) == 50
    assert quota.take(b"alice", 1, DAY - 1) == 0
    assert quota.take(b"bob", 1, DAY - 1) == 1
    assert quota.take(b"alice", 1, DAY) == 1


def test_our_messages_are_forgotten_when_the_queue_has_let_them_go() -> None:
    ours = OurMessages()
    ours.add(b"1", 0)
    ours.add(b"2", QUEUED + 1)
    assert b"1" not in ours
    assert b"2" in ours
    assert None not in ours


def test_a_user_has_one_quota_in_whatever_case_the_login_is_written(tmp_path: Path) -> None:
    """smtpd compares logins in lower case, so ALICE is alice."""
    with Smtpd(tmp_path, "-o") as smtpd:
        for number, user in enumerate(("alice", "ALICE", "Alice", "aLICE")):
            write(smtpd, *(f"them{number}x{each}@example.net" for each in range(NEW_PAIRS // 2)), user=user)
        assert len(smtpd.records(Kind.PAIR)) == NEW_PAIRS
        assert any("learned user=alice pairs=0 refused=100" in line for line in smtpd.log)


def test_with_a_small_bound_the_latest_pairs_and_domains_are_known(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-o", "-b", "1000:1000:1000:5", zone=ZONE) as smtpd:
        for number in range(12):
            write(smtpd, f"them@d{number}.example")
            write(smtpd, "them@example.net")
            smtpd.hands.advance(60)
        assert len(smtpd.records(Kind.PAIR)) == len(smtpd.records(Kind.DOMAIN)) == 5
        latest = {b"d%d.example" % number for number in (8, 9, 10, 11)} | {b"example.net"}
        assert {record.name for record in smtpd.records(Kind.DOMAIN)} == latest
        assert smtpd.offer("192.0.2.1", sender="them@example.net") == "", "a pair in use stays, old as it is"
        assert sum("learned pairs, as many as may be" in line for line in smtpd.log) == 1
        assert sum("learned domains, as many as may be" in line for line in smtpd.log) == 1


def test_what_is_kept_of_users_and_messages_is_bounded_and_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn, "USERS", 3)
    monkeypatch.setattr(learn, "MESSAGES", 3)
    quota = Quota()
    for user in (b"a", b"b", b"c", b"a", b"d"):
        assert quota.take(user, 100, 0) == 100
    assert quota.take(b"a", 100, 0) == 0, "who was heard of lately is remembered"
    assert quota.take(b"b", 200, 0) == 200, "who was silent longest is forgotten"
    ours = OurMessages()
    for number in range(4):
        ours.add(b"%d" % number, 0)
    assert [b"%d" % number in ours for number in range(4)] == [False, True, True, True]
    ours.add(b"x", QUEUED)
    assert b"3" in ours
    ours.add(b"y", QUEUED + 1)
    assert b"3" not in ours
    assert b"x" in ours
