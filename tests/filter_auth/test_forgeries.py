"""Forgers who know how the filter works: their own name servers, and From fields that two readers read in two ways."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from filter_api.message.message import Message
from filter_api.net.dns import Resolver, Status
from filter_api.session import Transaction, asking
from filter_api.testing.dns import Content, FakeZone, Slow
from filter_api.trust import client_at
from filter_auth.filter import Authenticate, build
from tests.filter_auth.mail import PLAIN, STRANGER, dmarc, marked, results, sent

SILENT = Slow(5.0, [b"v=spf1 -all"])
"""A name server that takes longer than the filter has with SHORT."""
SHORT = ("-T", "0.4")


def forged_from(author: str) -> bytes:
    return PLAIN.replace(b"Jane <jane@example.org>", author.encode("latin-1"))


def test_a_stranger_whose_name_server_is_silent_hides_no_forgery_of_a_name_in_the_same_top_level_domain() -> None:
    """Whether the two might be one organisation has to be asked before the time is used up."""
    zone = {**dmarc("p=reject"), ("evil.org", "TXT"): SILENT, ("_dmarc.org", "TXT"): Slow(0.01, Status.NXDOMAIN)}
    outcome = sent(zone, sender="x@evil.org", options=SHORT)
    assert "dmarc=fail" in results(outcome)[0]
    assert marked(outcome)


@pytest.mark.parametrize(
    ("author", "policy"),
    [
        ("jane@bogus.example.org", "p=none; sp=none; np=reject"),
        ("jane@a.b.example.org", "p=none; np=quarantine"),
        ("jane@bogus.example.org", "p=reject; sp=quarantine; np=reject"),
    ],
)
def test_nor_of_a_name_that_does_not_exist(author: str, policy: str) -> None:
    """Whether it exists decides between sp= and np=; that has to be asked in time, too."""
    zone = {**dmarc(policy), ("evil.example", "TXT"): SILENT, (author[5:], "A"): Slow(0.01, Status.NXDOMAIN)}
    outcome = sent(zone, forged_from(author), options=SHORT)
    assert "dmarc=fail" in results(outcome)[0]
    assert marked(outcome)


def test_many_questions_about_deep_names_of_the_forgers_hide_no_forgery() -> None:
    zone = {**dmarc("p=reject"), **dmarc("p=none", "evil.example"), ("evil.org", "TXT"): [b"v=spf1 +all"]}
    authors = ["a@p.1.2.3.4.5.6.evil.example", "a@q.8.7.6.5.4.3.evil.example", "jane@example.org"]
    signers = [".".join([letter] * 6) + ".evil.example" for letter in "abcdefghij"]
    zone |= {("a._domainkey." + name, "TXT"): Status.TEMPFAIL for name in signers}
    tags = "v=1; a=rsa-sha256; s=a; h=from; bh=j56ZMyqhS+L9jm5wUsCkLs7fdxAgoykxcN/vo0TaWaw=; b=VGVzdA=="
    fields = "".join(f"DKIM-Signature: {tags}; d={name}\r\n" for name in signers)
    outcome = sent(zone, fields.encode() + forged_from(", ".join(authors)), sender="x@evil.org")
    assert results(outcome)[0].count("dkim=temperror") == 10
    assert "dmarc=fail" in results(outcome)[0]
    assert marked(outcome)


@pytest.mark.parametrize(
    "others", [["a@slow.one", "a@slow.two"], ["a@x.slow.one"], ["a@slow.one", "a@slow.two", "a@x.slow.two"]]
)
def test_slow_name_servers_of_other_authors_hide_no_forgery(others: list[str]) -> None:
    """Each answers in time, but not one after the other."""
    late = Slow(0.12, Status.NXDOMAIN)
    zone = {**dmarc("p=reject"), ("_dmarc.example.org", "TXT"): Slow(0.01, [b"v=DMARC1; p=reject"])}
    zone |= {(f"_dmarc.{name}", "TXT"): late for name in ("slow.one", "slow.two", "x.slow.one", "x.slow.two")}
    outcome = sent(zone, forged_from(", ".join([*others, "jane@example.org"])), options=SHORT)
    assert "dmarc=fail" in results(outcome)[0]
    assert "header.from=example.org" in results(outcome)[0]
    assert marked(outcome)


def test_a_domain_of_the_forgers_beside_one_whose_dns_does_not_answer_does_not_make_it_harmless() -> None:
    zone = {("_dmarc.example.org", "TXT"): Status.TEMPFAIL, **dmarc("p=none", "evil.example")}
    outcome = sent(zone, forged_from("a@evil.example, jane@example.org"), sender="x@other.example")
    assert "dmarc=temperror" in results(outcome)[0]
    put_off = sent(
        zone, forged_from("a@evil.example, jane@example.org"), sender="x@other.example", options=("-F", "tempfail")
    )
    assert put_off.reply.startswith("451 4.7.1 ")


@pytest.mark.parametrize(
    "author",
    [
        "jane@example.org, @evil.example <x@evil.example>",
        "jane@example.org; <x@evil.example>",
        "Team: jane@example.org; <x@evil.example>",
        "jane@example.org, \\ <x@evil.example>",
        "jane@example.org, \x01 <x@evil.example>",
        "jane@example .org> <x@evil.example>",
        "jane@example. \t org> <x@evil.example>",
        "jane@example(a comment).org> <x@evil.example>",
        "<x@evil.example> jane@example\r\n .org",
    ],
)
def test_a_list_that_breaks_the_rules_lends_nobody_a_name(author: str) -> None:
    outcome = sent(dmarc("p=reject"), forged_from(author))
    assert "dmarc=fail" in results(outcome)[0]
    assert "header.from=example.org" in results(outcome)[0]
    assert marked(outcome)


@pytest.mark.parametrize(
    "author", ["Doe, Jane <jane@example.org>", "Doe; Jane <jane@example.org>", "[x] @ Doe <jane@example.org>"]
)
def test_a_careless_name_before_the_only_address_is_still_a_name(author: str) -> None:
    assert "header.from=example.org" in results(sent(dmarc("p=none"), forged_from(author)))[0]


@pytest.mark.parametrize(
    "field",
    [
        b"X: a\rFrom: jane@example.org",
        b"X: a\rfrom \t: jane@example.org",
        b"X: a\r\rFROM: jane@example.org",
        b"nonsense\rFrom: jane@example.org",
        b"X: a\r\n b\rFrom: jane@example.org",
        b"X: a\rAuthentication-Results: mx.example.org; dmarc=pass",
        b"nonsense\rauthentication-results: mx.example.org; dmarc=pass",
    ],
)
def test_a_field_behind_a_bare_cr_leaves_no_author(field: bytes) -> None:
    """Some readers end a line there, and show the field that it hides."""
    outcome = sent({}, field + b"\r\n" + forged_from("x@evil.example"))
    assert 'dmarc=permerror reason="a From or Authentication-Results field behind a bare CR"' in results(outcome)[0]
    assert marked(outcome)


@pytest.mark.parametrize("field", [b"X: a\rb", b"X: a\r From: jane@example.org", b"X: a\rX-From: b", b"X: From: b\r"])
def test_another_bare_cr_does_no_harm(field: bytes) -> None:
    outcome = sent(dmarc("p=none"), field + b"\r\n" + PLAIN)
    assert "dmarc=fail" in results(outcome)[0]


def test_results_with_a_bare_cr_are_removed() -> None:
    field = b"Authentication-Results: other.example; spf=pass\rAuthentication-Results: mx.example.org; dmarc=pass\r\n"
    assert b"other.example" not in sent({}, field + PLAIN).text


def test_many_messages_whose_name_servers_are_silent_hide_no_forgery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each asks more than a dozen questions that nobody answers, as many as are asked at a time and more."""
    monkeypatch.setattr("filter_api.net.dns.turns.SOON", 0.02)
    tags = "v=1; a=rsa-sha256; s=s; h=from; bh=j56ZMyqhS+L9jm5wUsCkLs7fdxAgoykxcN/vo0TaWaw=; b=VGVzdA=="
    zone: dict[tuple[str, str], Content | Slow] = {**STRANGER, **dmarc("p=reject")}

    async def judged(filter_: Authenticate, session_id: bytes, text: bytes, sender: bytes) -> dict[str, object]:
        asking.set(session_id)
        session = client_at(ip_address("192.0.2.1"))
        session.transaction = Transaction()
        session.transaction.sender = sender
        message = Message()
        for line in text.split(b"\r\n")[:-1]:
            message.append(line)
        verdict = await filter_.on_message(session, message)
        return {**verdict.facts}

    async def inside() -> dict[str, object]:
        names = {number: [f"{letter}{number}.silent.example" for letter in "abcdefghij"] for number in range(20)}
        zone.update({(f"s._domainkey.{name}", "TXT"): Slow(60.0) for each in names.values() for name in each})
        zone.update({(f"_dmarc.{number}.silent.example", "TXT"): Slow(60.0) for number in names})
        filter_ = build([], Resolver(backend=FakeZone(zone), parallel=8, timeout=3.0))
        flood = []
        for number, signers in names.items():
            fields = "".join(f"DKIM-Signature: {tags}; d={name}\r\n" for name in signers).encode()
            text = fields + forged_from(f"x@{number}.silent.example")
            flood.append(asyncio.create_task(judged(filter_, b"%d" % number, text, b"x@evil.example")))
        await asyncio.sleep(0.05)
        found = await asyncio.create_task(judged(filter_, b"forged", PLAIN, b"x@evil.example"))
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        return found

    found = asyncio.run(inside())
    assert (found["result"], found["action"]) == ("fail", "mark")
