"""Messages judged by what is in them: filter-clamav and filter-spamassassin, and the quarantine behind them."""

from __future__ import annotations

from typing import Final

from demo import zone
from demo.host import FILTERCTL, run
from demo.stage import Scene, Seen, Stage, mail, send
from tools.private_smtpd.backends import GTUBE, infected_archive

SENDER: Final = "offers@good.example"
PARTS: Final = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n'


def spam(stage: Stage) -> Seen:
    subject = stage.subject("riches")
    text = mail(subject, f"\n{GTUBE.decode()}\n", sender=SENDER)
    return send(stage, zone.GOOD, sender=SENDER, text=text, subject=subject)


def virus(stage: Stage) -> Seen:
    subject = stage.subject("bill")
    return send(
        stage,
        zone.GOOD,
        sender=SENDER,
        text=mail(subject, infected_archive(), sender=SENDER, mime=PARTS),
        subject=subject,
    )


def scored(stage: Stage) -> Seen:
    """examples/tables/sender-scores gives this sender 10 points: more than 5, less than 12."""
    sender = "offers@bad.example.com"
    return send(stage, zone.BULK, helo="mx.bad.example.com", sender=sender)


def released(stage: Stage) -> Seen:
    """A mail about spam, refused as spam; the operator looks at it and gives it back."""
    refused = spam(stage)
    name = refused.answer.rpartition("id ")[2]
    said = run(stage.smtpd, FILTERCTL, "quarantine", "-q", "/var/spool/quarantine/spam", "release", name)
    folder, text = stage.mailbox(f"riches ({stage.last})")
    kept = "as it was sent" if GTUBE in text else "changed"
    return Seen(f"250 {' '.join(said.split())}", "filterctl", f"was refused: {refused.answer}", f"bob{folder}: {kept}")


CONTENTS: Final = (
    Scene("good server", zone.GOOD, "spam (GTUBE)", spam, 550),
    Scene("good server", zone.GOOD, "a virus (EICAR) in a zip file", virus, 554),
    Scene("sender with points", zone.BULK, "a mail", scored, 250),
    Scene("operator", "here", "filterctl quarantine release", released, 250),
)
