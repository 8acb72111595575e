"""filter-auth before filter-clamav and filter-spamassassin under real daemons: who is marked, refused, believed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from filter_auth.reports.row import Row
from filter_auth.reports.store import open_store
from tests.dkim.crafted import HEADER, NAME
from tests.filter_auth.mail import signed
from tests.filter_auth.test_arc_override import PASSED, sealed
from tests.filter_dkimsign.keyring import record, rsa_key
from tests.smtpd.test_spf import text
from tools.private_smtpd import Smtpd, Trouble, Unavailable, Zone
from tools.private_smtpd.backends import FOLDER, start_clamd, start_spamd
from tools.private_smtpd.client import Client

OURS, STRANGER, HONEST = "198.51.100.5", "192.0.2.66", "203.0.113.50"
CHAIN, REFUSING, IMPATIENT, MEMBERS = 25, 2501, 2502, 2503
USERS = ("alice", "bob", "carol", "dora", "erin", "fred", "gina", "hank")
KEY = record(rsa_key()).decode("ascii")
ZONE: Zone = {
    HONEST: "mx.honest.example",
    "mx.honest.example": [f"A {HONEST}"],
    "honest.example": [text(f"v=spf1 ip4:{HONEST} -all")],
    NAME: [text(KEY)],
    "s._domainkey.list.example": [text(KEY)],
    "_dmarc.example.org": [text("v=DMARC1; p=reject")],
    "_dmarc.silent.example": Trouble.DROP,
    "silent.example": Trouble.DROP,
    "rsa._domainkey.silent.example": Trouble.DROP,
    "_dmarc.truncated.example": Trouble.TRUNCATED,
    "_dmarc.lies.example": [text("v=DMARC1; p=reject"), text("v=DMARC1; p=none")],
}
START = 'listen on 0.0.0.0\naction "local" maildir\nmatch from any for domain "example.net" action "local"\n'
SCANNERS = f"""
filter "clamav" proc-exec "filter-clamav -h -a {FOLDER}/clamd.sock"
filter "spamassassin" proc-exec "filter-spamassassin -a {FOLDER}/spamd.sock"
"""
CONFIG = f"""
filter "auth" proc-exec "filter-auth -c /etc/mail/sealers -N {OURS}"
filter "refusing" proc-exec "filter-auth -p reject"
filter "impatient" proc-exec "filter-auth -T 3 -F tempfail"
filter "members" proc-exec "filter-chain auth -p reject -- clamav -h -a {FOLDER}/clamd.sock \\
    -- spamassassin -a {FOLDER}/spamd.sock"
{SCANNERS}
listen on 0.0.0.0 port {CHAIN} filter {{ "auth", "clamav", "spamassassin" }} hostname mx.example.org
listen on 0.0.0.0 port {REFUSING} filter {{ "refusing", "clamav", "spamassassin" }} hostname mx.example.org
listen on 0.0.0.0 port {IMPATIENT} filter "impatient" hostname mx.example.org
listen on 0.0.0.0 port {MEMBERS} filter "members" hostname mx.example.org
listen on socket filter "auth"
action "local" maildir junk
match from any for domain "example.net" action "local"
"""
FORGED = HEADER + b"\r\nhello\r\nworld\r\n"


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    files: dict[str, str | bytes] = {"/etc/mail/sealers": "list.example\n"}
    with Smtpd(version, START, zone=ZONE, users=USERS, files=files) as running:
        try:
            start_clamd(running.room)
            start_spamd(running.room, configuration="required_score 100\n")
        except Unavailable as error:
            pytest.skip(str(error))
        running.restart(CONFIG)
        yield running
        assert running.alive(), running.log()[-8000:]
        assert "Traceback" not in running.log()


def send(smtpd: Smtpd, message: bytes, to: str, *, port: int = CHAIN, source: str = STRANGER, sender: str = "") -> str:
    with smtpd.client(source, port=port, timeout=60) as client:
        return str(client.deliver(message, sender or "x@none.example", f"{to}@example.net"))


def results(message: bytes) -> list[str]:
    head = message.partition(b"\n\n")[0].decode("latin-1").replace("\n\t", " ")
    return re.findall(r"(?m)^Authentication-Results: (.*)$", head)


def test_signed_mail_is_delivered_with_one_field_on_top(smtpd: Smtpd) -> None:
    forged = (
        b"Authentication-Results: mx.example.org; dmarc=pass\r\nAuthentication-Results: other.example; spf=pass\r\n"
    )
    assert send(smtpd, forged + signed(), "alice", source=HONEST, sender="a@honest.example").startswith("250")
    (message,) = smtpd.wait_mail("alice")
    ours, theirs = results(message)
    assert ours.startswith("mx.example.org; ")
    assert "spf=pass smtp.mailfrom=honest.example; dkim=pass header.d=example.org header.s=rsa" in ours
    assert ours.endswith("arc=none; dmarc=pass header.from=example.org")
    assert theirs == "other.example; spf=pass"
    assert message.index(b"Authentication-Results: mx.example.org") < message.index(b"Received: ")
    assert b"X-Virus-Status: Clean\n" in message
    assert b"\nX-Spam-Status: " in message


def test_forged_mail_is_filed_into_junk_and_keeps_its_mark_behind_the_scanners(smtpd: Smtpd) -> None:
    """X07."""
    assert send(smtpd, FORGED, "bob").startswith("250")
    (message,) = smtpd.wait_mail("bob", 1, ".Junk")
    assert b"\nX-Spam: yes\n" in message
    assert b"\nX-Spam-Status: " in message
    assert 'dmarc=fail reason="p=reject, marked"' in results(message)[0]


@pytest.mark.parametrize("port", [REFUSING, MEMBERS])
def test_what_nothing_vouches_for_is_refused_and_what_a_list_sent_is_marked(smtpd: Smtpd, port: int) -> None:
    """X05, L23; as a process of its own and as a member of a chain."""
    assert send(smtpd, FORGED, "carol", port=port) == "550 5.7.26 mail of example.org that fails DMARC is not accepted"
    before = len(smtpd.maildir("carol", ".Junk"))
    assert send(smtpd, b"List-Id: <l.example>\r\n" + FORGED, "carol", port=port).startswith("250")
    assert b"\nX-Spam: yes\n" in smtpd.wait_mail("carol", before + 1, ".Junk")[-1]


def test_a_chain_of_a_trusted_sealer_is_believed(smtpd: Smtpd) -> None:
    """C01."""
    assert send(smtpd, sealed(FORGED, b"list.example", PASSED), "dora").startswith("250")
    (message,) = smtpd.wait_mail("dora")
    assert 'arc=pass; dmarc=fail reason="p=reject, accepted, by arc"' in results(message)[0]


def test_mail_of_ours_is_not_judged(smtpd: Smtpd) -> None:
    """X01, A08."""
    said = b"Authentication-Results: mx.example.org; dmarc=pass\r\n"
    assert send(smtpd, said + FORGED, "erin", source=OURS).startswith("250")
    (message,) = smtpd.wait_mail("erin")
    assert results(message) == ["mx.example.org; dmarc=pass"]


@pytest.mark.parametrize(
    ("domain", "result"),
    [("truncated.example", "temperror"), ("silent.example", "temperror"), ("lies.example", "none")],
)
def test_a_name_server_that_drops_lies_or_truncates(smtpd: Smtpd, domain: str, result: str) -> None:
    before = len(smtpd.maildir("fred"))
    assert send(smtpd, FORGED.replace(b"example.org", domain.encode()), "fred").startswith("250")
    message = smtpd.wait_mail("fred", before + 1)[-1]
    assert f"dmarc={result} " in results(message)[0] + " "


def test_a_report_of_yesterday_goes_to_the_owner_of_the_domain(smtpd: Smtpd, tmp_path: Path) -> None:
    yesterday = int(time.time() // 86_400) - 1
    facts = {"ip": STRANGER, "disposition": "quarantine", "dkim": "fail", "spf": "fail", "reasons": []}
    facts |= {"header_from": "example.net", "envelope_from": "", "signatures": [], "checked": ["", "none"]}
    with closing(open_store(str(tmp_path / "store"))) as store:
        record = "v=DMARC1; p=reject; rua=mailto:hank@example.net"
        store.add(yesterday, Row("example.net", record, json.dumps(facts), plain=True), 7)
        store.commit()
    smtpd.room.write("/tmp/reports.db", (tmp_path / "store").read_bytes())
    command = ["/usr/libexec/opensmtpd/filterctl", "auth", "report", "-v", "-e", "dmarc@example.net", "-O", "Example"]
    for said in ("hank@example.net: sent, 7 messages in 1 rows", "hank@example.net: sent before"):
        code, output = smtpd.room.run([*command, "-f", "/tmp/reports.db"])
        assert code == 0, output
        assert said in output
    (message,) = smtpd.wait_mail("hank")
    assert b"Auto-Submitted: auto-generated\n" in message
    assert b"application/gzip" in message


@pytest.mark.timed
def test_eighty_messages_whose_name_server_says_nothing_are_all_answered_in_time(smtpd: Smtpd) -> None:
    silent = signed(HEADER.replace(b"example.org", b"silent.example")).replace(b"d=example.org", b"d=silent.example")
    clients: list[Client] = []
    try:
        for number in range(80):
            client = smtpd.client(f"192.0.2.{100 + number}", port=IMPATIENT, timeout=60)
            clients.append(client)
            client.ehlo()
            assert client.mail_from("a@silent.example").code == 250
            assert client.rcpt_to("gina@example.net").code == 250
            assert client.data().code == 354
        (before,) = {each.resident for each in smtpd.filters() if "filter-auth -T" in each.command}
        started = time.monotonic()
        for client in clients:
            client.send(silent + b".\r\n")
        replies = {str(client.reply()) for client in clients}
        assert time.monotonic() - started < 20.0
        assert replies == {"451 4.7.1 the author's domain cannot be checked now, try again later"}
        (after,) = {each.resident for each in smtpd.filters() if "filter-auth -T" in each.command}
        assert after - before < 10_000_000
    finally:
        for client in clients:
            client.close()
