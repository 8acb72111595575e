"""Senders judged by how they behave: filter-greylist."""

from __future__ import annotations

from typing import Final

from demo import zone
from demo.stage import Scene, Seen, Stage, mail, send

NEWS: Final = "news@pool.example"


def stranger(stage: Stage) -> Seen:
    """The first try of a server that is new here."""
    return send(stage, zone.SPAMMER, helo="mx.spam.example", sender="offers@spam.example", again=False)


def pool(stage: Stage) -> Seen:
    """The same mail from another address of the pool: the second try of the first one, as SPF says."""
    subject = stage.subject("newsletter")
    text = mail(subject, sender=NEWS)
    first = send(stage, zone.POOL[0], helo="out1.pool.example", sender=NEWS, text=text, subject=subject, again=False)
    seen = send(stage, zone.POOL[1], helo="out2.pool.example", sender=NEWS, text=text, subject=subject, again=False)
    return Seen(seen.answer, seen.filter, f"at first, from {zone.POOL[0]}: {first.answer}", seen.delivered)


def large(stage: Stage) -> Seen:
    """common_domains names it, and SPF says that this is it."""
    return send(stage, zone.LARGE, helo="out77.large.example", sender="joe@large.example", again=False)


def trap(stage: Stage) -> Seen:
    """Nobody ever had this address."""
    return send(
        stage,
        zone.SPAMMER,
        helo="mx.spam.example",
        sender="list@spam.example",
        recipient="never-used@example.org",
        again=False,
    )


def trapped(stage: Stage) -> Seen:
    """Whoever walked into a trap is not let in anywhere else."""
    trap(stage)
    return send(stage, zone.SPAMMER, helo="mx.spam.example", sender="other@spam.example", again=False)


GREYLIST: Final = (
    Scene("new server", zone.SPAMMER, "its first mail", stranger, 451),
    Scene("server of a pool", zone.POOL[1], "what another of the pool has tried before", pool, 250),
    Scene("large sender", zone.LARGE, "its first mail", large, 250),
    Scene("list of addresses", zone.SPAMMER, "mail to a trap", trap, 450),
    Scene("list of addresses", zone.SPAMMER, "mail to bob, later", trapped, 450),
)
