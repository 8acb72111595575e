"""Reports, beyond what is counted: many signatures, the policy of a public suffix, what becomes of a report."""

from __future__ import annotations

import json
from email import message_from_bytes
from email import policy as email_policy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from filter_api import bounds
from filter_api.dmarc.record import parse_record
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone
from filter_api.testing.player import Player
from filter_auth.filter import build
from filter_auth.reports.document import Report, Reporter
from filter_auth.reports.row import Row
from filter_auth.reports.writer import Writer
from filter_dkimsign.filter import build as build_dkimsign
from tests.dkim.crafted import GOOD, HEADER, crafted
from tests.filter_auth.mail import PLAIN, connected, dmarc, keys, marked, results
from tests.filter_auth.test_reports import SCHEMA, TODAY, counted, sent_to
from tests.filter_dkimsign.keyring import record, rsa_key, write_key
from tests.support.smtp_sink import SmtpSink


def test_p11_of_120_signatures_those_that_were_judged_are_told_the_authors_first(tmp_path: Path) -> None:
    other = crafted(GOOD.replace("d=example.org", "d=other.example")).partition(HEADER)[0]
    zone = {**dmarc("p=reject; rua=mailto:d@example.org"), **keys()}
    [(_, [(facts, count)])] = counted(tmp_path, zone, (other * 119 + crafted(), "x@evil.example"))
    assert count == 1
    assert len(facts["signatures"]) == 10
    assert facts["signatures"][0] == ["example.org", "rsa", "pass"]
    assert {tuple(each) for each in facts["signatures"][1:]} == {("other.example", "rsa", "permerror")}


def test_of_signatures_with_long_names_only_some_are_told_the_authors_first(tmp_path: Path) -> None:
    """A row has no more than `bounds.MAX_REPORT_ROW` characters, so a stranger fills neither memory nor disk."""
    long = [".".join([letter * 60] * 4) for letter in "abcdefghi"]
    others = b"".join(
        crafted(GOOD.replace("d=example.org", f"d={name}").replace("s=rsa", f"s={name}")).partition(HEADER)[0]
        for name in long
    )
    zone = {**dmarc("p=reject; rua=mailto:d@example.org"), **keys()}
    [(_, [(facts, _)])] = counted(tmp_path, zone, (others + crafted(), "x@evil.example"))
    assert facts["signatures"][0] == ["example.org", "rsa", "pass"]
    assert [name for name, _, _ in facts["signatures"][1:]] == long[:7]
    assert len(json.dumps(facts, separators=(",", ":"))) <= bounds.MAX_REPORT_ROW


@pytest.mark.parametrize("size", [100, 1_000, 4_000])
def test_rows_that_wait_for_the_store_are_bounded_by_their_text_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(bounds, "MAX_REPORT_PENDING_TEXT", 100_000)
    told: list[str] = []
    writer = Writer(str(tmp_path), told.append)  # a directory is no store
    for number in range(2_000):
        writer.note(1_700_000_000.0, Row("example.org", "v=DMARC1", f"{number:0{size}}", plain=True))
        writer.note(1_700_000_000.0, Row("example.org", "v=DMARC1", f"{0:0{size}}", plain=True))
    kept = 100_000 // (size + len("v=DMARC1"))
    assert len(writer._pending) == kept
    writer.start()
    writer.stop()
    assert told == [f"{tmp_path}: Is a directory; {2_000 - kept} messages are in no report"]
    assert len(writer._pending) == kept


TEXT = st.text(max_size=12)
DKIM = ["pass", "fail", "policy", "neutral", "temperror", "permerror"]
SPF = ["none", "pass", "fail", "softfail", "neutral", "temperror", "permerror"]
REASONS = ["local_policy", "mailing_list", "policy_test_mode", "trusted_forwarder"]
ANY_FACTS = st.fixed_dictionaries(
    {
        "ip": st.ip_addresses().map(str),
        "disposition": st.sampled_from(["pass", "none", "quarantine", "reject"]),
        "dkim": st.sampled_from(["pass", "fail"]),
        "spf": st.sampled_from(["pass", "fail"]),
        "reasons": st.lists(st.tuples(st.sampled_from(REASONS), TEXT), max_size=3),
        "header_from": TEXT,
        "envelope_from": TEXT,
        "signatures": st.lists(st.tuples(TEXT, TEXT, st.sampled_from(DKIM)), max_size=10),
        "checked": st.tuples(TEXT, st.sampled_from(SPF)),
    }
)
POLICIES = [
    "p=reject",
    "p=none; sp=quarantine; np=reject",
    "t=y; p=quarantine; adkim=s; aspf=s; psd=n",
    "rua=mailto:d@x.y",
]


@pytest.mark.daemon
@pytest.mark.skipif(not SCHEMA.exists(), reason="left out: the data in ../shared/auth is not here")
@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(ANY_FACTS, st.integers(1, 10**9)), min_size=1, max_size=5), st.sampled_from(POLICIES), TEXT)
def test_every_report_is_valid_by_the_schema(
    rows: list[tuple[dict[str, object], int]], policy: str, organization: str
) -> None:
    """Whatever strangers had written into a message."""
    policy_record = parse_record(f"v=DMARC1; {policy}; rua=mailto:d@example.org".encode())
    assert policy_record is not None
    written = [(json.dumps(facts), count) for facts, count in rows]
    made = Report(Reporter(organization, "dmarc@mx.example"), "example.org", policy_record, TODAY, written)
    schema = etree.XMLSchema(etree.parse(str(SCHEMA)))
    document = etree.fromstring(made.xml())
    assert schema.validate(document), schema.error_log


def test_p18_a_public_suffix_gets_aggregate_reports_and_never_one_of_a_message(tmp_path: Path) -> None:
    text = "p=none; psd=y; np=quarantine; rua=mailto:a@bank.example; ruf=mailto:f@bank.example; fo=1"
    zone = dmarc(text, "bank.example")
    message = PLAIN.replace(b"example.org", b"a.none.bank.example")
    [(day, [(facts, _)])] = counted(tmp_path, zone, (message, "x@evil.example"))
    assert (day.domain, facts["header_from"]) == ("bank.example", "a.none.bank.example")
    with SmtpSink() as sink:
        assert sent_to(tmp_path, zone, sink) == 0
        assert sink.recipients == ["a@bank.example"]
        (sent,) = sink.texts
    assert b"f@bank.example" not in sent
    assert message_from_bytes(sent, policy=email_policy.default).get_content_type() == "multipart/mixed"


def test_p15_the_report_itself_passes_dmarc_where_it_arrives(tmp_path: Path) -> None:
    """It goes through our own smtpd over loopback, where filter-dkimsign signs it: From is in a domain of ours."""
    policy = parse_record(b"v=DMARC1; p=none; rua=mailto:d@example.org")
    assert policy is not None
    facts = {"ip": "192.0.2.1", "disposition": "none", "dkim": "fail", "spf": "fail", "reasons": []}
    facts |= {"header_from": "example.org", "envelope_from": "", "signatures": [], "checked": ["", "none"]}
    made = Report(Reporter("Example", "dmarc@mx.example"), "example.org", policy, TODAY, [(json.dumps(facts), 3)])
    key = write_key(tmp_path / "key", rsa_key())
    with Player(build_dkimsign(["-d", "mx.example", "-s", "s", "-k", key])) as ours:
        client = ours.connect("127.0.0.1")
        client.helo("mx.example")
        left = client.mail(made.mail("d@example.org", 1_700_000_000.0), "d@example.org", sender="dmarc@mx.example")
    assert left.text.startswith(b"DKIM-Signature: v=1; a=rsa-sha256;")
    zone = {**dmarc("p=reject; adkim=s", "mx.example"), ("s._domainkey.mx.example", "TXT"): [record(rsa_key())]}
    with Player(build(["-p", "strict"], Resolver(backend=FakeZone(zone)))) as theirs:
        arrived = connected(theirs).mail(left.text, "d@example.org", sender="dmarc@mx.example")
    assert arrived.ok
    assert not marked(arrived)
    assert results(arrived)[0].endswith("dmarc=pass header.from=mx.example")
