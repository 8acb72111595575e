"""How mails that went to or came from Postfix are accounted for."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tools.soak.accounting import Boxes, Ledger
from tools.soak.mails import plain
from tools.soak.postfix import Status

REASON = "host 203.0.113.25[203.0.113.25] said: 554 5.7.1 virus found (in reply to end of DATA command)"
LOST = "lost connection with 203.0.113.25[203.0.113.25] while sending end of data -- message may be sent more than once"
OK = "250 2.0.0 1 Message accepted for delivery"


def boxes(*, mails: int = 0, bounces: int = 0, strange: int = 0) -> Boxes:
    return Boxes(Counter({1: mails} if mails else {}), Counter({1: bounces} if bounces else {}), strange)


def ledger(
    kind: str,
    *tried: tuple[str, str],
    smtpd: Boxes | None = None,
    postfix: Boxes | None = None,
    unsure: bool = False,
) -> Ledger:
    """Of one mail, with the attempts that Postfix logged. unsure: whoever handed it in got no reply at first."""
    statuses = [Status(1, status, text) for status, text in tried]
    mails = {1: plain(1, kind, random.Random(1))}
    again = {1} if unsure else set()
    return Ledger(mails, statuses, smtpd or boxes(), postfix or boxes(), [], Counter(), [], 1.0, again)


@pytest.mark.parametrize(
    "right",
    [
        ledger("ham", ("sent", OK), smtpd=boxes(mails=1)),
        ledger("ham", ("deferred", "451 greylisted"), ("sent", OK), smtpd=boxes(mails=1)),
        ledger("ham", ("deferred", LOST), ("sent", OK), smtpd=boxes(mails=2)),
        ledger("virus", ("bounced", REASON), postfix=boxes(bounces=1)),
        ledger("out", postfix=boxes(mails=1)),
        ledger("refused", smtpd=boxes(bounces=1)),
        ledger("later", postfix=boxes(mails=1)),
        ledger("out", postfix=boxes(mails=2), unsure=True),
        ledger("refused", smtpd=boxes(bounces=2), unsure=True),
    ],
)
def test_what_is_there_once_or_bounced_once_with_a_reason_is_right(right: Ledger) -> None:
    assert list(right.wrongs()) == []
    assert list(right.lines())[-1] == "every mail is accounted for"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (ledger("ham"), "never tried"),
        (ledger("ham", ("sent", OK)), "there 0 times"),
        (ledger("ham", ("sent", OK), smtpd=boxes(mails=2)), "there 2 times"),
        (ledger("ham", ("deferred", LOST), ("sent", OK), smtpd=boxes(mails=3)), "there 3 times"),
        (ledger("ham", ("sent", OK), smtpd=boxes(mails=1), postfix=boxes(bounces=1)), "bounced 1 times"),
        (ledger("ham", ("deferred", "451 greylisted")), "ended as deferred"),
        (ledger("ham", ("bounced", REASON), postfix=boxes(bounces=1)), "refused (host"),
        (ledger("virus", ("sent", OK), smtpd=boxes(mails=1)), "got in"),
        (ledger("virus", ("bounced", REASON)), "bounced 0 times"),
        (ledger("virus", ("bounced", REASON), smtpd=boxes(mails=1), postfix=boxes(bounces=1)), "there 1 times"),
        (ledger("virus", ("bounced", "mail loops back to myself"), postfix=boxes(bounces=1)), "without a reason"),
        (ledger("out"), "there 0 times"),
        (ledger("out", postfix=boxes(mails=1), smtpd=boxes(bounces=1)), "bounced 1 times"),
        (ledger("out", postfix=boxes(mails=2)), "there 2 times"),
        (ledger("out", unsure=True), "there 0 times"),
        (ledger("refused"), "bounced 0 times"),
        (ledger("ham", ("sent", OK), smtpd=boxes(mails=1, strange=1)), "without a token"),
    ],
)
def test_what_is_lost_doubled_or_let_in_is_wrong(wrong: Ledger, says: str) -> None:
    (found,) = wrong.wrongs()
    assert says in found
    assert list(wrong.lines())[-1] == "FAILED: 1"


def test_a_mail_is_told_from_a_bounce_that_holds_it_and_from_a_warning(tmp_path: Path) -> None:
    texts = {
        "mail": "Received: by mx (OpenSMTPD) with ESMTP id 1a2b\nSubject: soak 7\n\nhello\n",
        "the same": "Received: by mx (OpenSMTPD) with ESMTP id 1a2b\nSubject: soak 7\n\nhello\n",
        "taken twice": "Received: by mx (OpenSMTPD) with ESMTP id 3c4d\nSubject: soak 7\n\nhello\n",
        "bounce": "Subject: Undelivered Mail Returned to Sender\n\nsorry\n\nSubject: soak 8\n\nhello\n",
        "warning": "Subject: Delivery status notification: delayed\n\nit is late\n\nSubject: soak 9\n\nhello\n",
        "other": "Subject: something else\n\nhello\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert Boxes.of(tmp_path.iterdir()) == Boxes(Counter({7: 2}), Counter({8: 1}), strange=1, again=1)
