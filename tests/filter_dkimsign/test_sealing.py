"""Option -A: mail of strangers that is forwarded gets an ARC set, by what filter-auth said of it before."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from filter_api.dkim.arc import ArcChain
from filter_api.dkim.fields import Signature, split
from filter_api.dkim.verify import blocks_of, judge
from filter_api.errors import ConfigError, UsageError
from filter_api.filter import Filter
from filter_api.net.dns import Resolver
from filter_api.testing.client import Outcome
from filter_api.testing.dns import FakeZone
from filter_api.testing.player import Player
from filter_auth.filter import build as build_auth
from filter_dkimsign.filter import DkimSign, build
from tests.dkim.test_arc import relaxed
from tests.dkim.test_arc import sealed as many
from tests.filter_auth.mail import PLAIN, STRANGER, keys, signed
from tests.filter_auth.test_arc_override import PASSED, sealed
from tests.filter_dkimsign.keyring import ed25519_key, record, rsa_key, write_key

KEYS: Mapping[str, bytes] = {
    "arc._domainkey.example.com": record(rsa_key()),
    "other._domainkey.example.net": record(rsa_key()),
    "ed._domainkey.example.com": record(ed25519_key()),
    "s._domainkey.list.example": record(rsa_key()),
}


def signer(folder: Path, *recipients: str) -> DkimSign:
    write_key(folder / "ed.pem", ed25519_key())
    write_key(folder / "arc.pem", rsa_key())
    (folder / "keys").write_text(
        "example.com ed ed.pem\nexample.com arc arc.pem\nexample.net other arc.pem\n"  # RSA is what all can read
    )
    (folder / "forwarded").write_text("".join(f"{each}\n" for each in recipients))
    return build(["-K", str(folder / "keys"), "-A", str(folder / "forwarded")])


def passed_on(
    folder: Path,
    text: bytes,
    *recipients: str,
    listed: str = "fwd@example.com",
    user: str = "",
    judging: bool = True,
    log: list[str] | None = None,
) -> Outcome:
    """What leaves the chain of filter-auth and filter-dkimsign for a message of a stranger."""
    zone = {(name, "TXT"): [text] for name, text in KEYS.items()}
    auth = build_auth([], Resolver(backend=FakeZone({**STRANGER, **keys(), **zone})))
    members: dict[str, Filter] = {"auth": auth} if judging else {}
    with Player({**members, "sign": signer(folder, listed)}) as player:
        client = player.connect("192.0.2.1", rdns="client.example.net")
        client.helo("client.example.net")
        if user:
            client.auth(user)
        outcome = client.mail(text, *(recipients or ("fwd@example.com",)), sender="x@evil.example")
        if log is not None:
            log += player.log
    return outcome


def chain_of(text: bytes) -> ArcChain:
    fields, body = split(text)
    chain = ArcChain(fields)
    zone = FakeZone({(name, "TXT"): [value] for name, value in KEYS.items()})
    asyncio.run(judge(fields, blocks_of(body), Resolver(backend=zone), also=[chain]))
    return chain


def dkimpy_says(text: bytes) -> bytes:
    verdict, _, _ = dkim.arc_verify(text, dnsfunc=lambda name, timeout=5: KEYS.get(name.decode().rstrip(".")))
    return bytes(verdict)


def field(text: bytes, name: str) -> list[str]:
    head = text.partition(b"\r\n\r\n")[0].decode("latin-1")
    return re.findall(rf"(?m)^{name}: ((?:.*\r\n[ \t])*.*?)\r?$", head)


def test_the_first_set_holds_here_and_at_dkimpy(tmp_path: Path) -> None:
    log: list[str] = []
    outcome = passed_on(tmp_path, signed(), log=log)
    assert outcome.ok
    chain = chain_of(outcome.text)
    assert (chain.result, chain.reason) == ("pass", "")
    assert dkimpy_says(outcome.text) == b"pass"
    (results,) = field(outcome.text, "ARC-Authentication-Results")
    (said,) = field(outcome.text, "Authentication-Results")
    assert results == "i=1; " + said
    assert "dkim=pass header.d=example.org" in said
    (seal,) = field(outcome.text, "ARC-Seal")
    assert re.match(r"i=1; a=rsa-sha256; d=example\.com; s=arc; t=[0-9]+; cv=none;\r\n\tb=", seal)
    assert "result=sealed domain=example.com selector=arc instance=1 chain=none" in log[-1]


def test_a_message_signature_covers_what_a_signature_of_ours_does_and_never_results_or_seals(tmp_path: Path) -> None:
    (value,) = field(passed_on(tmp_path, signed()).text, "ARC-Message-Signature")
    names = re.sub(r"\s", "", value.partition("h=")[2].partition(";")[0]).split(":")
    assert names.count("from") == 2
    assert {"to", "subject", "date", "dkim-signature"} <= set(names)
    assert not {name for name in names if name.startswith("arc-")} | ({"authentication-results"} & set(names))
    assert re.match(r"i=1; a=rsa-sha256; d=example\.com; s=arc; t=[0-9]+;\s+c=relaxed/relaxed;", value)
    assert max(len(line) for line in value.split("\r\n")) <= 78


def test_a_chain_that_passed_is_continued(tmp_path: Path) -> None:
    outcome = passed_on(tmp_path, sealed(PLAIN, b"list.example", PASSED))
    chain = chain_of(outcome.text)
    assert (chain.result, chain.reason) == ("pass", "")
    assert [one.sealer for one in chain.sets] == [b"list.example", b"example.com"]
    assert [one.seal.text(b"cv") for one in chain.sets] == ["none", "pass"]
    assert dkimpy_says(outcome.text) == b"pass"


def test_a_chain_that_fails_is_sealed_as_failed_over_its_own_set_alone_and_never_again(tmp_path: Path) -> None:
    """RFC 8617, 5.1.2 and step 2 of 5.1."""
    text = sealed(PLAIN, b"list.example", PASSED).replace(b"hello", b"jello")
    log: list[str] = []
    once = passed_on(tmp_path, text, log=log).text
    assert [seal[:4] for seal in field(once, "ARC-Seal")] == ["i=2;", "i=1;"]
    assert "cv=fail;" in field(once, "ARC-Seal")[0]
    assert "instance=2 chain=fail" in log[-1]
    assert chain_of(once).reason == "the chain had failed before: cv=fail"
    again = passed_on(tmp_path, once, log=log).text
    assert len(field(again, "ARC-Seal")) == 2
    assert "result=unsealed reason=failed-before" in log[-1]


def test_the_seal_of_a_failed_chain_holds_over_its_own_three_fields(tmp_path: Path) -> None:
    """Proven by hand: no verifier goes on behind cv=fail."""
    text = sealed(PLAIN, b"list.example", PASSED).replace(b"hello", b"jello")
    fields = {name: raw for name, raw in reversed(split(passed_on(tmp_path, text).text)[0]) if name[:4] == b"arc-"}
    seal = Signature(fields[b"arc-seal"])
    own = re.sub(rb"b=[^;=]*=*\s*\Z", b"b=", fields[b"arc-seal"])
    before = relaxed(fields[b"arc-authentication-results"]) + relaxed(fields[b"arc-message-signature"])
    rsa_key().public_key().verify(seal.data(b"b"), before + relaxed(own + b"\r\n")[:-2], PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    ("fields", "instance"),
    [
        (b"ARC-Seal: i=1; cv=none\r\n", 2),
        (b"ARC-Seal: x\r\n", 1),
        (b"ARC-Authentication-Results: i=7; x; none\r\nARC-Message-Signature: a=b; i = 9 ;\r\n", 10),
        (b"ARC-Message-Signature: i=49\r\n", 50),
    ],
)
def test_fields_that_are_no_chain_are_a_failed_one(tmp_path: Path, fields: bytes, instance: int) -> None:
    text = passed_on(tmp_path, fields + PLAIN).text
    seal = field(text, "ARC-Seal")[0]
    assert seal.startswith(f"i={instance}; ")
    assert "cv=fail;" in seal


def test_there_are_never_more_than_fifty_sets(tmp_path: Path) -> None:
    log: list[str] = []
    for times, reason in ((49, "result=sealed"), (50, "result=unsealed reason=too-many-sets")):
        text = passed_on(tmp_path, many(times), log=log).text
        assert len(field(text, "ARC-Seal")) == 50
        assert reason in log[-1]


@pytest.mark.parametrize(
    ("recipients", "listed", "user"),
    [
        (("bob@example.com",), "fwd@example.com", ""),
        (("bob@example.com", "carol@example.com"), "fwd@example.com", ""),
        (("fwd@example.com",), "fwd@example.com", "alice"),
    ],
)
def test_mail_to_others_and_mail_of_ours_is_not_sealed(
    tmp_path: Path, recipients: tuple[str, ...], listed: str, user: str
) -> None:
    assert not field(passed_on(tmp_path, signed(), *recipients, listed=listed, user=user).text, "ARC-Seal")


@pytest.mark.parametrize("listed", ["fwd@example.com", "example.com", "fwd@", "."])
def test_one_recipient_that_is_listed_suffices(tmp_path: Path, listed: str) -> None:
    text = passed_on(tmp_path, signed(), "bob@example.net", "FWD@example.com", listed=listed).text
    assert dkimpy_says(text) == b"pass"


def test_the_key_of_the_recipients_domain_seals_and_else_the_first(tmp_path: Path) -> None:
    for recipient, domain in (("fwd@example.net", "example.net"), ("fwd@elsewhere.example", "example.com")):
        text = passed_on(tmp_path, signed(), recipient, listed=recipient).text
        assert f"d={domain};" in field(text, "ARC-Seal")[0]


def test_without_filter_auth_before_it_nothing_is_sealed_whatever_a_stranger_writes(tmp_path: Path) -> None:
    """What a client sends stands below smtpd's own Received."""
    log: list[str] = []
    forged = b"Authentication-Results: mx.example.com; arc=pass; dmarc=pass header.from=example.org\r\n"
    received = (
        b"Received: from x by mx.example.com (OpenSMTPD) with ESMTP id 0badf00d; Fri, 20 Nov 2026 08:08:08 +0000\r\n"
    )
    for text in (forged + PLAIN, forged + received + PLAIN, PLAIN):
        assert not field(passed_on(tmp_path, text, judging=False, log=log).text, "ARC-Seal")
        assert "result=unsealed reason=no-results" in log[-1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"From: a@example.org\r\nno field\r\n\r\nhello\r\n", "malformed-header"),
        (b"From: a@example.org\r\n" + b"X: y\r\n" * 999 + b"\r\nhello\r\n", "header-too-long"),
    ],
)
def test_what_cannot_be_signed_is_not_sealed(tmp_path: Path, text: bytes, reason: str) -> None:
    log: list[str] = []
    assert not field(passed_on(tmp_path, text, log=log).text, "ARC-Seal")
    assert f"result=unsealed reason={reason}" in log[-1] or "5.6.0" in log[-1]


def test_addresses_are_completed_as_smtpd_will_do_before_sealing(tmp_path: Path) -> None:
    text = passed_on(tmp_path, b"From: a@example.org\r\nTo: bob\r\n\r\nhello\r\n").text
    assert b"\r\nTo: bob@" in text
    assert chain_of(text).result == "pass"


def test_nothing_is_said_of_a_message_that_filter_auth_has_refused(tmp_path: Path) -> None:
    log: list[str] = []
    with Player(
        {"auth": build_auth(["-u", "reject"], Resolver(backend=FakeZone({}))), "sign": signer(tmp_path, ".")}
    ) as player:
        client = player.connect("192.0.2.1", rdns="client.example.net")
        client.helo("client.example.net")
        assert client.mail(b"Subject: no author\r\n\r\nhello\r\n", sender="x@evil.example").reply.startswith(
            "550 5.7.1 "
        )
        log += player.log
    assert not [line for line in log if "sealed" in line]


def test_a_large_message_is_sealed(tmp_path: Path) -> None:
    text = passed_on(tmp_path, PLAIN + b"0123456789 \r\n" * 100_000).text
    assert dkimpy_says(text) == b"pass"
    assert chain_of(text).result == "pass"


def test_a_bad_file_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="forwarded:1: "):
        signer(tmp_path, "a b")
    with pytest.raises(UsageError, match="-A file"):
        build(["-S"])
