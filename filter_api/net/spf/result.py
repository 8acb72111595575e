"""What an SPF check comes to (RFC 7208 §2.6), and what a pass is worth."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Result(enum.Enum):
    """The results of RFC 7208 §2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - the word of the RFC, not a password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Weakness(enum.Enum):
    """Why a match says nothing about the client: anybody could have it."""

    NONE = ""
    ALL = "all"  # it matches every client
    WIDE = "wide"  # the network is wide, or those of the record are many
    PTR = "ptr"  # the client's own reverse DNS says so
    EXISTS = "exists"  # a zone may answer every question
    MACRO = "macro"  # the names asked for are made of what the client is or says


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What a check came to.

    `mechanism` is what matched, as the record has it without its qualifier (``ip4:192.0.2.0/24``), and `domain` the
    one whose record has it; both are empty if nothing matched. `strong` says whether a pass means anything, `weakness`
    why it does not. `ttl` is for how many seconds the answers it rests on may be believed. `why` explains an error in
    a few words.
    """

    result: Result
    mechanism: str = ""
    domain: str = ""
    strong: bool = False
    ttl: int = 0
    why: str = ""
    weakness: Weakness = Weakness.NONE

    @property
    def passed(self) -> bool:
        """Is the result pass, strong or not?"""
        return self.result is Result.PASS

    def vouches(self, *, listed: bool = False) -> bool:
        """Does a pass say something about the client?

        `listed`: the domain is one that the operator has listed for nothing worse than not waiting. Then a name made
        of what the client is or says is believed, too, as hosted SPF works by such names: whoever serves them is chosen
        by the domain, which the operator trusts.
        """
        return self.passed and (self.strong or (listed and self.weakness is Weakness.MACRO))
