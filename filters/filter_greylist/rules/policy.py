"""The rules of the greylist, free of time, network and store: facts in, an outcome out.

A delivery is judged in two steps, because the tuple is only looked up (and written) when nothing else decides:

    outcome = before_tuple(known, facts, now)         # white, trapped, learned, trap …
    if outcome is None:
        life = the store's answer for the tuple       # what `advance` says it is after this attempt
        outcome = on_tuple(life, facts, now, timers)

`advance` is the heart of greylisting; both stores carry it out, one in SQL, one in Lua, and are tested against it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from filter_greylist.rules.records import DOMAIN_MESSAGES, SLACK, TRAP_SECONDS, Life, Timers


class Known(NamedTuple):
    """What a store has about a client, its sender and a recipient: None where there is nothing."""

    white: Life | None = None
    trapped: Life | None = None
    spamtrap: Life | None = None
    pair: Life | None = None
    domain: Life | None = None


REASONS: Final = ("new", "early", "full", "trapped", "spamtrap", "trap-file", "foreign-domain", "low-priority-mx")
"""Of delays and traps."""


class Facts(NamedTuple):
    """What the filter found out about a delivery.

    spf_strong: SPF passes for the sender's domain by a mechanism that names this client. common: the client sends for a
    common domain. trap: the recipient is a trap of option -t or outside the domains of -a. trap_settled: the client may
    be trapped for that, not only refused. suspicious: always, without -u. low_mx: the client came to the low-priority
    MX, and the primary one is alive.
    """

    null_sender: bool = False
    spf_strong: bool = False
    common: bool = False
    trap: str = ""
    trap_settled: bool = True
    suspicious: bool = True
    low_mx: bool = False


class Pass(NamedTuple):
    """Let it in; delayed: seconds since the tuple was first seen, if it had to wait."""

    reason: str
    delayed: int = 0


class Delay(NamedTuple):
    """Come back in `seconds`."""

    reason: str
    seconds: int


class Trap(NamedTuple):
    """The client is trapped; `fresh` if by this delivery, which is then to be stored."""

    reason: str
    fresh: bool


Outcome = Pass | Delay | Trap


def alive(life: Life | None, now: int) -> bool:
    """Whether a record still holds."""
    return life is not None and now < life.expires


def trapped(life: Life | None, now: int) -> bool:
    """Whether a trap holds; one that lasts longer than a trap can was set by a clock that was wrong."""
    return life is not None and now < life.expires <= now + TRAP_SECONDS + SLACK


def learned(known: Known, now: int) -> bool:
    """Whether our own users wrote to this sender, or often enough to its domain."""
    if known.pair is not None and now < known.pair.expires:
        return True
    domain = known.domain
    return domain is not None and now < domain.expires and domain.passed >= DOMAIN_MESSAGES


def of_client(known: Known, facts: Facts, now: int) -> Outcome | None:
    """What is known of the client alone, before DNS is asked anything. None: go on."""
    if alive(known.white, now):
        return Pass("white")
    if trapped(known.trapped, now):
        return Trap("trapped", fresh=False)
    if not facts.suspicious and not trap_reason(known, facts, now):
        return Pass("unsuspicious")
    return None


def before_tuple(known: Known, facts: Facts, now: int) -> Outcome | None:
    """Everything that decides without the tuple. None: the tuple decides.

    A null sender is never trapped: whoever forges a sender would make honest servers bounce into the trap.
    """
    if (outcome := of_client(known, facts, now)) is not None:
        return outcome
    if facts.common:
        return Pass("common")
    if facts.spf_strong and learned(known, now):
        return Pass("learned")
    reason = trap_reason(known, facts, now)
    if reason and not facts.null_sender:
        return Trap(reason, fresh=facts.trap_settled or reason == "spamtrap")
    if not facts.suspicious:
        return Pass("unsuspicious")
    return None


def trap_reason(known: Known, facts: Facts, now: int) -> str:
    """Why this recipient is a trap; empty if it is none."""
    return "spamtrap" if alive(known.spamtrap, now) else facts.trap


def advance(life: Life | None, now: int, timers: Timers) -> Life:
    """A tuple after an attempt at `now`, from what it was before (None: never seen).

    An early retry leaves the clock alone. One that passed lives on for greyexp, so that the refusal of a later filter
    does not greylist it again. A tuple seen first in the future comes from a clock that was wrong: it starts afresh.
    """
    if life is None or now >= life.expires or life.first > now + SLACK:
        return Life(now, now + timers.passes, now + timers.grey, 1, 0)
    if life.passed or now >= life.passes:
        return Life(life.first, life.passes, now + timers.grey, life.blocked, life.passed + 1)
    return life._replace(blocked=life.blocked + 1)


def on_tuple(life: Life | None, facts: Facts, now: int, timers: Timers) -> Outcome:
    """The outcome from the tuple as the store left it; None: the store is full and has not kept it."""
    if life is None:
        return Delay("full", timers.passes)
    if life.passed:
        return Pass("retried", max(0, now - life.first))
    new = life.blocked <= 1
    if new and facts.low_mx and not facts.null_sender:
        return Trap("low-priority-mx", fresh=True)
    return Delay("new" if new else "early", max(0, life.passes - now))


def minutes_left(seconds: int) -> int:
    """Seconds as the minutes a client is told: rounded up, at least one."""
    return max(1, -(-seconds // 60))
