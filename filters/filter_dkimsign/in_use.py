"""What the running filter signs with: for its log, and for whoever asks it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from filter_dkimsign.keytable import Entry


class InUse(NamedTuple):
    """An entry of the key table as it is used now. `problem` says why its file as it is now is not used, or nothing."""

    domain: bytes  # as the table has it: example.org, *.example.org
    selector: bytes
    algorithm: str
    bits: int
    path: str
    problem: str


def in_use(sources: Iterable[Iterable[Entry]]) -> Iterator[InUse]:
    """Every entry that signs, in the order of the sources; looks at the key files as `KeyFile.current` does."""
    for source in sources:
        for entry in source:
            key = entry.key.current()
            yield InUse(entry.pattern, entry.selector, key.algorithm, key.bits, entry.key.path, entry.key.complaint)
