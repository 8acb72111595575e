"""A filter may have a word of its own for a message that it lets pass; what it refuses is called refused."""

from __future__ import annotations

import pytest

from filter_api import Filter, Message, Reject, Session, Verdict
from filter_api.testing.player import Player

TEXT = b"From: a@example.org\r\n\r\nhello\r\n"


class Saying(Filter):
    name = "filter-saying"

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def on_message(self, session: Session, message: Message) -> Verdict:
        return self.verdict


@pytest.mark.parametrize(
    ("verdict", "observe", "action"),
    [
        (Verdict(facts={"action": "mark"}), False, "mark"),
        (Verdict(facts={"action": "mark"}), True, "observe-mark"),
        (Verdict(facts={"action": "two words"}), False, '"two words"'),
        (Verdict(facts={"action": 7}), False, "proceed"),
        (Verdict(facts={"reason": "mark"}), True, "observe-proceed"),
        (Verdict(Reject(550, "5.7.1", "no"), facts={"action": "mark"}), False, "reject"),
        (Verdict(Reject(550, "5.7.1", "no"), facts={"action": "mark"}), True, "observe-reject"),
    ],
)
def test_the_log_has_the_word_of_the_filter_for_what_passes(verdict: Verdict, observe: bool, action: str) -> None:
    with Player(Saying(verdict), observe=observe) as player:
        client = player.connect("192.0.2.1")
        client.helo("client.example.net")
        client.mail(TEXT)
        [line] = [line for line in player.log if " message " in line]
    assert f" action={action} " in line
    assert line.count("action=") == 1
