"""Two mail servers with one greylist, one of which dies (examples/two-mx.conf)."""

from __future__ import annotations

from typing import Final

from demo import zone
from demo.pair import FIRST, SECOND, open_pair
from demo.stage import Scene, Seen, Stage, mail
from tools.private_smtpd import wait_until


def killed(stage: Stage) -> Seen:
    """The first one tells a stranger to wait, and dies; the second one knows that he has waited."""
    sender, subject = "alice@good.example", stage.subject("to two")
    text = mail(subject)
    with open_pair(stage.smtpd.version, zone.ZONE) as (first, second):
        told = first.offer(zone.GOOD, sender, text, "mx1.good.example")
        first.kill()
        reply = second.offer(zone.GOOD, sender, text, "mx1.good.example")
        found: list[bytes] = []
        if reply.code == 250:
            wait_until(lambda: bool(second.smtpd.maildir("bob")), 20, "nothing was delivered")
            found = second.smtpd.maildir("bob")
        there = f"bob, on {SECOND}" if any(subject.encode() in each for each in found) else "nowhere"
        return Seen(str(reply), "", f"at first, by {FIRST}, killed since: {told}", there)


TWO: Final = (Scene("good server", zone.GOOD, "a mail, to one of two, then to the other", killed, 250),)
