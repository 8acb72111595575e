"""What an SPF check comes to (RFC 7208 §2.6)."""

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


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What a check came to.

    `mechanism` is what matched, as the record has it without its qualifier (``ip4:192.0.2.0/24``), and `domain` the
    one whose record has it; both are empty if nothing matched. `strong` says whether a pass means anything. `ttl` is
    for how many seconds the answers it rests on may be believed. `why` explains an error in a few words.
    """

    result: Result
    mechanism: str = ""
    domain: str = ""
    strong: bool = False
    ttl: int = 0
    why: str = ""

    @property
    def passed(self) -> bool:
        """Is the result pass, strong or not?"""
        return self.result is Result.PASS
