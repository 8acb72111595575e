"""The policy of filter-rdns as tables: facts in, objection and decision out."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from filter_api.bases.phase import Phase
from filter_api.decision import Disconnect, Failure, Junk, Proceed, Reject
from filter_api.net.rdns import Finding, Reverse
from filter_rdns.policy import (
    Mailbox,
    Objection,
    believed,
    decide,
    object_to_doubtful_exemption,
    object_to_helo,
    object_to_reverse,
    object_to_sender,
    settled,
)

CLIENT = ip_address("192.0.2.1")
CLIENT6 = ip_address("2001:db8::1")


@pytest.mark.parametrize(
    ("rdns", "fcrdns", "good", "enough"),
    [
        (b"mx.example.org", "pass", True, True),
        (b"mx.example.org", "fail", False, True),
        (b"mx.example.org", "error", False, True),
        (b"mx.example.org", "", False, True),
        (None, "fail", False, False),
        (None, "error", False, False),
        (None, "pass", False, False),
        (b"192.0.2.1", "pass", False, False),  # an address confirms itself
        (b"203.0.113.9", "fail", False, False),
        (b"192.0.513", "pass", False, False),
        (b"a" * 64, "fail", False, True),  # cut: a name nevertheless
    ],
)
def test_which_word_of_smtpd_is_believed(rdns: bytes | None, fcrdns: str, good: bool, enough: bool) -> None:
    assert believed(rdns, fcrdns) is good
    assert settled(rdns, fcrdns, forward=True) is good
    assert settled(rdns, fcrdns, forward=False) is enough


@pytest.mark.parametrize(
    ("finding", "reason", "text", "doubt"),
    [
        (Finding.NO_NAME, "no-ptr", "no reverse DNS for 192.0.2.1", False),
        (Finding.LITERAL, "ptr-is-address", "reverse DNS of 192.0.2.1 is no name", False),
        (Finding.MISMATCH, "mismatch", "reverse DNS of 192.0.2.1 does not lead back to it", False),
        (Finding.DOUBT, "dns", "reverse DNS of 192.0.2.1 cannot be looked up", True),
    ],
)
def test_objections_to_reverse_dns(finding: Finding, reason: str, text: str, doubt: bool) -> None:
    found = object_to_reverse(Reverse(finding, ("a.example", "b.example"), "SERVFAIL"), CLIENT)
    assert found is not None
    assert (found.reason, found.doubt, found.status) == (reason, doubt, "7.25")
    assert found.facts["ptr"] == "a.example,b.example"
    assert found.facts.get("why") == ("SERVFAIL" if doubt else None)
    assert found.text == text


@pytest.mark.parametrize("finding", [Finding.NAMED, Finding.CONFIRMED])
def test_nothing_to_object_to(finding: Finding) -> None:
    assert object_to_reverse(Reverse(finding, ("a.example",)), CLIENT) is None


HELO_TEXTS = {
    "helo-address": "HELO with an address that is not yours",
    "helo-bare-word": "HELO needs a full host name",
    "helo-ours": "HELO with our own name",
}


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (b"mail.example.org", None),
        (b"mail.example.org.", None),
        (b"localhost.localdomain", None),
        (b"[192.0.2.1]", None),
        (b"192.0.2.1", None),
        (b"[192.0.2.2]", "helo-address"),
        (b"192.0.2.2", "helo-address"),
        (b"[IPv6:2001:db8::1]", "helo-address"),
        (b"[IPv6:::ffff:192.0.2.1]", None),
        (b"[]", "helo-address"),
        (b"[nonsense]", "helo-address"),
        (b"192.0.513", "helo-address"),
        (b"3221225985", "helo-address"),
        (b"localhost", "helo-bare-word"),
        (b"DESKTOP-4711", "helo-bare-word"),
        (b"localhost.", "helo-bare-word"),
        (b"", "helo-bare-word"),
        (b"mx.example.net", "helo-ours"),
        (b"MX.Example.NET.", "helo-ours"),
        (b"x.mx.example.net", None),
        (b"example.net", None),
        (b"\xff.example", None),
    ],
)
def test_helo(identity: bytes, reason: str | None) -> None:
    found = object_to_helo(identity, CLIENT, b"mx.example.net")
    assert (found.reason if found else None) == reason
    assert found is None or (found.status, found.text, found.doubt) == ("7.1", HELO_TEXTS[found.reason], False)


@pytest.mark.parametrize("identity", [b"[IPv6:2001:db8::1]", b"[ipv6:2001:DB8:0::1]", b"[2001:db8::1]"])
def test_helo_with_an_ipv6_address(identity: bytes) -> None:
    assert object_to_helo(identity, CLIENT6, b"") is None
    assert object_to_helo(identity, ip_address("2001:db8::2"), b"") is not None


@pytest.mark.parametrize("our_name", [b"mx.example.net", b"MX.Example.NET."])
def test_our_own_name_is_compared_however_it_is_written(our_name: bytes) -> None:
    found = object_to_helo(b"mx.example.net", CLIENT, our_name)
    assert found is not None
    assert found.reason == "helo-ours"


def test_a_server_that_does_not_know_its_name_compares_nothing() -> None:
    assert object_to_helo(b"mx.example.net", CLIENT, b"") is None


@pytest.mark.parametrize(
    ("mailbox", "objection"),
    [
        (Mailbox.NULL_MX, Objection("sender-null-mx", "7.27", "the sender's domain accepts no mail")),
        (Mailbox.NO_DOMAIN, Objection("sender-no-domain", "1.8", "the sender's domain does not exist")),
        (Mailbox.NO_MAIL, Objection("sender-no-mail", "1.8", "the sender's domain has no mail server")),
        (
            Mailbox.DOUBT,
            Objection("sender-dns", "1.8", "the sender's domain cannot be looked up", True, {"why": "SERVFAIL"}),
        ),
    ],
)
def test_objections_to_a_sender(mailbox: Mailbox, objection: Objection) -> None:
    assert object_to_sender(mailbox, "SERVFAIL") == objection


def test_a_sender_that_can_be_answered() -> None:
    assert object_to_sender(Mailbox.ABLE) is None


def test_an_exemption_that_cannot_be_found_out_is_doubt() -> None:
    assert object_to_doubtful_exemption("SERVFAIL") == Objection(
        "spf", "7.24", "SPF of the sender cannot be looked up", True, {"why": "SERVFAIL"}
    )


CERTAIN = Objection("no-ptr", "7.25", "no reverse DNS", facts={"ptr": "x"})
DOUBT = Objection("dns", "7.25", "DNS is down", doubt=True)


@pytest.mark.parametrize("failure", list(Failure))
@pytest.mark.parametrize("phase", list(Phase))
def test_what_is_certain_does_not_depend_on_the_failure_policy(phase: Phase, failure: Failure) -> None:
    decision = decide(CERTAIN, phase, failure=failure)
    assert isinstance(decision, Disconnect if phase is Phase.CONNECT else Reject)
    assert getattr(decision, "reply", "") == "550 5.7.25 no reverse DNS"
    assert decision.facts == {"reason": "no-ptr", "ptr": "x"}


@pytest.mark.parametrize(
    ("failure", "reply"),
    [
        (Failure.ACCEPT, ""),
        (Failure.TEMPFAIL, "451 4.7.25 DNS is down, try again later"),
        (Failure.REJECT, "550 5.7.25 DNS is down"),
    ],
)
@pytest.mark.parametrize("mark", [False, True])
def test_doubt_is_the_business_of_the_failure_policy(failure: Failure, reply: str, mark: bool) -> None:
    decision = decide(DOUBT, Phase.MAIL_FROM, failure=failure, mark=mark)
    assert getattr(decision, "reply", "") == reply
    assert isinstance(decision, Reject if reply else Proceed)
    assert decision.facts == {"reason": "dns"}


def test_a_mark_instead_of_a_refusal() -> None:
    assert decide(CERTAIN, Phase.MAIL_FROM, failure=Failure.TEMPFAIL, mark=True) == Junk()


def test_a_text_of_the_operator() -> None:
    text = "see https://example.org/"
    decision = decide(CERTAIN, Phase.MAIL_FROM, failure=Failure.TEMPFAIL, text=text)
    assert getattr(decision, "reply", "") == f"550 5.7.25 {text}"
    later = decide(DOUBT, Phase.MAIL_FROM, failure=Failure.TEMPFAIL, text=text)
    assert getattr(later, "reply", "") == "451 4.7.25 DNS is down, try again later"
