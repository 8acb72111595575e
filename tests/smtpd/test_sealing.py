"""Forwarded mail between two real daemons: the first judges and seals it, the second believes the seal."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dkim
import pytest

from filter_api.dkim.arc import ArcChain
from filter_api.dkim.fields import split
from filter_api.dkim.verify import blocks_of, judge
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone
from filter_auth.reports.row import Row
from filter_auth.reports.store import open_store
from tests.filter_dkimsign.keyring import pem, record, rsa_key
from tests.smtpd.test_auth import results
from tests.smtpd.test_dkimsign import EMPTY, NEXT_HOP, Bridge
from tests.smtpd.test_spf import text
from tools.private_smtpd import Smtpd, Zone

AUTHOR, STRANGER = "203.0.113.50", "192.0.2.66"
KEY_NAME = "2026a._domainkey.example.org"
KEY = record(rsa_key()).decode("ascii")
ZONE: Zone = {
    "author.example": [text(f"v=spf1 ip4:{AUTHOR} -all")],
    "_dmarc.author.example": [text("v=DMARC1; p=reject")],
    KEY_NAME: [text(KEY)],
    "_dmarc.example.org": [text("v=DMARC1; p=reject; adkim=s")],
}
FORWARDING = f"""
table aliases file:/etc/mail/aliases
filter "auth" proc-exec "filter-auth"
filter "sign" proc-exec "filter-dkimsign -d example.org -s 2026a -k /etc/mail/key -A /etc/mail/forwarded" \\
    user _sign group _sign
listen on 0.0.0.0 port 25 filter {{ "auth", "sign" }} hostname mx.example.org
listen on 127.0.0.1 port 2601 filter "sign" hostname mx.example.org
action "local" maildir alias <aliases>
action "out" relay host smtp://{NEXT_HOP}:2525
match from any for domain "example.org" action "local"
match from any for any action "out"
"""
RECEIVING = """
filter "auth" proc-exec "filter-auth -a mx.example.net -p strict -c /etc/mail/sealers"
listen on 0.0.0.0 filter "auth" hostname mx.example.net
action "local" maildir junk
match from any for domain "example.net" action "local"
"""
MAIL = (
    b"From: Jane <jane@author.example>\r\nTo: friends\r\nSubject: forwarded\r\nBcc: x@y.example\r\n\r\n..hello \r\n\r\n"
)


@pytest.fixture(scope="module")
def pair(version: str) -> Iterator[tuple[Smtpd, Smtpd]]:
    """The daemon that forwards, and the one that gets the mail."""
    ours: dict[str, str | bytes] = {
        "/etc/mail/aliases": "carol: carol@example.net\n",
        "/etc/mail/forwarded": "carol@example.org\n",
        "/etc/mail/key": pem(rsa_key()),
    }
    theirs: dict[str, str | bytes] = {"/etc/mail/sealers": "example.org\n"}
    with (
        Smtpd(version, EMPTY, zone=ZONE, users=("carol", "dora", "_sign"), files=ours, port=2500) as sending,
        Smtpd(version, RECEIVING, zone=ZONE, users=("carol",), files=theirs, hostname="mx.example.net") as receiving,
    ):
        for command in (["chown", "_sign", "/etc/mail/key"], ["chmod", "600", "/etc/mail/key"]):
            assert sending.room.run(command) == (0, "")
        bridge = Bridge(sending, receiving)
        sending.restart(FORWARDING)
        try:
            yield sending, receiving
            for each in (sending, receiving):
                assert each.alive(), each.log()[-8000:]
                assert "Traceback" not in each.log()
        finally:
            bridge.close()


def deliver(smtpd: Smtpd, message: bytes, to: str, source: str = AUTHOR) -> None:
    with smtpd.client(source) as client:
        assert client.deliver(message, "jane@author.example", f"{to}@example.org").code == 250


def chain_of(message: bytes) -> ArcChain:
    fields, body = split(message)
    chain = ArcChain(fields)
    zone = FakeZone({(KEY_NAME, "TXT"): [KEY.encode()]})
    asyncio.run(judge(fields, blocks_of(body), Resolver(backend=zone), also=[chain]))
    return chain


def test_a_forwarded_message_is_believed_by_its_seal_where_spf_fails(pair: tuple[Smtpd, Smtpd]) -> None:
    sending, receiving = pair
    deliver(sending, MAIL, "carol")
    message = receiving.wait_mail("carol")[-1]
    theirs, ours = results(message)
    assert theirs.startswith("mx.example.net; ")
    assert 'arc=pass; dmarc=fail reason="p=reject, accepted, by arc" header.from=author.example' in theirs
    assert "spf=fail smtp.mailfrom=author.example" in theirs
    assert ours.startswith("mx.example.org; ")
    assert "dmarc=pass header.from=author.example" in ours
    assert b"To: friends@mx.example.org\n" in message
    assert b"Bcc:" not in message
    sent = message.replace(b"\n", b"\r\n")
    chain = chain_of(sent)
    assert (chain.result, chain.reason) == ("pass", "")
    assert chain.sets[0].seal.text(b"cv") == "none"
    verdict, _, reason = dkim.arc_verify(sent, dnsfunc=lambda name, timeout=5: KEY.encode())
    assert verdict == b"pass", reason
    sending.wait_log("result=sealed domain=example.org selector=2026a instance=1 chain=none")


def test_a_forgery_is_sealed_with_what_it_is_and_refused_at_the_next_host(pair: tuple[Smtpd, Smtpd]) -> None:
    sending, receiving = pair
    before = len(receiving.maildir("carol"))
    forged = b"Authentication-Results: mx.example.org; arc=pass; dmarc=pass header.from=author.example\r\n" + MAIL
    deliver(sending, forged, "carol", STRANGER)
    receiving.wait_log("550 5.7.26 mail of author.example that fails DMARC is not accepted")
    assert len(receiving.maildir("carol")) == before


def test_a_report_of_ours_is_signed_on_its_way_out_and_passes_where_it_arrives(
    pair: tuple[Smtpd, Smtpd], tmp_path: Path
) -> None:
    """P15. The other host would refuse it otherwise."""
    sending, receiving = pair
    before = len(receiving.maildir("carol"))
    facts = {"ip": STRANGER, "disposition": "none", "dkim": "fail", "spf": "fail", "reasons": []}
    facts |= {"header_from": "example.net", "envelope_from": "", "signatures": [], "checked": ["", "none"]}
    with closing(open_store(str(tmp_path / "store"))) as store:
        row = Row("example.net", "v=DMARC1; p=none; rua=mailto:carol@example.net", json.dumps(facts), plain=True)
        store.add(int(time.time() // 86_400) - 1, row, 7)
        store.commit()
    sending.room.write("/tmp/reports.db", (tmp_path / "store").read_bytes())
    command = ["/usr/libexec/opensmtpd/filterctl", "auth", "report", "-v", "-e", "dmarc@example.org", "-O", "Example"]
    code, output = sending.room.run([*command, "-S", "127.0.0.1:2601", "-f", "/tmp/reports.db"])
    assert code == 0, output
    assert "carol@example.net: sent, 7 messages in 1 rows" in output
    message = receiving.wait_mail("carol", before + 1)[-1]
    assert "dkim=pass header.d=example.org" in results(message)[0]
    assert results(message)[0].endswith("dmarc=pass header.from=example.org")
    assert b"Auto-Submitted: auto-generated\n" in message


def test_mail_to_others_is_not_sealed(pair: tuple[Smtpd, Smtpd]) -> None:
    sending, _ = pair
    deliver(sending, MAIL, "dora")
    assert b"\nARC-Seal: " not in sending.wait_mail("dora")[-1]
