"""filter-dnsbl and names: of clients, HELO, senders, authors; a welcome wants proof, a sender marks its mail only."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.net.dns import Status
from filter_api.testing import Slow
from tests.filter_dnsbl.listed import BACKWARDS, BL, CLIENT, Zone, listing, passing, player, told

SENDER = "joe@sender.example"
BAD = listing("dbl.test", label="sender.example")


def test_a_listed_sender_is_refused() -> None:
    assert told("-b", "dbl.test/s", zone=BAD, sender=SENDER) == "550 5.7.1 192.0.2.5 is listed by dbl.test"
    assert told("-b", "dbl.test/s", zone=BAD, sender="joe@other.example") == ""


def test_a_list_of_domains_passes_its_own_self_test() -> None:
    zone = dict(BAD)
    del zone["test.dbl.test", "A"]
    assert told("-b", "dbl.test/s", zone=zone, sender=SENDER) == ""
    assert told("-b", "dbl.test/s", zone=BAD | {("invalid.dbl.test", "A"): ["127.0.0.2"]}, sender=SENDER) == ""


@pytest.mark.parametrize("helo", ["[192.0.2.5]", "localhost", "x" * 64 + ".example.net", "192.0.2.5"])
def test_what_no_list_can_know_is_not_asked(helo: str) -> None:
    smtpd, dns = player("-b", "dbl.test/h", "-b", "bl.test", zone=BL | BAD)
    with smtpd:
        client = smtpd.connect(CLIENT)
        client.helo(helo)
        assert not client.mail_from().ok  # the other list counts
    assert not [
        name for name, _ in dns.asked if name.endswith("dbl.test") and name.split(".")[0] not in {"test", "invalid"}
    ]


def test_a_name_that_would_be_too_long_with_the_list_is_left_out() -> None:
    helo = ".".join(["x" * 60] * 4) + ".net"
    smtpd, dns = player("-b", "dbl.test/h", "-b", "bl.test", zone=BL | BAD)
    with smtpd:
        client = smtpd.connect(CLIENT)
        client.helo(helo)
        assert not client.mail_from().ok
    assert not [name for name, _ in dns.asked if "xxx" in name]


def test_a_listed_helo_name_is_refused() -> None:
    zone = listing("dbl.test", label="client.example.net")
    assert told("-b", "dbl.test/h", zone=zone) == "550 5.7.1 192.0.2.5 is listed by dbl.test"


def test_nothing_is_asked_about_the_null_sender() -> None:
    smtpd, dns = player("-b", "dbl.test/s", zone=BAD)
    with smtpd:
        client = smtpd.connect(CLIENT)
        client.helo("sender.example")
        assert client.mail_from("").ok
    assert dns.asked == []


@pytest.mark.parametrize("rdns", [None, "<unknown>", "127.0.1.16", ""])
def test_a_client_without_a_name_is_not_asked_for_it(rdns: str | None) -> None:
    smtpd, dns = player("-b", "dbl.test/p", zone=BAD)
    with smtpd:
        assert smtpd.connect(CLIENT, rdns=rdns, fcrdns="fail").mail_from().ok
    assert dns.asked == []


GOOD_NAME = BL | listing("wl.test", label="mx.example.net")


@pytest.mark.parametrize(("fcrdns", "accepted"), [("pass", True), ("fail", False)])
def test_a_name_is_welcome_only_if_it_leads_back(fcrdns: str, accepted: bool) -> None:
    smtpd, _ = player("-b", "bl.test", "-b", "wl.test*-1/p", zone=GOOD_NAME)
    with smtpd:
        assert smtpd.connect(CLIENT, rdns="mx.example.net", fcrdns=fcrdns).mail_from().ok is accepted


IN_DOUBT = "451 4.7.1 a list that may welcome you does not answer, try again later"


@pytest.mark.parametrize(
    ("record", "reply"),
    [
        (["v=spf1 ip4:192.0.2.5 -all"], ""),
        (["v=spf1 -all"], "550 5.7.1 192.0.2.5 is listed by bl.test"),
        ([], "550 5.7.1 192.0.2.5 is listed by bl.test"),
        (Status.TEMPFAIL, IN_DOUBT),
    ],
)
def test_a_sender_is_welcome_only_if_spf_vouches_for_it(record: list[str] | Status, reply: str) -> None:
    zone = BL | listing("wl.test", label="sender.example") | {("sender.example", "TXT"): record}
    assert told("-b", "bl.test", "-b", "wl.test*-1/s", zone=zone, sender=SENDER) == reply


def test_a_client_between_the_thresholds_is_marked_and_said_to_be_grey() -> None:
    smtpd, _ = player("-b", "bl.test*2", "-s", "1:2:3")
    with smtpd:
        client = smtpd.connect(CLIENT)
        assert client.mail_from().verdict == "junk"
        assert client.rcpt_to().ok
        assert any("action=junk" in line and "grey=yes" in line for line in smtpd.log)


def test_a_grey_client_passes_with_a_hint_in_the_log() -> None:
    smtpd, _ = player("-b", "bl.test*1", "-s", "1:2:3")
    with smtpd:
        assert smtpd.connect(CLIENT).mail_from().verdict == "proceed"
        assert any("points=1" in line and "grey=yes" in line for line in smtpd.log)


def test_a_listed_sender_marks_its_own_mail_only() -> None:
    smtpd, _ = player("-m", "-b", "dbl.test/s", "-b", "bl.test", zone=BAD | passing("bl.test"))
    with smtpd:
        client = smtpd.connect(CLIENT)
        verdicts = []
        for sender in (SENDER, "joe@other.example"):
            verdicts += [client.mail_from(sender).verdict, client.rcpt_to().verdict, client.data().verdict]
            client.rset()
    assert verdicts == ["proceed", "proceed", "junk", "proceed", "proceed", "proceed"]


def test_a_listed_client_marks_all_of_its_mails() -> None:
    assert told("-m", "-b", "bl.test") == "junk"


MAIL = b"From: Joe <joe@%s>\r\nSubject: x\r\n\r\nx\r\n"


def test_a_listed_author_is_refused_at_the_end_of_the_message() -> None:
    smtpd, _ = player("-a", "-b", "dbl.test/a", zone=BAD)
    with smtpd:
        assert smtpd.connect(CLIENT).mail(MAIL % b"other.example").ok
        refused = smtpd.connect(CLIENT).mail(MAIL % b"sender.example")
        assert refused.reply == "550 5.7.1 192.0.2.5 is listed by dbl.test"


@pytest.mark.parametrize(("options", "code"), [(("-F", "tempfail"), "451"), ((), "")])
def test_authors_of_whom_no_list_answers_are_left_to_the_failure_policy(options: tuple[str, ...], code: str) -> None:
    zone = {("sender.example.dbl.test", "A"): Status.TEMPFAIL}
    smtpd, _ = player("-a", "-b", "dbl.test/a", *options, zone=zone)
    with smtpd:
        assert smtpd.connect(CLIENT).mail(MAIL % b"sender.example").reply[:3] == code


def test_a_listed_author_marks_his_mail() -> None:
    smtpd, _ = player("-am", "-b", "dbl.test/a", zone=BAD)
    with smtpd:
        assert b"X-Spam: Yes" not in smtpd.connect(CLIENT).mail(MAIL % b"other.example").text
        assert b"X-Spam: Yes" in smtpd.connect(CLIENT).mail(MAIL % b"sender.example").text


def test_a_name_that_is_both_the_client_s_and_the_sender_s_counts_once() -> None:
    smtpd, _ = player("-b", "dbl.test*2/ps", "-s", "-:-:3", zone=BAD)
    with smtpd:
        assert smtpd.connect(CLIENT, rdns="sender.example").mail_from(SENDER).ok


@pytest.mark.parametrize(
    ("lists", "rdns", "points"),
    [
        (["dbl.test*2/phs"], "sender.example", 2),
        (["dbl.test*2/p", "dbl.test*2/s"], "sender.example", 4),
        (["dbl.test*2/ps"], "other.example", 4),
    ],
    ids=["three places", "two lists", "two names"],
)
def test_each_list_counts_each_name_once(lists: list[str], rdns: str, points: int) -> None:
    zone = BAD | listing("dbl.test", label="other.example")
    smtpd, _ = player(*(word for each in lists for word in ("-b", each)), "-s", "1:-:-", zone=zone)
    with smtpd:
        client = smtpd.connect(CLIENT, rdns=rdns)
        client.helo(rdns)
        assert client.mail_from(SENDER).ok
        assert f"points={points} " in smtpd.log[0]


@pytest.mark.parametrize(("fcrdns", "points"), [("pass", -2), ("fail", -2)])
def test_a_welcome_counts_once_by_whichever_proof_there_is(fcrdns: str, points: int) -> None:
    zone = BAD | BL | {("sender.example", "TXT"): ["v=spf1 ip4:192.0.2.5 -all"]}
    smtpd, _ = player("-b", "bl.test*9", "-b", "dbl.test*-2/ps", "-s", "-:-:8", zone=zone)
    with smtpd:
        assert smtpd.connect(CLIENT, rdns="sender.example", fcrdns=fcrdns).mail_from(SENDER).ok
        assert f"points={9 + points} " in smtpd.log[0]


@pytest.mark.parametrize("slow", ["bl.test", "dbl.test"])
def test_nobody_waits_for_the_client_s_lists_when_those_of_the_sender_decide_or_the_other_way(slow: str) -> None:
    zone = BL | BAD | {(f"{BACKWARDS}.bl.test", "A"): Slow(1.0, ["127.0.0.2"])}
    zone["sender.example.dbl.test", "A"] = Slow(1.0, ["127.0.0.2"])
    label = {"bl.test": BACKWARDS, "dbl.test": "sender.example"}[slow]
    zone[f"{label}.{slow}", "A"] = Slow(60.0)
    smtpd, _ = player("-b", "bl.test*3", "-b", "dbl.test*3/s", "-s", "-:-:3", zone=zone)
    with smtpd:
        assert smtpd.connect(CLIENT).mail_from(SENDER).reply[:3] == "550"
        assert smtpd.loop.time() < 1.5


def test_a_list_that_proved_broken_by_one_name_is_not_waited_for_when_the_name_comes_again() -> None:
    zone = listing("dbl.test", "203.0.113.9", label="sender.example")
    smtpd, _ = player("-F", "tempfail", "-b", "dbl.test*2/ph", zone=zone)
    with smtpd:
        client = smtpd.connect(CLIENT, rdns="sender.example")
        smtpd.advance(1)
        client.helo("sender.example")
        assert client.mail_from().ok


SPF = {("sender.example", "TXT"): ["v=spf1 ip4:192.0.2.5 -all"]}


def marks(*arguments: str, zone: Zone, late: float = 0.0, recipient: str = "bob@example.org") -> list[str]:
    """The verdicts on a mail of SENDER at MAIL FROM and at DATA; `late` seconds lie between them."""
    smtpd, _ = player(*arguments, zone=zone)
    with smtpd:
        client = smtpd.connect(CLIENT)
        said = [client.mail_from(SENDER).verdict]
        smtpd.advance(late)
        assert client.rcpt_to(recipient).ok
        return [*said, client.data().verdict]


def test_a_client_whose_listing_comes_after_mail_from_has_its_mail_marked() -> None:
    zone = BL | {(f"{BACKWARDS}.bl.test", "A"): Slow(4.5, ["127.0.0.2"])}
    assert marks("-m", "-b", "bl.test", zone=zone, late=3.0) == ["proceed", "junk"]
    assert marks("-m", "-b", "bl.test", zone=zone) == ["proceed", "proceed"]


@pytest.mark.parametrize(
    ("weight", "verdicts"), [(2, ["junk", "proceed"]), (6, ["proceed", "junk"]), (4, ["proceed", "proceed"])]
)
def test_a_client_that_its_sender_saves_from_refusal_is_marked_by_the_sum(weight: int, verdicts: list[str]) -> None:
    zone = BL | SPF | listing("wl.test", label="sender.example") | listing("dbl.test", label="sender.example")
    lists = ["-b", f"bl.test*{weight}", "-b", "dbl.test*1/s", "-b", "wl.test*-4/s"]
    if weight == 2:
        lists = lists[:4]
    assert marks("-s", "-:2:5", *lists, zone=zone) == verdicts


@pytest.mark.parametrize(
    ("lists", "by_us"),
    [("bl.test", False), ("dbl.test/s", False), ("dbl.test/sa", False), ("dbl.test/a", True)],
)
def test_what_smtpd_marks_is_not_marked_again_at_the_end_of_the_message(lists: str, by_us: bool) -> None:
    smtpd, _ = player("-am", "-b", lists, zone=BL | BAD)
    with smtpd:
        got = smtpd.connect(CLIENT).mail(MAIL % b"sender.example", sender=SENDER)
        assert (b"X-Spam" in got.text) is by_us
        assert any("action=junk" in line for line in smtpd.log) is not by_us


@pytest.mark.parametrize("role", ["postmaster@example.org", "Abuse@example.org", "postmaster"])
def test_at_rcpt_to_what_is_for_postmaster_alone_is_not_judged_at_the_end_either(role: str) -> None:
    smtpd, _ = player("-a", "-p", "rcpt-to", "-b", "bl.test", "-b", "dbl.test/a", zone=BL | BAD)
    with smtpd:
        assert smtpd.connect(CLIENT).mail(MAIL % b"sender.example", role).ok
        assert not smtpd.connect("192.0.2.6").mail(MAIL % b"sender.example", role, "bob@example.org").ok


def test_a_mail_to_an_exempt_recipient_is_not_marked(tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text("to:carol@example.org\n")
    options = ("-s", "-:1:9", "-p", "rcpt-to", "-b", "dbl.test/s", "-W", str(table))
    assert marks(*options, zone=BAD, recipient="carol@example.org") == ["proceed", "proceed"]
    assert marks(*options, zone=BAD) == ["proceed", "junk"]


@pytest.mark.parametrize(
    "head",
    [
        b"From: a@other.example\r\nFrom: a@sender.example\r\n",
        b"From: a@sender.example\r\nFrom: a@other.example\r\n",
        b"From: a@other.example\r\nSubject: x\r\nFROM: Joe\r\n <a@sender.example>\r\n",
        b"From: not an address\r\nFrom: b@third.example, a@sender.example\r\n",
    ],
)
def test_a_second_from_hides_no_author(head: bytes) -> None:
    smtpd, _ = player("-a", "-b", "dbl.test/a", zone=BAD)
    with smtpd:
        assert smtpd.connect(CLIENT).mail(head + b"\r\nx\r\n").reply[:3] == "550"
