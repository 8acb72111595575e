"""Reports where things go wrong: a damaged store, one in use, names as long as names can be, strange addresses."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from email import message_from_bytes
from email import policy as email_policy
from pathlib import Path

import pytest

from filter_api.dmarc.record import parse_record
from filter_api.errors import ConfigError, UsageError
from filter_api.net.dns import Resolver, Status
from filter_api.testing.dns import FakeZone
from filter_auth.reports.destinations import address_of
from filter_auth.reports.document import Report, Reporter
from filter_auth.reports.row import Row
from filter_auth.reports.store import Store, open_store
from filter_auth.reports.writer import Writer
from filter_auth.tool.report import report, store

FACTS = (
    '{"ip":"192.0.2.1","disposition":"none","dkim":"fail","spf":"fail","reasons":[],"header_from":"example.org",'
    '"envelope_from":"","signatures":[["esp.example","s","pass"]],"checked":["","none"]}'
)
RECORD = "v=DMARC1; p=none; rua=mailto:d@example.org"
LABEL = "a" * 60


def filled(path: Path, rows: int = 100) -> str:
    with closing(open_store(str(path))) as opened:
        for number in range(rows):
            opened.add(19_000, Row("example.org", RECORD, f'{{"ip": "{number}"}}', plain=True), 1)
        opened.commit()
    return str(path)


@pytest.mark.parametrize(
    ("domain", "ours"),
    [
        ("example.org", "mx.example"),
        (f"{LABEL}.example.org", "mx.example"),
        ("example.org", f"{LABEL}.{LABEL}.example"),
        (f"{LABEL}.{LABEL}.{LABEL}.{LABEL}.org", f"{LABEL}.{LABEL}.{LABEL}.{LABEL}.org"),
    ],
)
def test_the_subject_and_the_file_name_stand_in_the_mail_as_the_grammar_has_them(domain: str, ours: str) -> None:
    """Not as encoded words, and not as filename*0*=, which readers of reports do not take apart."""
    record = parse_record(RECORD.encode())
    assert record is not None
    made = Report(Reporter("Example", f"dmarc@{ours}"), domain, record, 19_000, [])
    mail = made.mail(f"d@{domain}", 1_700_000_000.0)
    head = mail.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")
    assert f"Subject: Report Domain: {domain} Submitter: {ours} Report-ID: <{made.report_id}>" in head
    assert f'filename="{ours}!{domain}!1641600000!1641686399!{made.unique}.xml.gz"'.encode() in mail
    assert b"=?" not in mail
    assert max(map(len, mail.split(b"\r\n"))) < 998
    (attached,) = message_from_bytes(mail, policy=email_policy.default).iter_attachments()
    assert attached.get_content() == made.compressed()


@pytest.mark.parametrize(
    "uri",
    [
        "mailto:d@example..org",
        "mailto:.@example.org",
        "mailto:d..e@example.org",
        "mailto:d@-example.org",
        "mailto:d@.",
        "mailto:d@example.org%0d%0aBcc:x@evil.example",
        "mailto:d%20e@example.org",
        "mailto:%3Cd@example.org%3E",
        f"mailto:{'d' * 65}@example.org",
    ],
)
def test_what_is_no_address_gets_no_report(uri: str) -> None:
    assert address_of(uri) == ""


def test_addresses_of_all_lawful_shapes_do() -> None:
    uris = ["mailto:d@example.org", "MAILTO:d.e+f=g@a.b.example!10m", "mailto:d%2Be@example.org?subject=x"]
    assert list(map(address_of, uris)) == ["d@example.org", "d.e+f=g@a.b.example", "d+e@example.org"]


def test_a_store_whose_pages_are_damaged_is_told_with_a_remedy(tmp_path: Path) -> None:
    path = Path(filled(tmp_path / "store"))
    content = path.read_bytes()
    path.write_bytes(content[:4_096] + b"\xff" * (len(content) - 4_096))
    message = "store: database disk image is malformed, move the file away"
    with pytest.raises(ConfigError, match=message):
        store(["-f", str(path)])
    with pytest.raises(ConfigError, match=message):
        report(["-e", "d@mx.example", "-O", "x", "-f", str(path)])


def test_so_is_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"From joe\n" * 1_000)
    with pytest.raises(ConfigError, match="store: file is not a database, move the file away"):
        store(["-f", str(tmp_path / "store")])


def test_a_store_that_another_holds_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filter_auth.reports.store._PATIENCE", 0.05)
    path = filled(tmp_path / "store")
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConfigError, match="store: database is locked"):
            report(["-e", "d@mx.example", "-O", "x", "-f", path])


@pytest.mark.parametrize("fresh", [True, False])
def test_several_processes_that_begin_with_the_same_store_at_once_wait_for_each_other(
    tmp_path: Path, fresh: bool
) -> None:
    """Threads here, each with a connection of its own: as one, they make the file and add the same new record."""
    together = threading.Barrier(4)

    def write(path: str) -> None:
        together.wait()
        with closing(open_store(path)) as opened:
            for number in range(3):
                opened.add(19_000, Row("example.com", RECORD, f'{{"ip": "{number}"}}', plain=True), 1)
            opened.commit()

    for number in range(20):
        path = str(tmp_path / f"store{number}") if fresh else filled(tmp_path / f"store{number}", 1)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, [path] * 4))
        with closing(open_store(path)) as opened:
            assert [(day.messages, day.rows) for day in opened.days() if day.domain == "example.com"] == [(12, 3)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("example.org._report._dmarc.ext.example", "TXT"),
        ("_dmarc.ext.example", "TXT"),
        ("_dmarc.example", "TXT"),
        ("_dmarc.org", "TXT"),
    ],
)
def test_a_report_whose_destination_cannot_be_confirmed_now_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    with closing(open_store(str(tmp_path / "store"))) as opened:
        record = "v=DMARC1; p=none; rua=mailto:d@ext.example"
        opened.add(19_000, Row("example.org", record, FACTS, plain=True), 1)
        opened.commit()
    arguments = ["-e", "d@mx.example", "-O", "x", "-f", str(tmp_path / "store"), "-S", "127.0.0.1:9"]
    silent = Resolver(backend=FakeZone({(name, kind): Status.TEMPFAIL}))
    assert report(arguments, silent, 19_001 * 86_400.0 + 3_600) == 1
    assert "to d@ext.example: later, DNS does not answer for " in capsys.readouterr().out
    assert report([*arguments, "-n"], silent, 19_001 * 86_400.0 + 3_600) == 0


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_who_reports_has_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="-O takes the name"):
        report(["-e", "d@mx.example", "-O", name, "-f", filled(tmp_path / "store")])


@pytest.mark.parametrize("domain", ["b\u00fccher.example", "B\u00dcCHER.example.", "XN--bcher-kva.example"])
def test_one_domain_is_chosen_however_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], domain: str
) -> None:
    with closing(open_store(filled(tmp_path / "store"))) as opened:
        record = RECORD.replace("example.org", "xn--bcher-kva.example")
        opened.add(19_000, Row("xn--bcher-kva.example", record, FACTS, plain=True), 1)
        opened.commit()
    arguments = ["-e", "d@mx.example", "-O", "x", "-f", str(tmp_path / "store"), "-n", "-D", domain]
    assert report(arguments, Resolver(backend=FakeZone({})), 19_001 * 86_400.0) == 0
    assert capsys.readouterr().out == (
        "2022-01-08 xn--bcher-kva.example to d@xn--bcher-kva.example: 1 messages in 1 rows\n"
    )


def steps(path: str, domains: int) -> int:
    """Steps of SQLite, in thousands, for one row each of so many new domains."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    with closing(sqlite3.connect(path)) as database:
        database.set_progress_handler(count, 1_000)
        opened = Store(database)
        for number in range(domains):
            opened.add(19_000, Row(f"d{number}.example", RECORD, "{}", plain=True), 1)
    return taken


def test_a_day_of_many_domains_is_counted_once_and_not_for_each_of_them(tmp_path: Path) -> None:
    """A stranger who thinks up domains would keep the store locked, and other filters could not write."""
    path = filled(tmp_path / "store", 5_000)
    assert steps(path, 1) >= 5
    assert steps(path, 50) < 3 * steps(path, 1)


def test_the_writer_outlives_what_nobody_foresaw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    calls = iter([ZeroDivisionError("odd"), None, None, None, None])

    def add(self: Store, *arguments: object) -> None:
        error = next(calls)
        if error is not None:
            raise error

    monkeypatch.setattr("filter_auth.reports.writer.INTERVAL", 0.01)
    monkeypatch.setattr(Store, "add", add)
    writer = Writer(str(tmp_path / "store"), told.append)
    writer.start()
    writer.note(1_700_000_000.0, Row("example.org", RECORD, FACTS, plain=True))
    until = time.monotonic() + 10
    while writer._pending or not told:
        assert time.monotonic() < until
        time.sleep(0.01)
    writer.stop()
    assert told == ["odd"]
