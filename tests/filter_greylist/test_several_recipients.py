"""A message without a sender is judged at DATA, for all its recipients at once: the worst outcome decides."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.filter_greylist.smtp import Smtpd

NEW = "new@example.org"
WAITED = "waited@example.org"
WAITING = "waiting@example.org"


def offer(smtpd: Smtpd, *recipients: str) -> str:
    """Offer a bounce for these; the reply to DATA, empty where it was let in."""
    client = smtpd.client()
    client.mail_from("")
    for recipient in recipients:
        client.rcpt_to(recipient)
    said = client.data().reply
    client.vanish()
    return said


@pytest.mark.parametrize("order", [*itertools.permutations([WAITED, WAITING, NEW])])
def test_one_recipient_that_waits_makes_the_message_wait_and_the_longest_wait_is_told(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    with Smtpd(tmp_path) as smtpd:
        offer(smtpd, WAITED)
        smtpd.hands.advance(1200)
        offer(smtpd, WAITING)
        smtpd.hands.advance(300)
        assert offer(smtpd, WAITED) == ""
        assert offer(smtpd, *order).endswith("in 25 minutes")
        assert offer(smtpd, WAITED, WAITING).endswith("in 20 minutes")
        smtpd.hands.advance(1500)
        assert offer(smtpd, *order) == ""
