"""What the log says of each decision: the keys, their values and their order."""

from __future__ import annotations

import logging

import pytest

from filter_api.decision import Decision, Disconnect, Junk, Proceed, Reject, Rewrite, Verdict
from filter_api.log import Logger
from filter_api.message.message import Message
from filter_api.protocol.events import Request
from filter_api.runtime import decision_log
from filter_api.session import Session, Transaction

SID, TOKEN = b"3c1bba49506bc31c", b"80bb07f5d532c2d0"


def client(sender: bytes | None = None, *recipients: bytes) -> Session:
    session = Session(SID)
    session.source, session.rdns, session.identity = b"192.0.2.1:4711", b"mx.example.net", b"helo.example"
    if sender is not None or recipients:
        session.transaction = Transaction()
        session.transaction.sender = sender
        for recipient in recipients:
            session.transaction.add_recipient(recipient)
    return session


def message(text: bytes) -> Message:
    held = Message()
    held.append(text)
    return held


def told(session: Session, phase: bytes, argument: bytes, decided: Decision, *, observe: bool = False) -> str:
    """The one line."""
    lines: list[tuple[int, str]] = []
    log = Logger(lambda level, line: lines.append((level, line)))
    decision_log.decision(log, session, Request(phase, SID, TOKEN, argument), decided, observe=observe)
    [(level, line)] = lines
    assert level == logging.INFO
    return line


WHO = "client=192.0.2.1 rdns=mx.example.net helo=helo.example"
NO = Reject(550, "5.7.1", "no", facts={"reason": "x"})


@pytest.mark.parametrize(
    ("phase", "argument", "decided", "line"),
    [
        (b"connect", b"x", Disconnect(421, None, "bye"), f'connect action=disconnect reply="421 bye" {WHO}'),
        (b"ehlo", b"x", Rewrite("y"), f"ehlo action=rewrite argument=y {WHO}"),
        (b"data", b"", Junk(facts={"score": 7}), f"data action=junk score=7 {WHO} from=<a@example.org>"),
        (b"helo", b"", Proceed(facts={"why": "x"}), f"helo action=proceed why=x {WHO} from=<a@example.org>"),
        (
            b"mail-from",
            b"b@example.org",
            NO,
            f'mail-from action=reject reply="550 5.7.1 no" reason=x {WHO} from=<b@example.org>',
        ),
        (
            b"rcpt-to",
            b"bob@example.net",
            NO,
            f'rcpt-to action=reject reply="550 5.7.1 no" reason=x {WHO} from=<a@example.org> to=<bob@example.net>',
        ),
    ],
)
def test_a_decision_on_a_command_is_this_line(phase: bytes, argument: bytes, decided: Decision, line: str) -> None:
    session = client() if phase in {b"connect", b"ehlo"} else client(b"a@example.org")
    assert told(session, phase, argument, decided) == f"{SID.decode()} {line}"
    observed = told(session, phase, argument, decided, observe=True)
    assert observed == f"{SID.decode()} {line.replace('action=', 'action=observe-')}"


def test_the_null_sender_is_told_and_an_unknown_one_is_not() -> None:
    assert told(client(b""), b"data", b"", Junk()).endswith("helo=helo.example from=<>")
    assert told(client(None, b"x"), b"data", b"", Junk()).endswith("helo=helo.example")
    assert told(client(), b"mail-from", b"", Junk()).endswith("helo=helo.example from=<>")


MAIL = b"Subject: hello\nMessage-ID: <1@example.org>\n\nbody"


def test_a_message_is_one_line_with_subject_and_id_at_its_end() -> None:
    verdict = Verdict(
        Reject(550, None, "no", facts={"reason": "x", "subject": "old"}), facts={"score": 7, "reason": "y"}
    )
    session = client(b"a@example.org", b"bob@example.net", b"carol@example.net")
    level, whose, what, values = decision_log.of_message(session, message(MAIL), verdict, delay=0.25, observe=False)
    assert (level, whose, what) == (logging.INFO, session, "message")
    assert list(values.items()) == [
        ("score", 7),
        ("reason", "x"),
        ("action", "reject"),
        ("reply", "550 no"),
        ("client", "192.0.2.1"),
        ("from", b"<a@example.org>"),
        ("to", b"<bob@example.net>,<carol@example.net>"),
        ("size", 49),
        ("delay", "0.2"),
        ("subject", b"hello"),
        ("msgid", b"<1@example.org>"),
    ]


def test_a_message_without_a_transaction_or_a_header_is_told_all_the_same() -> None:
    _, _, _, values = decision_log.of_message(client(), message(b"\n"), Verdict(), delay=1.25, observe=True)
    assert values["action"] == "observe-proceed"
    assert (values["from"], values["to"]) == (None, b"")
    assert (values["subject"], values["msgid"], values["delay"]) == (b"", b"", "1.2")


def test_what_the_filter_knows_of_the_header_is_what_is_told() -> None:
    known = Verdict(facts={"subject": "decoded", "msgid": "2", "score": 1})
    _, _, _, values = decision_log.of_message(client(), message(MAIL), known, delay=0.0, observe=False)
    assert list(values.items())[-2:] == [("subject", "decoded"), ("msgid", "2")]
    half = Verdict(facts={"subject": "decoded"})
    _, _, _, values = decision_log.of_message(client(), message(MAIL), half, delay=0.0, observe=False)
    assert (values["subject"], values["msgid"]) == (b"hello", b"<1@example.org>")


def test_a_message_that_cannot_be_read_any_more_is_still_worth_its_line() -> None:
    held = message(MAIL)
    held.close()
    _, _, _, values = decision_log.of_message(client(), held, Verdict(), delay=0.0, observe=False)
    assert values["action"] == "proceed"


def test_twenty_recipients_are_named() -> None:
    many = [b"u%d@example.net" % number for number in range(21)]
    _, _, _, values = decision_log.of_message(client(b"", *many), message(MAIL), Verdict(), delay=0.0, observe=False)
    assert values["from"] == b"<>"
    assert values["to"] == b",".join(b"<u%d@example.net>" % number for number in range(20))


def test_a_refusal_of_the_library_is_told_as_done_whatever_the_filter_observes() -> None:
    lines: list[tuple[int, str]] = []
    log = Logger(lambda level, line: lines.append((level, line)))
    decision_log.refusal(log, client(b""), message(MAIL), Reject(550, "5.6.0", "line too long", facts={"reason": "l"}))
    assert lines == [
        (
            logging.INFO,
            f'{SID.decode()} message reason=l action=reject reply="550 5.6.0 line too long" client=192.0.2.1 from=<> '
            'to="" size=49 delay=0.0 subject=hello msgid=<1@example.org>',
        )
    ]


@pytest.mark.parametrize(("observe", "word"), [(False, "trap"), (True, "observe-trap")])
def test_the_filters_own_word_for_what_it_lets_pass_is_the_action_once(*, observe: bool, word: str) -> None:
    own = Verdict(facts={"action": "trap", "score": 1})
    _, _, _, values = decision_log.of_message(client(), message(MAIL), own, delay=0.0, observe=observe)
    assert [(key, value) for key, value in values.items() if key.lower() == "action"] == [("action", word)]
    refused = Verdict(Reject(550, None, "no"), facts={"action": "trap"})
    _, _, _, values = decision_log.of_message(client(), message(MAIL), refused, delay=0.0, observe=False)
    assert values["action"] == "reject"
