"""What each report and each request tells of its session, line by line, in any order."""

from __future__ import annotations

import pytest

from filter_api.facts import FOLD, FOLDED, REQUEST_FOLD, tx_reset
from filter_api.session import Session, Transaction

FIRST, SECOND = b"0a1b2c3d", b"0a1b2c3e"


def told(session: Session, event: str, *fields: bytes) -> Session:
    """The session after one report, of which everything but the fields is the same."""
    head = [b"report", b"0.7", b"1795162010.221831", b"smtp-in", event.encode(), session.id]
    FOLD[event.encode()](session, [*head, *fields])
    return session


def asked(session: Session, phase: bytes, argument: bytes) -> Session:
    REQUEST_FOLD[phase](session, argument)
    return session


@pytest.fixture
def session() -> Session:
    return Session(b"3c1bba49506bc31c")


def running(session: Session) -> Transaction:
    assert session.transaction is not None
    return session.transaction


@pytest.mark.parametrize(("name", "kept"), [(b"mx.example.org", b"mx.example.org"), (b"<unknown>", None), (b"", None)])
@pytest.mark.parametrize("confirmed", ["pass", "fail", "error", "some-day"])
def test_a_connection_tells_name_and_both_ends(
    session: Session, name: bytes, kept: bytes | None, confirmed: str
) -> None:
    told(session, "link-connect", name, confirmed.encode(), b"192.0.2.1:4711", b"192.0.2.25:25")
    assert (session.rdns, session.fcrdns) == (kept, confirmed)
    assert (session.source, session.destination) == (b"192.0.2.1:4711", b"192.0.2.25:25")


def test_a_confirmation_that_is_no_word_is_kept_as_far_as_it_is_one(session: Session) -> None:
    told(session, "link-connect", b"mx", b"p\xe9", b"192.0.2.1:1", b"192.0.2.25:25")
    assert session.fcrdns == "p\ufffd"


def test_a_greeting_tells_our_name(session: Session) -> None:
    assert told(session, "link-greeting", b"mx.example.org", b"more").hostname == b"mx.example.org"


@pytest.mark.parametrize(("word", "ehlo"), [(b"EHLO", True), (b"ehlo", True), (b"HELO", False), (b"", False)])
def test_an_identification_tells_who_and_how(session: Session, word: bytes, ehlo: bool) -> None:
    told(session, "link-identify", word, b"client.example.net", b"more")
    assert session.ehlo is ehlo
    assert session.identity == b"client.example.net"


def test_encryption_is_told_as_it_is(session: Session) -> None:
    assert told(session, "link-tls", b"TLSv1.3:X:256:NO", b"more").tls == b"TLSv1.3:X:256:NO"


@pytest.mark.parametrize(("outcome", "user"), [(b"pass", b"alice"), (b"fail", None), (b"error", None), (b"PASS", None)])
def test_only_a_login_that_passed_is_one(session: Session, outcome: bytes, user: bytes | None) -> None:
    assert told(session, "link-auth", outcome, b"Alice", b"more").user == user


def test_a_transaction_has_the_id_that_smtpd_told_first(session: Session) -> None:
    assert running(told(session, "tx-begin", FIRST, b"more")).id == FIRST
    assert running(told(session, "tx-mail", FIRST, b"ok", b"a@example.org")).id == FIRST


def test_a_transaction_that_was_asked_for_gets_its_id_and_stays_the_same(session: Session) -> None:
    asked(session, b"mail-from", b"a@example.org")
    began = running(session)
    assert (began.id, began.sender) == (None, b"a@example.org")
    assert running(told(session, "tx-begin", FIRST)) is began
    assert (began.id, began.sender) == (FIRST, b"a@example.org")


@pytest.mark.parametrize("event", ["tx-mail", "tx-rcpt"])
def test_what_is_told_of_another_transaction_is_not_of_this_one(session: Session, event: str) -> None:
    asked(session, b"mail-from", b"a@example.org")
    told(session, "tx-begin", FIRST)
    told(session, "tx-rcpt", FIRST, b"ok", b"bob@example.net")
    told(session, event, SECOND, b"ok", b"c@example.org", b"more")
    transaction = running(session)
    assert transaction.id == SECOND
    assert transaction.sender == (b"c@example.org" if event == "tx-mail" else None)
    assert transaction.recipients == ([] if event == "tx-mail" else [b"c@example.org"])


def test_an_envelope_of_another_transaction_is_not_of_this_one(session: Session) -> None:
    began = running(told(session, "tx-begin", FIRST))
    told(session, "tx-envelope", SECOND, b"0a1b2c3d11111111", b"more")
    assert running(session) is not began
    assert running(session).id == SECOND
    assert began.recipients_complete


@pytest.mark.parametrize("event", ["tx-mail", "tx-rcpt", "tx-envelope"])
def test_what_is_told_first_of_a_transaction_that_was_asked_for_gives_it_its_id(session: Session, event: str) -> None:
    asked(session, b"mail-from", b"a@example.org")
    began = running(session)
    told(session, event, FIRST, b"ok", b"a@example.org", b"more")
    assert running(session) is began
    assert (began.id, began.sender) == (FIRST, b"a@example.org")


@pytest.mark.parametrize("event", ["tx-mail", "tx-rcpt", "tx-envelope"])
def test_a_transaction_nobody_told_of_begins_with_what_is_told_of_it(session: Session, event: str) -> None:
    fields = (FIRST, b"ok", b"bob@example.net") if event != "tx-envelope" else (FIRST, b"0a1b2c3d11111111", b"more")
    transaction = running(told(session, event, *fields))
    assert transaction.id == FIRST
    assert transaction.sender == (b"bob@example.net" if event == "tx-mail" else None)
    assert transaction.recipients == ([b"bob@example.net"] if event == "tx-rcpt" else [])
    assert transaction.recipients_complete is (event != "tx-envelope")


def test_what_is_told_of_a_running_transaction_is_added_to_it(session: Session) -> None:
    asked(session, b"mail-from", b"a@example.org")
    began = running(told(session, "tx-begin", FIRST))
    told(session, "tx-mail", FIRST, b"ok", b"A@example.org")
    told(session, "tx-rcpt", FIRST, b"ok", b"bob@example.net")
    told(session, "tx-rcpt", FIRST, b"permfail", b"carol@example.net")
    told(session, "tx-rcpt", FIRST, b"ok", b"dave@example.net")
    assert running(session) is began
    assert began.sender == b"A@example.org"
    assert began.recipients == [b"bob@example.net", b"dave@example.net"]
    assert began.recipients_complete
    told(session, "tx-envelope", FIRST, b"0a1b2c3d11111111")
    assert running(session) is began
    assert not began.recipients_complete


@pytest.mark.parametrize("outcome", [b"tempfail", b"permfail", b"OK"])
def test_a_recipient_refused_in_a_transaction_nobody_told_of_begins_none(session: Session, outcome: bytes) -> None:
    assert told(session, "tx-rcpt", FIRST, outcome, b"bob@example.net").transaction is None


def test_an_envelope_made_after_a_recipient_was_refused_is_of_somebody_who_is_not_reported(session: Session) -> None:
    told(session, "tx-begin", FIRST)
    asked(session, b"rcpt-to", b"bob@example.net")
    told(session, "tx-rcpt", FIRST, b"permfail", b"bob@example.net")
    assert running(session).recipients_complete
    told(session, "tx-envelope", FIRST, b"0a1b2c3d11111111")
    assert not running(session).recipients_complete


@pytest.mark.parametrize("outcome", [b"tempfail", b"permfail", b"OK"])
def test_a_sender_that_smtpd_refuses_ends_what_its_request_began(session: Session, outcome: bytes) -> None:
    asked(session, b"mail-from", b"a@example.org")
    assert told(session, "tx-mail", FIRST, outcome, b"a@example.org").transaction is None


def test_a_sender_that_is_refused_does_not_end_a_transaction_that_smtpd_announced(session: Session) -> None:
    announced = running(told(session, "tx-begin", FIRST))
    assert told(session, "tx-mail", FIRST, b"permfail", b"a@example.org").transaction is announced


@pytest.mark.parametrize(("name", "kept"), [(b"mx.example.org", b"mx.example.org"), (b"<unknown>", None), (b"", None)])
def test_the_request_tells_of_a_connection_that_no_report_told_of(
    session: Session, name: bytes, kept: bytes | None
) -> None:
    asked(session, b"connect", name + b"|192.0.2.1")
    assert (session.rdns, session.source) == (kept, b"192.0.2.1")
    asked(session, b"connect", b"other.example.org|192.0.2.2")
    assert (session.rdns, session.source) == (kept, b"192.0.2.1")


def test_an_address_may_have_bars_as_a_path_may(session: Session) -> None:
    assert asked(session, b"connect", b"localhost|unix:/run/a|b").source == b"unix:/run/a|b"


def test_the_sender_of_the_request_stands_where_no_report_has_told_it(session: Session) -> None:
    told(session, "tx-begin", FIRST)
    asked(session, b"mail-from", b"a@example.org")
    assert (running(session).id, running(session).sender) == (FIRST, b"a@example.org")
    asked(session, b"mail-from", b"b@example.org")
    assert running(session).sender == b"a@example.org"


def test_a_sender_asked_again_before_any_report_begins_again(session: Session) -> None:
    asked(session, b"mail-from", b"a@example.org")
    first = running(session)
    asked(session, b"mail-from", b"b@example.org")
    assert running(session) is not first
    assert running(session).sender == b"b@example.org"


def test_a_recipient_that_is_asked_for_belongs_to_the_running_transaction(session: Session) -> None:
    assert asked(session, b"rcpt-to", b"bob@example.net").transaction is None
    told(session, "tx-begin", FIRST)
    asked(session, b"rcpt-to", b"l" * 250 + b"@example.net")
    told(session, "tx-envelope", FIRST, b"0a1b2c3d11111111")
    assert running(session).recipients == [b"l" * 250 + b"@example.net"]
    assert not running(session).recipients_complete


def test_a_reset_ends_the_transaction(session: Session) -> None:
    told(session, "tx-begin", FIRST)
    tx_reset(session)
    assert session.transaction is None


def test_every_report_that_tells_something_is_subscribed_to() -> None:
    assert {event.encode() for event in FOLDED} == (FOLD.keys() - {b"link-greeting"}) | {
        b"link-disconnect",
        b"tx-reset",
    }
