"""The policy, fact by fact."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.errors import UsageError
from filter_api.files.networks import Networks
from filter_api.session import Session, Transaction
from filter_api.text.lines import LineError, content_lines
from filter_api.trust import origin_of
from filter_dkimsign.keytable import Entries, Entry, KeyStore
from filter_dkimsign.policy import (
    Rules,
    Unsigned,
    author_domain,
    check_login,
    check_way,
    choose_entries,
    parse_reinjectors,
    parse_users,
)
from tests.filter_dkimsign.keyring import ed25519_key, write_key

OURS = Networks("127.0.0.0/8,::1,192.0.2.1")


def session(source: bytes, user: bytes | None = None) -> Session:
    made = Session(b"1")
    made.source = source
    made.user = user
    return made


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
    with pytest.raises(Unsigned, match=r"^no-key-for-domain$"):
        choose_entries([entries], b"elsewhere.example", sign_unknown=False)


@pytest.mark.parametrize("backwards", [False, True])
def test_of_several_tables_the_closest_entry_signs_whichever_comes_first(tmp_path: Path, backwards: bool) -> None:
    key = KeyStore().get(write_key(tmp_path / "k", ed25519_key()), None)
    patterns = (b"example.org", b"*.example.org", b"*.mx.example.org", b"a.mx.example.org")
    tables = [Entries([Entry(pattern, b"s", key)]) for pattern in patterns]
    for last in range(1, 5):
        sources = tables[:last][::-1] if backwards else tables[:last]
        (chosen,) = choose_entries(sources, b"a.mx.example.org", sign_unknown=False)
        assert chosen.pattern == patterns[last - 1]
    unknown = choose_entries(tables[2:], b"elsewhere.example", sign_unknown=True)
    assert [entry.pattern for entry in unknown] == [b"*.mx.example.org"], "the first of the first table"


SENDERS = [
    (b"a@example.org", True),
    (b"a@EXAMPLE.org.", True),
    (b"@relay.example:a@example.org", True),
    (b"a@sub.example.org", False),
    (b"a@example.net", False),
    (b"", False),
    (None, False),
]
"""Envelope senders, and whether they are in example.org."""

OWN = b" from x (x [127.0.0.1])\r\n\tby mx (OpenSMTPD) with ESMTP id 0a1b2c3d;\r\n\tdate"
EARLIER = b" from evil.example ([203.0.113.9])\r\n\tby mx (OpenSMTPD) with ESMTPS id ffffffff;\r\n\tdate"


def offered(source: bytes, sender: bytes | None, destination: bytes = b"127.0.0.1:25") -> Session:
    made = session(source)
    made.destination = destination
    made.transaction = Transaction()
    made.transaction.id = b"0a1b2c3d"
    made.transaction.sender = sender
    return made


def way(client: Session, entry: Entry, received: list[bytes], *options: str) -> str:
    """Why a message is not signed; empty if it is."""
    origin = origin_of(client, OURS)
    try:
        check_way(client, origin, received, [entry], parse_reinjectors(options))
    except Unsigned as reason:
        return str(reason)
    return ""


@pytest.mark.parametrize(("sender", "in_domain"), SENDERS)
def test_loopback_asks_for_the_envelope_sender(entry: Entry, sender: bytes | None, in_domain: bool) -> None:
    reason = "" if in_domain else "loopback-sender-not-in-domain"
    assert way(offered(b"127.0.0.1:5", sender), entry, [OWN]) == reason
    for source in (b"unix:/run/smtpd.sock", b"192.0.2.1:5"):
        assert way(offered(source, sender), entry, [OWN]) == ""


def test_what_a_known_program_hands_back_over_the_socket_needs_a_sender_of_the_domain(entry: Entry) -> None:
    for sender, reason in ((b"a@example.org", ""), (b"a@example.net", "sender-not-in-domain")):
        assert way(offered(b"unix:/run/smtpd.sock", sender), entry, [OWN, EARLIER], "socket") == reason


@pytest.mark.parametrize(("sender", "in_domain"), SENDERS)
@pytest.mark.parametrize("received", [[OWN, EARLIER], [EARLIER], [OWN, b" by hand"], [EARLIER, EARLIER, EARLIER]])
def test_what_was_received_before_is_not_signed_unless_its_program_is_named(
    entry: Entry, sender: bytes | None, in_domain: bool, received: list[bytes]
) -> None:
    """Whatever the envelope says: a stranger chose it."""
    for source, options in ((b"127.0.0.1:5", ["-"]), (b"[::1]:5", ["-"]), (b"unix:/run/smtpd.sock", ["socket"])):
        client = offered(source, sender)
        assert way(client, entry, received) == "re-injected"
        named = options if options != ["-"] else ["127.0.0.1,::1"]
        assert bool(way(client, entry, received, *named)) is not in_domain
    assert way(offered(b"192.0.2.1:5", sender), entry, received) == "", "-N names relays of ours, too"


@pytest.mark.parametrize(
    ("options", "source", "destination", "named"),
    [
        (["socket"], b"unix:/run/smtpd.sock", b"unix:/run/smtpd.sock", True),
        (["socket"], b"127.0.0.1:5", b"127.0.0.1:25", False),
        (["127.0.0.1"], b"unix:/run/smtpd.sock", b"unix:/run/smtpd.sock", False),
        (["127.0.0.1"], b"127.0.0.1:5", b"127.0.0.1:25", True),
        (["127.0.0.2"], b"127.0.0.1:5", b"127.0.0.1:25", False),
        (["127.0.0.0/8"], b"127.0.0.9:5", b"127.0.0.1:25", True),
        (["::1"], b"[::1]:5", b"[::1]:25", True),
        ([":10027"], b"127.0.0.1:5", b"127.0.0.1:10027", True),
        ([":10027"], b"127.0.0.1:10027", b"127.0.0.1:25", False),
        ([":10027", "socket"], b"unix:/run/smtpd.sock", b"unix:/run/smtpd.sock", True),
        ([":10026,:10027"], b"[::1]:5", b"[::1]:10027", True),
        ([":10027"], b"unix:/run/smtpd.sock", b"unix:/run/smtpd.sock", False),
    ],
)
def test_programs_that_hand_mail_back(options: list[str], source: bytes, destination: bytes, named: bool) -> None:
    assert parse_reinjectors(options).has(offered(source, b"", destination)) is named


@pytest.mark.parametrize("value", ["", "sockets", ":", ":0", ":65536", ":smtp", "127.0.0.1/7", "localhost", "socket,"])
def test_mistakes_in_the_programs_that_hand_mail_back(value: str) -> None:
    with pytest.raises(UsageError, match="-R"):
        parse_reinjectors([value])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (":0", "-R: :0 is no port of a listener"),
        (":65536", "-R: :65536 is no port of a listener"),
        (":-1", "-R: :-1 is no port of a listener"),
        (":\u0662", "-R: :\\xd9\\xa2 is no port of a listener"),
        (":000025", "-R: :000025 is no port of a listener"),
        (
            "nonsense",
            '-R takes socket, :port, addresses and networks: "nonsense" is neither an address nor a network',
        ),
    ],
)
def test_a_mistake_in_them_is_named_with_what_they_are(value: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reinjectors([value])
    assert str(caught.value) == said


def test_the_first_and_the_last_port_and_all_options_together() -> None:
    named = parse_reinjectors([":1,:65535", "socket,192.0.2.0/24", "::1"])
    assert named.ports == {1, 65535}
    assert named.socket
    assert named.has(offered(b"192.0.2.9:5", b""))
    assert named.has(offered(b"[::1]:5", b"", b"[::1]:25"))
    assert not parse_reinjectors([]).has(offered(b"192.0.2.9:5", b""))


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
        (None, b"example.org", True),
    ],
)
def test_logins(login: bytes | None, domain: bytes, allowed: bool) -> None:
    check_login(None, login, domain)
    if allowed:
        check_login(USERS, login, domain)
    else:
        with pytest.raises(Unsigned, match=r"^domain-not-allowed-for-login$"):
            check_login(USERS, login, domain)


def test_logins_are_listed_in_any_case() -> None:
    users = parse_users(content_lines(b"Alice@Example.ORG example.org\nBOB example.net\n"))
    check_login(users, b"alice@example.org", b"example.org")
    check_login(users, b"bob", b"example.net")
    with pytest.raises(Unsigned):
        check_login(users, b"bob", b"example.org")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"alice a.example\nALICE b.example\n", '"ALICE" is listed twice'),
        (b"alice\n", '"alice" has no domain'),
        (b"alice a.example\nalice b.example\n", '"alice" is listed twice'),
        (b"alice exa_mple..org\n", "is not a domain name"),
        (b"alice **.example.org\n", "is not a domain name"),
    ],
)
def test_mistakes_in_the_file_of_logins(text: bytes, reason: str) -> None:
    with pytest.raises(LineError, match=reason.replace("*", r"\*")):
        parse_users(content_lines(text))


def test_a_login_is_read_with_its_domains_and_a_mistake_with_its_line() -> None:
    users = parse_users(content_lines(b"Alice Example.org. *.example.net\n\n* *\n"))
    assert users == {b"alice": frozenset({b"example.org", b"*.example.net"}), b"*": frozenset({b"*"})}
    for text in (b"a b.example\nb c..d\n", b"a b.example\nb\n", b"a b.example\nA c.example\n"):
        with pytest.raises(LineError) as caught:
            parse_users(content_lines(text))
        assert caught.value.number == 2


def test_a_session_without_a_transaction_is_judged_by_what_it_brought(entry: Entry) -> None:
    for source, reason in ((b"unix:/run/smtpd.sock", ""), (b"127.0.0.1:5", "loopback-sender-not-in-domain")):
        client = offered(source, b"")
        client.transaction = None
        assert way(client, entry, [OWN]) == reason
        assert way(client, entry, [OWN, EARLIER]) == "re-injected"


def test_a_message_of_ours_is_signed_as_all_of_the_rules_say(entry: Entry) -> None:
    rules = Rules(lambda: [Entries([entry])], lambda: {b"alice": frozenset({b"example.org"})})
    client = offered(b"127.0.0.1:5", b"a@example.org")

    def chosen(user: bytes | None, value: bytes, *received: bytes, own: Rules = rules) -> object:
        client.user = user
        try:
            return own.choose(client, origin_of(client, OURS), [value], received)
        except Unsigned as reason:
            return str(reason)

    assert chosen(b"alice", b"a@Example.org", OWN) == (b"example.org", (entry,))
    assert chosen(b"bob", b"a@example.org", OWN) == "domain-not-allowed-for-login"
    assert chosen(None, b"a@example.org", OWN) == (b"example.org", (entry,))
    assert chosen(None, b"a@example.org", OWN, EARLIER) == "re-injected"
    assert chosen(None, b"a@example.net", OWN) == "no-key-for-domain"
    assert chosen(None, b"a", OWN) == "malformed-from"
    unknown = Rules(rules.sources, lambda: None, sign_unknown=True)
    assert chosen(b"bob", b"a@example.net", OWN, own=unknown) == (b"example.net", (entry,))
    again = Rules(rules.sources, lambda: None, reinjectors=parse_reinjectors(["127.0.0.1"]))
    assert chosen(None, b"a@example.org", OWN, EARLIER, own=again) == (b"example.org", (entry,))
