"""Aggregate reports: what is counted, what the document says, where it goes (P rows of the table of cases)."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from email import message_from_bytes
from email import policy as email_policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from lxml import etree

from filter_api import bounds
from filter_api.dmarc.record import parse_record
from filter_api.net.dns import Resolver
from filter_api.testing.dns import Content, FakeZone, Slow
from filter_api.testing.player import Player
from filter_auth.filter import build
from filter_auth.reports.document import Report, Reporter
from filter_auth.reports.row import Row
from filter_auth.reports.store import Day, open_store
from filter_auth.reports.writer import Writer
from filter_auth.tool.report import report, store
from tests.filter_auth.mail import PLAIN, STRANGER, connected, dmarc, keys, signed
from tests.filter_auth.test_arc_override import PASSED, sealed
from tests.filter_dkimsign.keyring import record, rsa_key
from tests.support.smtp_sink import SmtpSink

SCHEMA = Path(__file__).resolve().parents[3] / "shared/auth/dmarc-xml/dmarc-xml-0.2.xsd"
Zone: TypeAlias = "Mapping[tuple[str, str], Content | Slow]"
RUA = "rua=mailto:d@example.org"
TODAY = 1_700_000_000 // 86_400
TOMORROW = (TODAY + 1) * 86_400.0 + 3_600
NAMESPACE = "{urn:ietf:params:xml:ns:dmarc-2.0}"
REPORTER = Reporter("Example & Sons", "dmarc@mx.example")


def counted(
    path: Path, zone: Zone, *messages: tuple[bytes, str], options: Sequence[str] = (), to: str = "bob@example.org"
) -> list[tuple[Day, list[tuple[dict[str, Any], int]]]]:
    """What the store has after these messages, each with its sender."""
    arguments = ["-f", str(path / "store"), *options]
    with Player(build(arguments, Resolver(backend=FakeZone({**STRANGER, **zone})))) as player:
        client = connected(player)
        for text, sender in messages:
            client.mail(text, to, sender=sender)
    return stored(path)


def stored(path: Path) -> list[tuple[Day, list[tuple[dict[str, Any], int]]]]:
    with closing(open_store(str(path / "store"))) as opened:
        return [
            (day, [(json.loads(facts), count) for facts, count in opened.rows(day.day, day.record)])
            for day in opened.days()
        ]


def test_equal_messages_are_one_row_and_another_disposition_is_another(tmp_path: Path) -> None:
    """P05, P19."""
    zone = {**dmarc(f"p=reject; {RUA}"), **keys()}
    forged, good = (PLAIN, "x@evil.example"), (signed(), "x@evil.example")
    [(day, rows)] = counted(tmp_path, zone, *[forged] * 20, *[good] * 3)
    assert (day.day, day.domain, day.messages, day.plain) == (TODAY, "example.org", 23, 23)
    assert sorted((facts["disposition"], facts["dkim"], facts["spf"], count) for facts, count in rows) == [
        ("pass", "pass", "fail", 3),
        ("quarantine", "fail", "fail", 20),
    ]


@pytest.mark.parametrize(
    ("record", "options", "disposition", "reasons"),
    [
        ("p=reject", (), "quarantine", [["local_policy", ""]]),
        ("p=reject", ("-p", "strict"), "reject", []),
        ("p=reject; t=y", (), "quarantine", [["policy_test_mode", ""]]),
        ("p=none", (), "none", []),
        ("p=quarantine", (), "quarantine", []),
        ("p=quarantine", ("-p", "none"), "none", [["local_policy", ""]]),
    ],
)
def test_what_was_done_and_why_it_was_not_what_was_asked_for(
    tmp_path: Path, record: str, options: tuple[str, ...], disposition: str, reasons: list[list[str]]
) -> None:
    """P07, P19."""
    [(_, [(facts, _)])] = counted(tmp_path, dmarc(f"{record}; {RUA}"), (PLAIN, "x@evil.example"), options=options)
    assert (facts["disposition"], facts["reasons"]) == (disposition, reasons)


@pytest.mark.parametrize(("entry", "kind"), [("192.0.2.1", "trusted_forwarder"), ("from:list.example", "mailing_list")])
def test_forwarders_and_lists_are_told(tmp_path: Path, entry: str, kind: str) -> None:
    """P07, X04."""
    (tmp_path / "forwarders").write_text(entry + "\n")
    zone = {**dmarc(f"p=reject; {RUA}"), ("list.example", "TXT"): [b"v=spf1 ip4:192.0.2.1 -all"]}
    options = ["-l", str(tmp_path / "forwarders")]
    [(_, [(facts, _)])] = counted(tmp_path, zone, (PLAIN, "b@list.example"), options=options)
    assert (facts["disposition"], facts["reasons"]) == ("none", [[kind, ""]])


def test_an_override_by_arc_names_the_sealers(tmp_path: Path) -> None:
    """C01, P07."""
    (tmp_path / "sealers").write_text("list.example\n")
    zone = {**dmarc(f"p=reject; {RUA}"), ("s._domainkey.list.example", "TXT"): [record(rsa_key())]}
    message = (sealed(PLAIN, b"list.example", PASSED), "x@no.example")
    [(_, [(facts, _)])] = counted(tmp_path, zone, message, options=["-c", str(tmp_path / "sealers")])
    told = "arc=pass as[1].d=list.example as[1].s=s"
    assert (facts["disposition"], facts["reasons"]) == ("none", [["local_policy", told]])


def test_the_null_sender_has_no_envelope_from(tmp_path: Path) -> None:
    """P06."""
    [(_, [(facts, _)])] = counted(tmp_path, dmarc(f"p=none; {RUA}"), (PLAIN, ""))
    assert (facts["envelope_from"], facts["checked"]) == ("", ["client.example.net", "none"])


def test_reports_and_bounces_to_our_own_address_are_in_no_report(tmp_path: Path) -> None:
    """P08."""
    with closing(open_store(str(tmp_path / "store"))) as opened:
        opened.address = "dmarc@mx.example"
    filter_ = build(["-f", str(tmp_path / "store")], Resolver(backend=FakeZone(dmarc(f"p=none; {RUA}"))))
    with Player(filter_) as player:
        assert filter_._writer is not None
        for _ in range(500):
            if filter_._writer.address:
                break
            threading.Event().wait(0.01)
        connected(player).mail(PLAIN, "Dmarc@MX.example", sender="")
    assert stored(tmp_path) == []


def test_a_day_of_refused_mail_and_reports_alone_makes_no_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """P09: they are counted, and told when there is something else."""
    zone = {**dmarc(f"p=reject; {RUA}"), **keys()}
    theirs = signed().replace(b"Subject: test", b"Subject: Report Domain: example.net Submitter: x.example")
    [(day, _)] = counted(tmp_path, zone, (PLAIN, "x@no.example"), (theirs, "x@evil.example"), options=["-p", "strict"])
    assert (day.messages, day.plain) == (2, 0)
    assert listed(tmp_path, zone) == 0
    assert capsys.readouterr().out == ""
    counted(tmp_path, zone, (signed(), "x@evil.example"), options=["-p", "strict"])
    listed(tmp_path, zone)
    assert capsys.readouterr().out.endswith("example.org to d@example.org: 3 messages in 3 rows\n")


@pytest.mark.parametrize("options", [("-n",), ("-N", "192.0.2.0/24")])
def test_who_only_observes_and_who_is_ours_adds_nothing(tmp_path: Path, options: tuple[str, ...]) -> None:
    """X11."""
    assert counted(tmp_path, dmarc(f"p=none; {RUA}"), (PLAIN, "x@evil.example"), options=options) == []


def test_nothing_is_kept_for_domains_that_want_no_reports(tmp_path: Path) -> None:
    assert counted(tmp_path, dmarc("p=reject"), (PLAIN, "x@evil.example")) == []


def test_a_record_that_changes_at_noon_makes_two_reports(tmp_path: Path) -> None:
    """P12."""
    counted(tmp_path, dmarc(f"p=none; {RUA}"), (PLAIN, "x@evil.example"))
    days = counted(tmp_path, dmarc(f"p=reject; {RUA}"), (PLAIN, "x@evil.example"))
    assert [day.domain for day, _ in days] == ["example.org", "example.org"]
    made = []
    for day, _ in days:
        record = parse_record(day.text.encode())
        assert record is not None
        made.append(Report(REPORTER, day.domain, record, day.day, []))
    assert len({each.report_id for each in made}) == len({each.filename for each in made}) == 2


def test_two_filters_on_one_store_count_right(tmp_path: Path) -> None:
    """P17."""
    told: list[str] = []
    writers = [Writer(str(tmp_path / "store"), told.append) for _ in range(2)]
    rows = [Row("example.org", "v=DMARC1; p=none", json.dumps({"n": number}), True) for number in range(50)]
    for writer in writers:
        writer.start()
        for row in rows * 10:
            writer.note(1_700_000_000.0, row)
    for writer in writers:
        writer.stop()
    assert told == []
    [(day, counts)] = stored(tmp_path)
    assert day.messages == 1_000
    assert {count for _, count in counts} == {20}


def test_a_store_that_cannot_be_written_costs_no_mail_and_is_told_once(tmp_path: Path) -> None:
    """P16."""
    filter_ = build(["-f", str(tmp_path)], Resolver(backend=FakeZone(dmarc(f"p=none; {RUA}"))))
    with Player(filter_) as player:
        client = connected(player)
        assert all(client.mail(PLAIN, sender="x@evil.example").ok for _ in range(5))
        assert filter_._writer is not None
        filter_._writer.stop()
        player.loop.run_until_complete(_turn())
        assert [line for line in player.log if "Is a directory" in line] == [f'store why="{tmp_path}: Is a directory"']


async def _turn() -> None:
    return None


def test_rows_are_bounded_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_REPORT_ROWS", 5)
    monkeypatch.setattr(bounds, "MAX_REPORT_ROWS_A_DAY", 8)
    with closing(open_store(str(tmp_path / "store"))) as opened:
        for domain in ("a.example", "b.example", "c.example"):
            for number in range(7):
                opened.add(100, Row(domain, "v=DMARC1", json.dumps(number), True), 1)
        assert [(day.domain, day.messages, day.rows) for day in opened.days()] == [
            ("a.example", 7, 5),
            ("b.example", 7, 3),
        ]
        opened.forget(104, proven=True)
        assert opened.days() == []


def made(facts: Mapping[str, object], text: bytes = b"v=DMARC1; p=reject; np=none; aspf=s; t=y") -> Report:
    record = parse_record(text)
    assert record is not None
    return Report(REPORTER, "example.org", record, TODAY, [(json.dumps(facts), 3)])


FACTS = {
    "ip": "2001:db8::1",
    "disposition": "quarantine",
    "dkim": "fail",
    "spf": "fail",
    "reasons": [["local_policy", "arc=pass as[1].d=list.example"], ["policy_test_mode", ""]],
    "header_from": 'a<&>".example\x01',
    "envelope_from": "",
    "signatures": [["esp.example", "s<1>\x00", "pass"]],
    "checked": ["esp.example", "softfail"],
}


@pytest.mark.daemon
@pytest.mark.skipif(not SCHEMA.exists(), reason="left out: the data in ../shared/auth is not here")
@pytest.mark.parametrize("facts", [FACTS, {**FACTS, "signatures": [], "checked": ["", "none"], "reasons": []}])
def test_a_report_is_valid_by_the_schema(facts: Mapping[str, object]) -> None:
    """P10."""
    schema = etree.XMLSchema(etree.parse(str(SCHEMA)))
    document = etree.fromstring(made(facts).xml())
    assert schema.validate(document), schema.error_log


def test_the_document_says_what_was_published() -> None:
    """P14: where the record was found, how, and t= and np=."""
    document = etree.fromstring(made(FACTS).xml())
    published = {each.tag.removeprefix(NAMESPACE): each.text for each in document.find(f"{NAMESPACE}policy_published")}
    assert published == {
        "domain": "example.org",
        "p": "reject",
        "sp": "reject",
        "np": "none",
        "adkim": "r",
        "aspf": "s",
        "discovery_method": "treewalk",
        "testing": "y",
    }
    assert document.findtext(f".//{NAMESPACE}header_from") == 'a<&>".example?'


def test_the_mail_has_the_form_of_the_rfc_and_is_the_same_each_time() -> None:
    """P13, P15."""
    first, again = made(FACTS).mail("d@example.org", 1.0), made(FACTS)
    mail = message_from_bytes(first, policy=email_policy.default)
    assert isinstance(mail, EmailMessage)
    subject = r"Report Domain: example\.org Submitter: mx\.example Report-ID: <[a-z0-9]+@mx\.example>"
    assert re.fullmatch(subject, str(mail["Subject"]))
    assert (mail["Auto-Submitted"], mail["From"], mail["To"]) == ("auto-generated", "dmarc@mx.example", "d@example.org")
    [attached] = mail.iter_attachments()
    begin = TODAY * 86_400
    assert re.fullmatch(
        rf"mx\.example!example\.org!{begin}!{begin + 86_399}![a-z0-9]+\.xml\.gz", attached.get_filename() or ""
    )
    assert attached.get_content_type() == "application/gzip"
    assert gzip.decompress(attached.get_content()) == again.xml()
    assert again.compressed() == attached.get_content()
    assert max(map(len, first.split(b"\r\n"))) < 998


def listed(path: Path, zone: Zone, *more: str, now: float = TOMORROW) -> int:
    arguments = ["-e", "dmarc@mx.example", "-O", "Example", "-f", str(path / "store"), "-n", *more]
    return report(arguments, Resolver(backend=FakeZone(zone)), now)


def sent_to(path: Path, zone: Zone, sink: SmtpSink, now: float = TOMORROW) -> int:
    arguments = ["-e", "dmarc@mx.example", "-O", "Example", "-f", str(path / "store"), "-S", f"127.0.0.1:{sink.port}"]
    return report(arguments, Resolver(backend=FakeZone(zone)), now)


CONFIRMS = "example.org._report._dmarc.ext.example"
IDN = "d@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("rua", "zone", "recipients"),
    [
        ("mailto:a@example.org,mailto:b@mail.example.org", {}, ["a@example.org", "b@mail.example.org"]),
        ("mailto:d@ext.example", {}, []),
        ("mailto:d@ext.example", {"example.org._report._dmarc.ext.example": "v=DMARC1"}, ["d@ext.example"]),
        (
            "mailto:d@ext.example",
            {"example.org._report._dmarc.ext.example": "v=DMARC1; rua=mailto:e@ext.example"},
            ["e@ext.example"],
        ),
        (
            "mailto:d@ext.example",
            {"example.org._report._dmarc.ext.example": "v=DMARC1; rua=mailto:e@other.example"},
            [],
        ),
        ("mailto:d@example.org!10m", {}, ["d@example.org"]),
        ("mailto:d@example.org!10m,mailto:d@Example.ORG,mailto:D@example.org", {}, ["d@example.org", "D@example.org"]),
        (
            "mailto:a@ext.example,mailto:b@ext.example",
            {CONFIRMS: "v=DMARC1;rua=mailto:e@ext.example"},
            ["e@ext.example"],
        ),
        ("mailto:d@ext.example", {CONFIRMS: "v=spf1 -all"}, []),
        ("mailto:d@ext.example", {CONFIRMS: "v=DMARC1; rua=nonsense"}, ["d@ext.example"]),
        ("mailto:d@ext.example", {CONFIRMS: "v=DMARC1; rua=https://other.example/"}, []),
        ("mailto:d@ext.example", {CONFIRMS: "v=DMARC1; rua=https://ext.example/"}, []),
        (
            "mailto:d@ext.example",
            {CONFIRMS: "v=DMARC1; rua=https://EXT.example/,mailto:e@ext.example"},
            ["e@ext.example"],
        ),
        ("mailto:d@ext.example", {CONFIRMS: "v=DMARC1; rua=mailto:e@ext.example,https://[bad/"}, []),
        ("mailto:d@ext.example", {CONFIRMS: "v=DMARC1; rua=mailto:e@mail.ext.example"}, []),
        ("mailto:d@b%C3%BCcher.example", {"example.org._report._dmarc.xn--bcher-kva.example": "v=DMARC1"}, [IDN]),
        ("mailto:d@b\u00fccher.example", {"example.org._report._dmarc.xn--bcher-kva.example": "v=DMARC1"}, []),
        ("https://example.org/", {}, []),
        ("mailto:a%0d%0ab@example.org,nonsense,mailto:c@example.org", {}, ["c@example.org"]),
    ],
)
def test_where_a_report_goes(tmp_path: Path, rua: str, zone: dict[str, str], recipients: list[str]) -> None:
    """P01 to P04."""
    content = {**dmarc(f"p=none; rua={rua}"), **{(name, "TXT"): [text.encode()] for name, text in zone.items()}}
    counted(tmp_path, content, (PLAIN, "x@evil.example"))
    with SmtpSink() as sink:
        assert sent_to(tmp_path, content, sink) == 0
        assert sink.recipients == recipients
        assert sent_to(tmp_path, content, sink) == 0
        assert sink.recipients == recipients  # once each


def test_a_report_that_is_put_off_comes_again_with_its_name_until_it_is_given_up(tmp_path: Path) -> None:
    """P13."""
    zone = dmarc(f"p=none; {RUA}")
    counted(tmp_path, zone, (PLAIN, "x@evil.example"))
    with SmtpSink(reply="451 4.3.0 later") as sink:
        assert sent_to(tmp_path, zone, sink) == 1
        assert sent_to(tmp_path, zone, sink, TOMORROW + 86_400) == 1
        first, second = (message_from_bytes(text, policy=email_policy.default) for text in sink.texts)
        assert (first["Subject"], first["Message-ID"]) == (second["Subject"], second["Message-ID"])
        names = [part.get_filename() for mail in (first, second) for part in mail.walk() if part.get_filename()]
        assert len(names) == 2
        assert names[0] == names[1]
        assert sent_to(tmp_path, zone, sink, TOMORROW + 2 * 86_400) == 0
        assert len(sink.texts) == 2


def test_a_report_that_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    zone = dmarc(f"p=none; {RUA}")
    counted(tmp_path, zone, (PLAIN, "x@evil.example"))
    with SmtpSink(reply="550 5.1.1 no such user") as sink:
        assert sent_to(tmp_path, zone, sink) == 0
        assert sent_to(tmp_path, zone, sink) == 0
        assert len(sink.texts) == 1


HELO = {b"EHLO": b"550 5.7.1 no", b"HELO": b"550 5.7.1 no"}


@pytest.mark.parametrize(
    ("says", "status"),
    [
        ({b"": b"554 5.3.2 no service"}, 1),
        ({b"": b"421 4.3.2 busy"}, 1),
        ({b"": b"x" * 10_000}, 1),
        (HELO, 1),
        ({b"MAIL": b"550 5.7.1 not you"}, 1),
        ({b"MAIL": b"451 4.7.1 later"}, 1),
        ({b"RCPT": b"450 4.2.0 later"}, 1),
        ({b"DATA": b"452 4.3.1 full"}, 1),
        ({b"RCPT": b"550 5.1.1 no such user"}, 0),
        ({b"DATA": b"554 5.7.1 never"}, 0),
    ],
)
def test_only_the_refusal_of_a_recipient_or_a_report_is_for_good(
    tmp_path: Path, says: dict[bytes, bytes], status: int
) -> None:
    """What our own smtpd has against us it may take back when it is set right."""
    zone = dmarc(f"p=none; {RUA}")
    counted(tmp_path, zone, (PLAIN, "x@evil.example"))
    with SmtpSink(says=says) as sink:
        assert sent_to(tmp_path, zone, sink) == status
    with SmtpSink() as sink:
        assert sent_to(tmp_path, zone, sink) == 0
        assert len(sink.texts) == status


def test_a_day_that_is_not_over_is_not_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counted(tmp_path, dmarc(f"p=none; {RUA}"), (PLAIN, "x@evil.example"))
    assert listed(tmp_path, {}, now=1_700_000_000.0) == 0
    assert capsys.readouterr().out == ""


def test_files_are_written_instead_and_the_store_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counted(tmp_path, dmarc(f"p=none; {RUA}"), (PLAIN, "x@evil.example"))
    assert listed(tmp_path, {}, "-o", str(tmp_path)) == 0
    [path] = tmp_path.glob("*.xml.gz")
    assert gzip.decompress(path.read_bytes()).startswith(b"<?xml")
    capsys.readouterr()
    assert store(["-f", str(tmp_path / "store")]) == 0
    assert capsys.readouterr().out == "2023-11-14 example.org: 1 messages in 1 rows\n"


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"no database at all, and long enough to be read as one" * 30)
    told: list[str] = []
    writer = Writer(str(tmp_path / "store"), told.append)
    writer.start()
    writer.stop()
    assert told == [f"{tmp_path / 'store'}: file is not a database, move the file away: the filter makes a new one"]
