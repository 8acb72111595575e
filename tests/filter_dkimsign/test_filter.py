"""The filter as smtpd sees it: whom it signs for, what leaves, what the log says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api.testing.player import Player
from filter_dkimsign.filter import build
from tests.filter_dkimsign.keyring import rsa_key, write_key
from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import MAIL, ZONE, both_keys, login, one_key, signatures, submit


@pytest.fixture
def smtpd(tmp_path: Path) -> Iterator[Player]:
    with Player(both_keys(tmp_path)) as player:
        yield player


def test_two_signatures_that_hold(smtpd: Player) -> None:
    text = submit(smtpd, MAIL)
    assert both(text, ZONE) == [True, True]
    assert [tags[b"a"] for tags in signatures(text)] == [b"rsa-sha256", b"ed25519-sha256"]
    assert text.endswith(MAIL)  # nothing else was touched
    line = smtpd.log[-1]
    assert " message result=signed domain=example.org selector=rsa,ed author=example.org " in line


def test_the_field_is_safe_and_narrow(smtpd: Player) -> None:
    text = submit(smtpd, MAIL)
    tags = signatures(text)[0]
    assert b"l" not in tags
    assert tags[b"i"] == b"@example.org"
    assert tags[b"c"] == b"relaxed/relaxed"
    names = b"".join(tags[b"h"].split()).split(b":")
    assert names.count(b"from") == 2
    assert names.count(b"cc") == 1
    header = text.partition(b"Received:")[0]
    assert max(len(line.expandtabs()) for line in header.split(b"\r\n")) <= 78


def test_strangers_pass_unsigned_and_are_mentioned_once(smtpd: Player) -> None:
    for _ in range(2):
        client = smtpd.connect("203.0.113.9")
        client.helo()
        assert client.mail(MAIL, sender="alice@example.org").text.endswith(MAIL)
        assert client.mail(MAIL, sender="alice@example.org").lines[0].startswith(b"Received:")
        client.quit()
    mentions = [line for line in smtpd.log if "not-ours" in line]
    assert len(mentions) == 1
    assert 'hint="-N 203.0.113.9 would sign it"' in mentions[0]


@pytest.mark.parametrize(
    ("address", "sender", "signed"),
    [
        ("unix", "root@mx.example.org", True),
        ("unix", "", True),
        ("127.0.0.1", "alice@example.org", True),
        ("127.0.0.1", "bounces@lists.example.org", False),
        ("::1", "author@example.net", False),
        ("::1", "", False),
        ("192.0.2.77", "anybody@example.net", True),
        ("198.51.100.77", "alice@example.org", False),
    ],
)
def test_who_is_ours(tmp_path: Path, address: str, sender: str, signed: bool) -> None:
    with Player(one_key(tmp_path, "-N", "192.0.2.0/24,127.0.0.0/8,::1")) as smtpd:
        client = smtpd.connect(address)
        client.helo()
        assert bool(signatures(client.mail(MAIL, sender=sender).text)) is signed


def test_signing_asks_for_no_command_so_a_mail_costs_smtpd_no_question_more(tmp_path: Path) -> None:
    assert one_key(tmp_path).wanted().phases == ["data-line", "commit"]


def test_to_seal_for_recipients_they_are_asked_for_whatever_their_length(tmp_path: Path) -> None:
    (tmp_path / "forwarded").write_text("alias@example.org\n")
    phases = one_key(tmp_path, "-A", str(tmp_path / "forwarded")).wanted().phases
    assert phases == ["mail-from", "rcpt-to", "data-line", "commit"]


@pytest.mark.parametrize(("length", "signed"), [(254, True), (255, False)])
def test_on_loopback_a_sender_that_smtpd_does_not_report_proves_no_domain(
    tmp_path: Path, length: int, signed: bool
) -> None:
    sender = "a" * (length - len("@example.org")) + "@example.org"
    with Player(one_key(tmp_path, "-N", "127.0.0.0/8")) as smtpd:
        client = smtpd.connect("127.0.0.1")
        client.helo()
        assert bool(signatures(client.mail(MAIL, sender=sender).text)) is signed


def test_a_login_on_loopback_is_a_login(tmp_path: Path) -> None:
    with Player(one_key(tmp_path)) as smtpd:
        client = smtpd.connect("127.0.0.1")
        client.helo()
        client.auth("webmail")
        assert signatures(client.mail(MAIL, sender="someone@example.net").text)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"To: bob@example.net\r\n", "no-from"),
        (b"From: a@example.org\r\nFrom: b@example.org\r\n", "several-from-fields"),
        (b"From: a@example.org, b@example.org\r\n", "several-from-addresses"),
        (b"From: boss@example.net <a@example.org>\r\n", "malformed-from"),
        (b"From: a@example.net\r\n", "no-key-for-domain"),
        (b"From : a@example.org\r\n", "malformed-header"),
        (b"From: a@example.org\r\nno colon\r\n", "malformed-header"),
        (b"From: a@example.org\r\nSubject: x\ry\r\n", "bare-cr"),
        (
            b"From: a@example.org\r\nX: " + b"x" * 60000 + b"\r\n" * 1 + (b"Y: " + b"y" * 60000 + b"\r\n") * 3,
            "header-too-long",
        ),
    ],
)
def test_mail_nobody_should_vouch_for_passes_unsigned(tmp_path: Path, header: bytes, reason: str) -> None:
    text = header + b"\r\nbody\r\n"
    with Player(one_key(tmp_path)) as smtpd:
        assert submit(smtpd, text).endswith(text)
        assert f" message result=unsigned reason={reason} " in smtpd.log[-1]


def test_a_bare_cr_in_a_large_body(tmp_path: Path) -> None:
    text = MAIL + b"x" * 70 + b"\r\n" * 9000 + b"odd\rend\r\n"
    text += b"more text\r\n" * 40000
    with Player(one_key(tmp_path)) as smtpd:
        assert not signatures(submit(smtpd, text))
        assert "reason=bare-cr" in smtpd.log[-1]


def test_large_messages_are_signed_in_turns(tmp_path: Path) -> None:
    text = MAIL + b".dots and  blanks \t\r\n..\r\n\r\n" * 100_000 + b"\r\n\r\n"
    with Player(both_keys(tmp_path)) as smtpd:
        assert both(submit(smtpd, text), ZONE) == [True, True]


@pytest.mark.parametrize("forms", ["simple", "simple/relaxed", "relaxed/simple", "relaxed"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n\r\n",
        b"\r\n.\r\n..\r\n.x\r\n",
        b"\r\n  \t\r\n x \t y\t \r\n\r\n \r\n",
        b"\r\n\x0c form feed \x0b\r\n",
        b"\r\ncaf\xe9 \xa0\r\n",
        b"\r\nlast line without its end",
    ],
)
def test_odd_bodies(tmp_path: Path, forms: str, body: bytes) -> None:
    text = MAIL.partition(b"\r\n\r\n")[0] + b"\r\n" + body
    with Player(both_keys(tmp_path, "-c", forms)) as smtpd:
        assert both(submit(smtpd, text), ZONE) == [True, True]


def test_what_smtpd_would_change_is_changed_before(tmp_path: Path) -> None:
    text = (
        b"FROM:alice (at home)\r\n"
        b'to: bob,\r\n\t"Doe, J." <carol>, dave@example.net\r\n'
        b"Cc: undisclosed-recipients:;\r\n"
        b"Bcc: secret@example.net\r\n"
        b"Subject: bare\r\n\r\nx\r\n"
    )
    with Player(both_keys(tmp_path, "-zz")) as smtpd:
        left = submit(smtpd, text)
    assert b"\r\nFROM: alice@mx.example.org (at home)\r\n" in left
    assert b'\r\nto: bob@mx.example.org,\r\n\t"Doe, J." <carol@mx.example.org>, dave@example.net\r\n' in left
    assert b"\r\nDate: " in left
    assert b"@mx.example.org>\r\n\r\nx\r\n" in left  # Message-ID, at the end of the header
    assert both(left, ZONE) == [True, True]
    without_bcc = left.replace(b"Bcc: secret@example.net\r\n", b"")
    assert b"secret" not in without_bcc  # not in z= either
    assert both(without_bcc, ZONE) == [True, True]
    assert signatures(left)[0][b"d"] == b"example.org"  # by the closest parent


def test_unqualified_addresses_without_a_host_name_stay_unsigned(tmp_path: Path) -> None:
    with Player(one_key(tmp_path)) as smtpd:
        client = login(smtpd)
        client.report("link-greeting", b"")
        assert not signatures(client.mail(MAIL.replace(b"bob@example.net", b"bob")).text)
        assert "reason=unsettled-addresses" in smtpd.log[-1]


def test_expiry_time_and_copies(tmp_path: Path) -> None:
    with Player(one_key(tmp_path, "-t", "-x", "3600", "-z"), wall=1_700_000_000.0) as smtpd:
        tags = signatures(submit(smtpd, MAIL))[0]
    assert tags[b"t"] == b"1700000000"
    assert tags[b"x"] == b"1700003600"
    copies = b"".join(tags[b"z"].split())
    assert b"Subject:=20test" in copies
    assert b"Received" not in copies


def test_not_oversigned_on_demand(tmp_path: Path) -> None:
    with Player(one_key(tmp_path, "-o", "-h", "From:Subject:bcc:X-Nope")) as smtpd:
        assert b"".join(signatures(submit(smtpd, MAIL))[0][b"h"].split()) == b"from:subject"


def test_unknown_domains_on_demand(tmp_path: Path) -> None:
    text = MAIL.replace(b"alice@example.org", b"alice@elsewhere.example")
    with Player(one_key(tmp_path, "-u")) as smtpd:
        assert signatures(submit(smtpd, text))[0][b"d"] == b"example.org"


def test_logins_sign_for_their_domains_only(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("alice example.org *.example.org\nmallory example.com\n* example.net\n")
    with Player(one_key(tmp_path, "-m", str(users))) as smtpd:
        assert signatures(submit(smtpd, MAIL, user="alice"))
        assert signatures(submit(smtpd, MAIL.replace(b"alice@", b"alice@mx."), user="alice"))
        assert not signatures(submit(smtpd, MAIL, user="mallory"))
        assert "reason=domain-not-allowed-for-login" in smtpd.log[-1]
        assert not signatures(submit(smtpd, MAIL, user="bob"))


@pytest.mark.parametrize("user", ["alice", "ALICE", "Alice", "aLiCe"])
@pytest.mark.parametrize("listed", ["alice", "ALICE", "Alice"])
def test_a_login_is_the_same_in_any_case(tmp_path: Path, user: str, listed: str) -> None:
    """smtpd compares logins in lower case; the line for all others must not be that of ALICE."""
    users = tmp_path / "users"
    users.write_text(f"{listed} example.com\n* example.org\n")
    with Player(one_key(tmp_path, "-m", str(users))) as smtpd:
        assert not signatures(submit(smtpd, MAIL, user=user))
        assert "reason=domain-not-allowed-for-login" in smtpd.log[-1]
        assert signatures(submit(smtpd, MAIL, user=user + "2")), "another login"
    users.write_text(f"{listed} example.org\n* example.com\n")
    with Player(one_key(tmp_path, "-m", str(users))) as smtpd:
        assert signatures(submit(smtpd, MAIL, user=user))
        assert not signatures(submit(smtpd, MAIL, user=user + "2"))


def test_exempt_clients_are_left_alone(tmp_path: Path) -> None:
    listed = tmp_path / "exempt"
    listed.write_text("192.0.2.1\n")
    with Player(one_key(tmp_path, "-W", str(listed))) as smtpd:
        assert not signatures(submit(smtpd, MAIL))


def test_observing_changes_nothing(tmp_path: Path) -> None:
    with Player(one_key(tmp_path, "-n")) as smtpd:
        assert submit(smtpd, MAIL).endswith(MAIL)
        assert not signatures(submit(smtpd, MAIL))
        assert "result=signed" in smtpd.log[-1]


@pytest.mark.parametrize(("policy", "verdict"), [("tempfail", "reject"), ("reject", "reject"), ("accept", "proceed")])
def test_a_failing_key_follows_the_policy(
    tmp_path: Path, policy: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise ValueError("out of entropy")

    monkeypatch.setattr("filter_api.dkim.keys.SigningKey.sign", fail)
    with Player(one_key(tmp_path, "-F", policy)) as smtpd:
        outcome = login(smtpd).mail(MAIL)
        assert outcome.verdict == verdict
        assert not signatures(outcome.text)
        assert "out of entropy" in "".join(smtpd.log)


def test_keys_are_followed(tmp_path: Path) -> None:
    with Player(one_key(tmp_path)) as smtpd:
        first = submit(smtpd, MAIL)
        path = Path(write_key(tmp_path / "rsa.pem", rsa_key(2048, 1)))
        key = next(iter(smtpd.filter.rules.sources()[0])).key  # type: ignore[attr-defined]  # the filter is ours
        key._next_look = 0.0
        second = submit(smtpd, MAIL)
        assert signatures(first)[0][b"b"] != signatures(second)[0][b"b"]
        path.write_text("rubbish")
        key._next_look = 0.0
        assert signatures(submit(smtpd, MAIL))[0][b"b"] == signatures(second)[0][b"b"]


def test_weak_keys_and_old_algorithms_are_named_at_start(tmp_path: Path) -> None:
    key = write_key(tmp_path / "weak.pem", rsa_key(1024))
    with Player(build(["-a", "rsa-sha1", "-d", "example.org", "-s", "s", "-k", key])) as smtpd:
        assert any("1024 bits only" in line for line in smtpd.log)
        assert any("RFC 8301: signing with rsa-sha256" in line for line in smtpd.log)
        assert signatures(submit(smtpd, MAIL))[0][b"a"] == b"rsa-sha256"
