"""From which score a message is refused: option ``-r``, one score for everybody, and a file for those with another::

    alice@example.org       8
    example.com             never

A message has one answer for all its recipients, so it is refused only if it reaches the score of every one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Final

from filter_api.errors import UsageError
from filter_api.files.tables import KeyValueTable
from filter_api.text.escape import printable
from filter_spamassassin.users import mailbox_of

NEVER: Final = math.inf
"""No score is so high: nothing is refused."""

_SCORE: Final = re.compile(r"-?\d{1,4}(?:\.\d{1,3})?")


class Thresholds:
    """default: the score for who is not in the table."""

    def __init__(self, default: float = NEVER, table: KeyValueTable[float] | None = None) -> None:
        self.default = default
        self._table = table

    @property
    def differ(self) -> bool:
        """Whether recipients can have different scores at all."""
        return self._table is not None

    def of(self, recipient: bytes) -> float:
        """The score from which mail to this recipient is refused."""
        if self._table is None:
            return self.default
        local, domain = mailbox_of(recipient)
        found = self._table.find_address(local + b"@" + domain if domain else local)
        return self.default if found is None else found.value

    def highest(self) -> float:
        """For a message of which not all recipients are known: one of them may be anybody."""
        return max([self.default, *(entry.value for entry in self._table or ())])


def parse_thresholds(values: Iterable[str]) -> Thresholds:
    """The values of -r: at most one score and one ``file:map``. Raises UsageError, ConfigError for the file."""
    default: float | None = None
    table: KeyValueTable[float] | None = None
    for value in values:
        kind, colon, path = value.partition(":")
        if colon and kind == "file" and path:
            if table is not None:
                raise UsageError("-r: one file of scores only")
            table = KeyValueTable(path, _mapped_score)
        elif not _SCORE.fullmatch(value):
            raise UsageError(f"-r takes a score like 15 or 9.5, or file:map, not {value!r}")
        elif default is not None:
            raise UsageError("-r: one score for everybody only; file:map has scores of recipients")
        else:
            default = float(value)
    return Thresholds(NEVER if default is None else default, table)


def _mapped_score(value: bytes) -> float:
    text = value.decode("latin-1")
    if text.lower() == "never":
        return NEVER
    if not _SCORE.fullmatch(text):
        raise ValueError(f'"{printable(value)}" is no score like 15 or 9.5, and not the word never')
    return float(text)
