"""What a verifier says: RFC 8601 results with a reason for humans, and the terms it was asked on.

Outcome("example.org", "a", "rsa-sha256", Result.PASS).passed      # True
raise Unfit(Result.NEUTRAL, "malformed: t= is not a time")         # inside the verifier only
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from filter_api import bounds


class Result(enum.Enum):
    """A result of RFC 8601 §2.7.1; "none" is an empty list of outcomes."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"  # body or header are not what was signed
    POLICY = "policy"  # it may hold, but it does not count here: weak hash, short key, expired, part of the body
    NEUTRAL = "neutral"  # the signature cannot be read
    TEMPERROR = "temperror"  # the DNS did not say
    PERMERROR = "permerror"  # no usable key, or a signature that contradicts itself


class Unfit(Exception):
    """Why a signature is no pass. The text names the tag where one is to blame."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result

    def kept(self) -> Unfit:
        """The same to be kept: what was raised holds the frames it went through, and they hold the message and it."""
        return Unfit(self.result, str(self))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a signature must come up to.

    bits: size of the shortest RSA key. ahead: seconds that t= may lie ahead of our clock; None: a note, no more.
    partial: whether l= may leave a part of the body unsigned, which then is a note.
    """

    bits: int = 1024
    ahead: int | None = None
    partial: bool = True


PLAIN: Final = Terms()
"""RFC 6376 as it stands: whether the signature holds. For a person who looks at a message."""

RECEIVER: Final = Terms(ahead=bounds.SIGNED_AHEAD, partial=False)
"""Whether the signature says anything about the message as a whole. For a filter."""

_WORDS: Final = {Result.PASS: "pass", Result.TEMPERROR: "unknown"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one signature; `notes` are worth a look even if it passed. All texts are printable ASCII.

    name: d= as the DNS has it, A-labels in lower case; empty where it is no name. start: the first eight characters of
    b=, by which readers tell the signatures of a message apart (RFC 6008).
    """

    domain: str
    selector: str
    algorithm: str
    result: Result
    reason: str = ""
    notes: tuple[str, ...] = ()
    name: str = ""
    start: str = ""

    @property
    def passed(self) -> bool | None:
        """None where the DNS could not tell."""
        return None if self.result is Result.TEMPERROR else self.result is Result.PASS

    def __str__(self) -> str:
        """One line; its first word is pass, fail or unknown, and a note has the result where that says more."""
        word = _WORDS.get(self.result, "fail")
        notes = self.notes
        if self.result in {Result.POLICY, Result.NEUTRAL, Result.PERMERROR}:
            notes = (f"dkim={self.result.value}", *notes)
        shown = "".join(f" ({note})" for note in notes)
        reason = f": {self.reason}" if self.reason else ""
        return f"{word} d={self.domain} s={self.selector} a={self.algorithm}{reason}{shown}"
