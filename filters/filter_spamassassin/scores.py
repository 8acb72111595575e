"""Points for senders (option ``-s``), in the format of amavisd's score_sender_maps file::

    bad.example.com         10          this domain
    .bad.example.net        5           this domain and all below
    newsletter@example.org  -5          counts only if it is proven, see below
    partner.example.org     -3 unverified       counts always: anybody can write this sender

Proof is SPF that passes strongly, a login of the sender's domain, or a DKIM signature of that domain which holds, as
filter-auth found out earlier in the same process.

The most specific line wins. The points are added to spamd's score before any threshold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from filter_api.files.tables import KeyValueTable
from filter_api.text.escape import printable

_SCORE: Final = re.compile(rb"([+-]?\d{1,4}(?:\.\d{1,3})?)(?:\s+(unverified))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SenderScore:
    """points: added to the score; unverified: believe the sender address even where it lowers the score."""

    points: float
    unverified: bool = False

    @property
    def needs_proof(self) -> bool:
        """Whether the sender must be who it says for this to count."""
        return self.points < 0 and not self.unverified


SenderScores: TypeAlias = KeyValueTable[SenderScore]


def parse_score(value: bytes) -> SenderScore:
    """The value of a line. Raises ValueError."""
    found = _SCORE.fullmatch(value)
    if found is None:
        raise ValueError(f'"{printable(value)}" is no score like 10, -2.5 or -5 unverified')
    return SenderScore(float(found[1]), found[2] is not None)


def read_scores(path: str) -> SenderScores:
    """The table in a file. Raises ConfigError."""
    return KeyValueTable(path, parse_score)
