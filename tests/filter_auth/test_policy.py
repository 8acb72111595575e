"""What is done with a message: the 86 cases of DMARC, and those of the options (X rows of the table)."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.decision import Failure
from filter_api.dmarc.evaluate import Dmarc, Found
from filter_api.net.dns import Resolver, Status
from filter_api.testing.dns import FakeZone, Slow
from filter_api.testing.player import Player
from filter_auth.filter import build
from filter_auth.options import Failing, Options, Unauthored
from filter_auth.policy import Action, Facts, rule
from tests.dkim.crafted import HEADER
from tests.dmarc.test_cases import CASES, Case, cases, judge
from tests.filter_auth.mail import PLAIN, connected, dmarc, keys, marked, results, sent, signed

REJECT = Options(failing=Failing.REJECT)
STRICT = Options(failing=Failing.STRICT)


@pytest.mark.daemon
@pytest.mark.skipif(not CASES.exists(), reason="left out: the data in ../shared/auth is not here")
@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_a_case_ends_as_the_table_says(case: Case) -> None:
    found, _ = judge(case)
    spf, domain = case["spf"]
    strong = spf == "pass" and case.get("strong", True)
    vouched = strong or any(word == "pass" for word, _ in case["dkim"]) or case.get("list_header", False)
    facts = Facts(found, spf, domain, vouched=vouched)
    assert [rule(facts, own).action.value for own in (Options(), REJECT)] == case["expect"][2:]


FAILS = Found(Dmarc.FAIL, "example.org", "reject", "example.org", "", "reject")


@pytest.mark.parametrize(
    ("option", "action"), [("none", "accept"), ("mark", "mark"), ("reject", "reject"), ("strict", "reject")]
)
def test_what_fails_p_reject_and_nothing_vouches_for(option: str, action: str) -> None:
    """X05."""
    ruling = rule(Facts(FAILS), Options(failing=Failing(option)))
    assert ruling.action.value == action
    if action == "reject":
        assert ruling.reply is not None
        assert ruling.reply.reply == "550 5.7.26 mail of example.org that fails DMARC is not accepted"


def test_a_message_another_has_signed_is_marked_and_refused_by_strict_only() -> None:
    """X06."""
    assert rule(Facts(FAILS, vouched=True), REJECT).action is Action.MARK
    assert rule(Facts(FAILS, vouched=True), STRICT).action is Action.REJECT


def test_quarantine_is_never_refused() -> None:
    found = Found(Dmarc.FAIL, "example.org", "quarantine", "example.org", "", "quarantine")
    assert rule(Facts(found), STRICT).action is Action.MARK


def test_mail_to_postmaster_is_marked_not_refused() -> None:
    """X03."""
    outcome = sent(dmarc("p=reject"), options=["-p", "strict"], recipients=["bob@example.org", "abuse@example.org"])
    assert outcome.ok
    assert marked(outcome)


def test_the_mark_is_exactly_this_line_and_mail_of_p_none_has_none() -> None:
    """X05, X07."""
    outcome = sent(dmarc("p=reject"))
    assert outcome.ok
    assert outcome.lines.count(b"X-Spam: yes") == 1
    assert not marked(sent(dmarc("p=none")))
    assert not marked(sent({}))


def test_a_refusal_names_the_domain_and_no_recipient() -> None:
    """X05."""
    log: list[str] = []
    outcome = sent(dmarc("p=reject"), options=["-p", "reject"], log=log, sender="x@none.example")
    assert outcome.reply == "550 5.7.26 mail of example.org that fails DMARC is not accepted"
    assert any("dmarc" in line and "action=reject" in line and "author=example.org" in line for line in log)


@pytest.mark.parametrize(
    ("record", "options", "action"),
    [
        ("p=reject", (), "mark"),
        ("p=quarantine", ("-p", "strict"), "mark"),
        ("p=reject; t=y", (), "mark"),
        ("p=none", (), "proceed"),
        ("p=quarantine; t=y", (), "proceed"),
        ("p=reject", ("-p", "none"), "proceed"),
        ("p=reject", ("-p", "strict"), "reject"),
        ("p=reject", ("-n",), "observe-mark"),
        ("p=reject", ("-n", "-p", "strict"), "observe-reject"),
        ("p=none", ("-n",), "observe-proceed"),
    ],
)
def test_the_log_tells_what_was_marked_from_what_was_let_pass(
    record: str, options: tuple[str, ...], action: str
) -> None:
    log: list[str] = []
    sent(dmarc(record), options=options, log=log, sender="x@none.example")
    [line] = [line for line in log if " message " in line]
    assert f" action={action} " in line
    assert " reason=dmarc " in line


def test_the_log_tells_that_mail_without_an_author_was_marked() -> None:
    log: list[str] = []
    sent({}, PLAIN.replace(b"From", b"X-From"), log=log)
    assert any(' author="no From field" reason=author action=mark ' in line for line in log)


def test_what_vouches_keeps_a_message_from_being_refused() -> None:
    """L23, X06: a list's field; a signature of another domain, which `-p strict` does not care for."""
    assert marked(sent(dmarc("p=reject"), b"List-Id: <l.example>\r\n" + PLAIN, options=["-p", "reject"]))
    resigned = signed(header=HEADER.replace(b"alice@example.org", b"jane@example.com"))
    zone = {**dmarc("p=reject", "example.com"), **keys()}
    assert marked(sent(zone, resigned, options=["-p", "reject"]))
    assert sent(zone, resigned, options=["-p", "strict"]).reply.startswith("550 5.7.26 ")


def test_an_exempt_client_is_judged_and_accepted(tmp_path: Path) -> None:
    """X02."""
    (tmp_path / "exempt").write_text("192.0.2.0/24\n")
    outcome = sent(dmarc("p=reject"), options=["-p", "strict", "-W", str(tmp_path / "exempt")])
    assert outcome.ok
    assert not marked(outcome)
    assert 'dmarc=fail reason="p=reject, accepted, by exempt"' in results(outcome)[0]


@pytest.mark.parametrize("entry", ["192.0.2.1", "host:.example.net", "from:list.example"])
def test_a_listed_forwarder_or_list_is_believed(tmp_path: Path, entry: str) -> None:
    """X04."""
    (tmp_path / "forwarders").write_text(entry + "\n")
    zone = {**dmarc("p=reject"), ("list.example", "TXT"): [b"v=spf1 ip4:192.0.2.1 -all"]}
    options = ["-p", "strict", "-l", str(tmp_path / "forwarders")]
    outcome = sent(zone, options=options, sender="bounce@list.example")
    assert outcome.ok
    assert not marked(outcome)
    reason = "list" if entry.startswith("from") else "forwarder"
    assert f"by {reason}" in results(outcome)[0]


@pytest.mark.parametrize(
    ("entry", "sender", "believed"),
    [
        ("from:bounces@list.example", "Bounces@list.example", True),
        ("from:bounces@list.example", "other@list.example", False),
        ("from:postmaster@list.example", "bounces@list.example", False),
        ("from:bounces@", "bounces@list.example", True),
        ("from:postmaster@", "bounces@list.example", False),
        ("from:@list.example", "bounces@list.example", True),
        ("from:.example", "bounces@list.example", True),
        ("from:bounces@list.example", "bounces@example.net", False),
    ],
)
def test_a_listed_sender_is_believed_where_spf_passes_for_it(
    tmp_path: Path, entry: str, sender: str, believed: bool
) -> None:
    (tmp_path / "forwarders").write_text(entry + "\n")
    zone = {**dmarc("p=reject"), ("list.example", "TXT"): [b"v=spf1 ip4:192.0.2.1 -all"]}
    outcome = sent(zone, options=["-p", "strict", "-l", str(tmp_path / "forwarders")], sender=sender)
    assert outcome.ok is believed


@pytest.mark.parametrize(("entry", "believed"), [("from:example.org", True), ("from:postmaster@example.org", False)])
def test_a_signature_is_of_a_domain_and_of_no_address_in_it(tmp_path: Path, entry: str, believed: bool) -> None:
    (tmp_path / "forwarders").write_text(entry + "\n")
    resigned = signed(header=HEADER.replace(b"alice@example.org", b"jane@example.com"))
    zone = {**dmarc("p=reject", "example.com"), **keys()}
    assert sent(zone, resigned, options=["-p", "strict", "-l", str(tmp_path / "forwarders")]).ok is believed


def test_a_listed_list_whose_spf_anybody_passes_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "forwarders").write_text("from:evil.example\n")
    assert marked(sent(dmarc("p=reject"), options=["-l", str(tmp_path / "forwarders")]))


DEAD = {
    ("_dmarc.example.org", "TXT"): Status.TEMPFAIL,
    ("evil.example", "TXT"): Status.TEMPFAIL,
    ("rsa._domainkey.example.org", "TXT"): Status.TEMPFAIL,
}


def test_no_name_server_answers_and_the_mail_goes_on() -> None:
    """X08."""
    outcome = sent(DEAD, signed())
    assert outcome.ok
    assert not marked(outcome)
    [said] = results(outcome)
    assert [word in said for word in ("spf=temperror", "dkim=temperror", "dmarc=temperror")] == [True] * 3


def test_no_name_server_answers_and_the_mail_is_put_off() -> None:
    """X08."""
    assert sent(DEAD, signed(), options=["-F", "tempfail"]).reply.startswith("451 4.7.1 ")
    only_spf = {**dmarc("p=reject"), ("example.org", "TXT"): Status.TEMPFAIL}
    assert sent(only_spf, options=["-F", "tempfail"], sender="a@example.org").reply.startswith("451 4.7.24 ")
    assert sent(DEAD, signed(), options=["-F", "reject"]).reply.startswith("550 5.7.1 ")


def test_nothing_is_put_off_where_the_answer_would_not_matter() -> None:
    """X09."""
    zone = {**DEAD, **dmarc("p=none")}
    assert sent(zone, signed(), options=["-F", "tempfail"]).ok
    assert sent(DEAD, signed(), options=["-F", "tempfail", "-p", "none"]).ok


def test_spf_fail_is_refused_where_the_author_has_no_record() -> None:
    """X10."""
    fails = {("evil.example", "TXT"): [b"v=spf1 -all"]}
    assert sent(fails, options=["-s"]).reply.startswith("550 5.7.23 ")
    assert sent(fails).ok
    assert sent({("evil.example", "TXT"): [b"v=spf1 ~all"]}, options=["-s"]).ok
    assert sent({**fails, **dmarc("p=reject"), **keys()}, signed(), options=["-s"]).ok


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"From: jane@example.org\r\nFrom: ceo@example.org\r\n",
        b"From: a@a.example, b@b.example, c@c.example, d@d.example, e@e.example\r\n",
    ],
)
def test_mail_without_a_usable_author_is_marked_or_refused(header: bytes) -> None:
    """F09, F10, F18, X12."""
    text = header + b"Subject: x\r\n\r\nhello\r\n"
    assert marked(sent(dmarc("p=reject"), text))
    assert sent(dmarc("p=reject"), text, options=["-u", "reject"]).reply.startswith("550 5.7.1 ")
    assert not marked(sent(dmarc("p=reject"), text, options=["-u", "none"]))


def test_observing_changes_nothing() -> None:
    """X11."""
    log: list[str] = []
    outcome = sent(dmarc("p=reject"), options=["-n", "-p", "strict"], log=log, sender="x@none.example")
    assert outcome.ok
    assert results(outcome) == []


def test_a_header_of_300_kb_is_refused_as_everywhere() -> None:
    """X13."""
    outcome = sent({}, b"From: a@example.org\r\nX-Long: " + b"\r\n x".join([b"y" * 900] * 340) + b"\r\n\r\nhello\r\n")
    assert outcome.reply.startswith("550 5.6.0 ")


def test_an_answer_is_given_in_time_whatever_the_dns_does() -> None:
    """X15: the key never comes; what else is known is used."""
    zone = {**dmarc("p=reject"), ("rsa._domainkey.example.org", "TXT"): Slow(1_000.0)}
    outcome = sent(zone, signed(), options=["-T", "4"])
    assert outcome.ok
    [said] = results(outcome)
    assert "spf=pass smtp.mailfrom=evil.example" in said
    assert "dkim=temperror" in said
    assert "dmarc=temperror" in said


@pytest.mark.parametrize("helo", ["[192.0.2.1]", "localhost"])
def test_a_null_sender_without_a_name_is_nobody(helo: str) -> None:
    """X16."""
    with Player(build([], Resolver(backend=FakeZone(dmarc("p=reject"))))) as player:
        client = connected(player)
        client.helo(helo)
        outcome = client.mail(PLAIN, sender="")
    assert "spf=none smtp.helo=" in results(outcome)[0]
    assert marked(outcome)


def test_failure_policies_of_unknown_answers() -> None:
    unknown = Found(Dmarc.TEMPERROR, "example.org", reason="x")
    actions = [rule(Facts(unknown), Options(), failure).action.value for failure in Failure]
    assert actions == ["accept", "tempfail", "reject"]
    assert rule(Facts(None), Options(unauthored=Unauthored.NONE)).action is Action.ACCEPT
