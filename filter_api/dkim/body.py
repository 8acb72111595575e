"""The hashes of one body for any number of signatures: one pass of the body for each canonical form.

    bodies = BodyHashes()
    bodies.want("relaxed", None); bodies.want("relaxed", 1000)     # before the body; a number is that of l=
    for block in blocks: bodies.update(block)
    bodies.finish()
    bodies.digest("relaxed", 1000)                                 # None where the body is shorter than that

Memory is that of the canonicaliser: a few blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from filter_api.dkim.canonical import Digest, SimpleBody, body_canonicalizer


class Marked:
    """A digest that remembers what it was after so many bytes."""

    def __init__(self, digest: Callable[[], hashlib._Hash], marks: Iterable[int]) -> None:
        self._hash = digest()
        self._marks = sorted(set(marks), reverse=True)
        self.size = 0
        self.at: dict[int, bytes] = {}

    def update(self, data: bytes, /) -> None:
        """Take more bytes; every mark inside them costs a copy of the state of the hash."""
        start = 0
        end = self.size + len(data)
        while self._marks and self._marks[-1] <= end:
            mark = self._marks.pop()
            cut = mark - self.size
            self._hash.update(data[start:cut])
            start = cut
            self.at[mark] = self._hash.digest()
        self._hash.update(data[start:] if start else data)
        self.size = end

    def digest(self) -> bytes:
        """The hash of all bytes taken."""
        if self._marks and self._marks[-1] == self.size:  # l=0 of an empty body: nothing was ever taken
            self.at[self._marks.pop()] = self._hash.digest()
        return self._hash.digest()


class BodyHashes:
    """Every body hash that the signatures of a message ask for."""

    def __init__(self) -> None:
        self._wanted: dict[str, set[int]] = {}
        self._marked: dict[str, Marked] = {}
        self._forms: list[tuple[str, SimpleBody]] = []
        self._whole: dict[str, bytes] = {}

    def want(self, form: str, length: int | None) -> None:
        """Before the first block: a signature has this canonical form of the body and this l=, None for no l=."""
        marks = self._wanted.setdefault(form, set())
        if length is not None:
            marks.add(length)

    def start(self) -> bool:
        """Nothing more is wanted; whether anything is."""
        for form, marks in self._wanted.items():
            self._marked[form] = Marked(hashlib.sha256, marks)
            digest: Digest = self._marked[form]
            self._forms.append((form, body_canonicalizer(form, digest)))
        return bool(self._forms)

    def update(self, block: bytes) -> None:
        """The next bytes of the body, with CRLF line ends, cut anywhere."""
        for _, canonicalizer in self._forms:
            canonicalizer.update(block)

    def finish(self) -> None:
        """The body is over."""
        for form, canonicalizer in self._forms:
            self._whole[form] = canonicalizer.digest()

    def digest(self, form: str, length: int | None) -> bytes | None:
        """The hash of the body, or of its first `length` canonical bytes; None where it has fewer."""
        return self._whole[form] if length is None else self._marked[form].at.get(length)

    def size(self, form: str) -> int:
        """Bytes of the canonical body."""
        return self._marked[form].size
