"""The policy, fact by fact."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from filter_api.session import Session
from filter_api.text.lines import LineError, content_lines
from filter_dkimsign.keytable import Entries, Entry, KeyStore
from filter_dkimsign.policy import (
    Origin,
    Unsigned,
    author_domain,
    check_login,
    check_loopback,
    choose_entries,
    is_loopback,
    origin_of,
    parse_users,
)
from tests.filter_dkimsign.keyring import ed25519_key, write_key


def session(source: bytes, user: bytes | None = None) -> Session:
    made = Session(b"1")
    made.source = source
    made.user = user
    return made


@pytest.mark.parametrize(
    ("source", "user", "ours", "origin"),
    [
        (b"unix:/var/run/smtpd.sock", None, True, Origin.SOCKET),
        (b"127.0.0.1:5", None, True, Origin.LOOPBACK),
        (b"[::1]:5", None, True, Origin.LOOPBACK),
        (b"[::ffff:127.0.0.1]:5", None, True, Origin.LOOPBACK),
        (b"127.0.0.1:5", None, False, Origin.FOREIGN),
        (b"127.0.0.1:5", b"alice", True, Origin.AUTHENTICATED),
        (b"198.51.100.1:5", b"alice", True, Origin.AUTHENTICATED),
        (b"192.0.2.1:5", None, True, Origin.NETWORK),
        (b"192.0.2.1:5", None, False, Origin.FOREIGN),
        (b"rubbish", None, False, Origin.FOREIGN),
    ],
)
def test_origins(source: bytes, user: bytes | None, ours: bool, origin: Origin) -> None:
    assert origin_of(session(source, user), ours) is origin


def test_loopback_addresses() -> None:
    assert is_loopback(ip_address("127.9.9.9"))
    assert not is_loopback(ip_address("192.0.2.1"))
    assert not is_loopback(None)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "no-from"),
        ([b"a@b", b"a@b"], "several-from-fields"),
        ([b"a@b, c@d"], "several-from-addresses"),
        ([b" (nobody) "], "no-from-address"),
        ([b"a"], "malformed-from"),
    ],
)
def test_no_author(values: list[bytes], reason: str) -> None:
    with pytest.raises(Unsigned, match=f"^{reason}$"):
        author_domain(values)


def test_the_author() -> None:
    assert author_domain([b" Alice <a@Example.ORG> "]) == b"example.org"


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    return Entry(b"example.org", b"s", KeyStore().get(write_key(tmp_path / "k", ed25519_key()), None))


def test_unknown_domains(entry: Entry) -> None:
    entries = Entries([entry])
    assert choose_entries([entries], b"mx.example.org", sign_unknown=False) == (entry,)
    assert choose_entries([entries], b"elsewhere.example", sign_unknown=True) == (entry,)
    with pytest.raises(Unsigned, match="no-key-for-domain"):
        choose_entries([entries], b"elsewhere.example", sign_unknown=False)


@pytest.mark.parametrize(
    ("sender", "signed"),
    [
        (b"a@example.org", True),
        (b"a@EXAMPLE.org.", True),
        (b"@relay.example:a@example.org", True),
        (b"a@sub.example.org", False),
        (b"a@example.net", False),
        (b"", False),
        (None, False),
    ],
)
def test_loopback_asks_for_the_envelope_sender(entry: Entry, sender: bytes | None, signed: bool) -> None:
    for origin in Origin:
        if origin is Origin.LOOPBACK and not signed:
            with pytest.raises(Unsigned, match="loopback-sender-not-in-domain"):
                check_loopback(origin, sender, [entry])
        else:
            check_loopback(origin, sender, [entry])


USERS = parse_users(content_lines(b"alice Example.org. *.example.net\nroot *\n* example.com\n"))


@pytest.mark.parametrize(
    ("login", "domain", "allowed"),
    [
        (b"alice", b"example.org", True),
        (b"alice", b"sub.example.org", False),
        (b"alice", b"sub.example.net", True),
        (b"alice", b"a.b.example.net", True),
        (b"alice", b"example.net", False),
        (b"alice", b"example.com", False),  # her own line counts, not that of all others
        (b"root", b"any.example", True),
        (b"bob", b"example.com", True),
        (b"bob", b"example.org", False),
        (b"Alice", b"example.org", False),
        (None, b"example.org", True),
    ],
)
def test_logins(login: bytes | None, domain: bytes, allowed: bool) -> None:
    check_login(None, login, domain)
    if allowed:
        check_login(USERS, login, domain)
    else:
        with pytest.raises(Unsigned, match="domain-not-allowed-for-login"):
            check_login(USERS, login, domain)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"alice\n", '"alice" has no domain'),
        (b"alice a.example\nalice b.example\n", '"alice" is listed twice'),
        (b"alice exa_mple..org\n", "is not a domain name"),
        (b"alice **.example.org\n", "is not a domain name"),
    ],
)
def test_mistakes_in_the_file_of_logins(text: bytes, reason: str) -> None:
    with pytest.raises(LineError, match=reason.replace("*", r"\*")):
        parse_users(content_lines(text))
