"""What a transaction knows of its envelope, and whether it knows all of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filter_api import Filter, Message, Proceed, Session, Verdict
from filter_api.bounds import MAX_RECIPIENT_BYTES, MAX_RECIPIENTS, MAX_REPORTED_ADDRESS
from filter_api.decision import Decision
from filter_api.session import PerSession, PerTransaction, Transaction
from filter_api.testing import Player, Transcript
from filter_api.testing.player import Client

BOB = b"bob@example.net"
LONG = b"l" * 244 + b"@example.net"  # 256 bytes
LONGER = b"m" * 300 + b"@example.net"
LONGEST_REPORTED = b"n" * (MAX_REPORTED_ADDRESS - 12) + b"@example.net"
ROUTED = b"@" + b"r" * 250 + b".example:bob@example.net"  # a short address behind a long source route
TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*/*.txt"))


class Watcher(Filter):
    """Notes what it is told of each message."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, list[bytes], int, bytes | None]] = []

    def on_message(self, session: Session, message: Message) -> Verdict:
        transaction = session.transaction
        assert transaction is not None
        self.seen.append(
            (transaction.recipients_complete, transaction.recipients, transaction.recipient_count, transaction.sender)
        )
        return Verdict()


def outcome(client: Client, sender: bytes | str, *recipients: bytes) -> tuple[bool, list[bytes], int, bytes | None]:
    assert isinstance(client._player, Player)
    filter_ = client._player.filter
    assert isinstance(filter_, Watcher)
    client.mail_from(sender)
    for recipient in recipients:
        client.rcpt_to(recipient)
    client.message()
    return filter_.seen[-1]


def test_usual_envelopes_are_complete() -> None:
    with Player(Watcher()) as smtpd:
        client = smtpd.connect()
        assert outcome(client, "a@example.org", BOB) == (True, [BOB], 1, b"a@example.org")
        assert outcome(client, "", BOB, b"postmaster") == (True, [BOB, b"postmaster"], 2, b"")
        assert outcome(client, LONGEST_REPORTED, LONGEST_REPORTED, BOB)[0]


@pytest.mark.parametrize("hidden", [LONG, LONGER, ROUTED], ids=["256 bytes", "312 bytes", "source route"])
@pytest.mark.parametrize("others", [[], [BOB], [BOB, b"carol@example.net"]], ids=["alone", "one", "two"])
def test_an_address_too_long_for_a_report_is_known_and_the_list_not_complete(
    hidden: bytes, others: list[bytes]
) -> None:
    for place in range(len(others) + 1):
        recipients = [*others[:place], hidden, *others[place:]]
        with Player(Watcher()) as smtpd:
            found = outcome(smtpd.connect(), hidden, *recipients)
        assert found == (False, recipients, len(recipients), hidden)


def test_a_long_address_that_smtpd_refused_changes_nothing() -> None:
    with Player(Watcher()) as smtpd:
        client = smtpd.connect()
        client.mail_from()
        client.rcpt_to(LONG, result="permfail")
        client.rcpt_to(BOB)
        client.rcpt_to(LONGER, result="tempfail")
        client.message()
        assert isinstance(smtpd.filter, Watcher)
        assert smtpd.filter.seen[-1][:3] == (True, [BOB], 1)


def test_a_new_transaction_knows_nothing_of_the_last_one() -> None:
    with Player(Watcher()) as smtpd:
        client = smtpd.connect()
        assert not outcome(client, LONG, LONG)[0]
        assert outcome(client, "a@example.org", BOB) == (True, [BOB], 1, b"a@example.org")
        client.mail_from(LONG)
        client.rcpt_to(LONG)
        client.rset()
        assert outcome(client, "b@example.org", BOB) == (True, [BOB], 1, b"b@example.org")


# --- filters that are not asked: one before them has answered --------------------------------------------------------


def events(*rcpts: tuple[bytes, int, bool]) -> Iterator[Callable[[Transaction], None]]:
    """What smtpd reports of some RCPT TO: (address, envelopes, whether the request was seen)."""
    for address, envelopes, seen in rcpts:
        if seen:
            yield lambda transaction, address=address: transaction.recipient_asked(address)  # type: ignore[misc]
        for _ in range(envelopes):
            yield lambda transaction: transaction.envelope_made()
        if len(address) <= MAX_REPORTED_ADDRESS:
            yield lambda transaction, address=address, ok=envelopes > 0: transaction.recipient_told(  # type: ignore[misc]
                address, accepted=ok
            )


def told(*rcpts: tuple[bytes, int, bool]) -> Transaction:
    transaction = Transaction()
    for event in events(*rcpts):
        event(transaction)
    return transaction


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("envelopes", [1, 2])
def test_a_hidden_recipient_is_never_overlooked(place: int, envelopes: int, *, seen: bool) -> None:
    rcpts = [(BOB, 1, seen), (b"carol@example.net", 1, not seen)]
    rcpts.insert(place, (LONG, envelopes, False))
    assert not told(*rcpts).recipients_complete


def test_nor_behind_one_that_is_refused() -> None:
    assert not told((LONG, 1, False), (BOB, 0, False), (BOB, 1, True)).recipients_complete
    assert not told((BOB, 1, True), (LONG, 1, False), (b"x@example.net", 0, True)).recipients_complete


def test_an_alias_with_many_envelopes_is_one_recipient() -> None:
    transaction = told((BOB, 5, True), (b"carol@example.net", 1, True))
    assert transaction.recipients_complete
    assert transaction.recipient_count == 2
    assert told((LONG, 5, True)).recipient_count == 1


def test_an_alias_whose_request_was_not_seen_may_hide_somebody() -> None:
    assert not told((BOB, 2, False)).recipients_complete
    assert told((BOB, 1, False), (b"carol@example.net", 1, False)).recipients_complete


def test_completeness_is_never_claimed_wrongly_and_always_where_requests_are_seen() -> None:
    chance = random.Random(9)
    for _ in range(5_000):
        addresses = [BOB, LONG, b"c@example.net", LONGER]
        rcpts = [
            (chance.choice(addresses), chance.choice([0, 1, 1, 1, 3]), chance.random() < 0.7)
            for _ in range(chance.randint(1, 6))
        ]
        hidden = any(len(address) > MAX_REPORTED_ADDRESS and envelopes for address, envelopes, _ in rcpts)
        complete = told(*rcpts).recipients_complete
        assert not (complete and hidden), rcpts
        if all(seen for _, _, seen in rcpts) and any(envelopes for _, envelopes, _ in rcpts):
            assert complete == (not hidden), rcpts


def test_a_smtpd_that_reports_no_envelopes() -> None:
    """Then nothing shows whether a long address was accepted; short ones are reported as ever."""
    transaction = Transaction()
    transaction.recipient_asked(BOB)
    transaction.recipient_told(BOB, accepted=True)
    assert transaction.recipients_complete
    transaction.recipient_asked(LONG)
    assert not transaction.recipients_complete


# --- bounds --------------------------------------------------------------------------------------------------------


def test_the_list_is_not_complete_beyond_its_bounds() -> None:
    at_bound = told(*((b"r%d@example.net" % n, 1, True) for n in range(MAX_RECIPIENTS)))
    assert at_bound.recipients_complete
    assert len(at_bound.recipients) == MAX_RECIPIENTS
    beyond = told(*((b"r%d@example.net" % n, 1, True) for n in range(MAX_RECIPIENTS + 1)))
    assert not beyond.recipients_complete
    assert (len(beyond.recipients), beyond.recipient_count) == (MAX_RECIPIENTS, MAX_RECIPIENTS + 1)


def test_a_thousand_addresses_of_two_thousand_bytes_are_not_kept() -> None:
    transaction = told(*((b"%d" % n + b"x" * 1_990, 1, True) for n in range(MAX_RECIPIENTS)))
    assert transaction.recipient_count == MAX_RECIPIENTS
    assert sum(map(len, transaction.recipients)) <= MAX_RECIPIENT_BYTES
    assert not transaction.recipients_complete


def test_a_thousand_of_the_longest_usual_addresses_are_kept() -> None:
    names = [b"%04d" % n + b"x" * (MAX_REPORTED_ADDRESS - 4) for n in range(MAX_RECIPIENTS)]
    assert told(*((name, 1, True) for name in names)).recipients == names


# --- senders -------------------------------------------------------------------------------------------------------


def test_a_sender_that_smtpd_does_not_report_is_unknown_if_another_filter_answered() -> None:
    with Player(Watcher()) as smtpd:
        client = smtpd.connect()
        client.report("tx-begin", b"00100000")
        client.report("tx-rcpt", b"00100000", b"ok", BOB)
        (session,) = smtpd.dispatcher.sessions.open.values()
        assert session.transaction is not None
        assert not session.transaction.sender_known
        client.report("tx-mail", b"00100000", b"ok", b"")
        assert session.transaction.sender_known


def test_a_sender_that_smtpd_refused_after_the_filters_is_not_that_of_the_next_transaction() -> None:
    """``MAIL FROM:<listed@example.org> NONSENSE`` is refused after the filters were asked."""
    with Player(Watcher()) as smtpd:
        client = smtpd.connect()
        client._ask(b"mail-from", b"listed@example.org")
        client.report("tx-mail", b"00000000", b"permfail", b"listed@example.org")
        client.report("tx-begin", b"00100000")  # its request was answered by a filter before, its sender is long
        (session,) = smtpd.dispatcher.sessions.open.values()
        assert session.transaction is not None
        assert not session.transaction.sender_known


def test_a_nested_mail_from_changes_nothing() -> None:
    with Player(Watcher()) as smtpd:
        client = smtpd.connect()
        client.mail_from("a@example.org")
        client.report("tx-mail", client._msgid, b"permfail", b"listed@example.org")
        (session,) = smtpd.dispatcher.sessions.open.values()
        assert session.sender == b"a@example.org"


# --- what was recorded -----------------------------------------------------------------------------------------------


class Recorded(Watcher):
    """Has a say wherever the recorded filter had."""

    def on_connect(self, session: Session) -> Decision:
        return Proceed()

    def on_helo(self, session: Session, identity: bytes) -> Decision:
        return Proceed()

    def on_starttls(self, session: Session) -> Decision:
        return Proceed()

    def on_data(self, session: Session) -> Decision:
        return Proceed()


@pytest.mark.parametrize("version", ["6.8.0p2", "7.8.0p1"])
def test_recorded_envelopes_are_complete(version: str) -> None:
    found = 0
    for path in TRANSCRIPTS:
        if path.parent.name != version:
            continue
        for wire in Transcript.read(path).wires():
            filter_ = Recorded()
            with Player(filter_, protocol="0.6" if version.startswith("6") else "0.7") as smtpd:
                smtpd.play(wire)
            assert all(complete and recipients for complete, recipients, *_ in filter_.seen), path
            found += len(filter_.seen)
    assert found > 20


@pytest.mark.parametrize("kind", [PerSession, PerTransaction])
def test_a_value_in_place_of_what_makes_it_is_refused_at_once(kind: type) -> None:
    """It would be the same one for all, if it did not fail for each mail."""
    with pytest.raises(TypeError, match=f"{kind.__name__} takes what makes a value, such as list, not dict"):
        kind({})
