"""``until DATE`` in a file of the operator's that is compiled: what has expired is left out. Pure.

    expiring = Expiring(now)
    reading = read_published(expiring.living(lines))
    expiring.gone, expiring.next

Only an address, a network or a range expires. Whatever else stands before a date is text that whoever publishes a list
has written behind an entry, and means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from filter_api.files.networks import items_of, networks_of
from filter_api.text.lines import NEVER, LineError, content_lines, dated
from filter_lists.tool.published import ListRefused


class Expiring:
    """gone: how many lines count no longer. next: when another one does so, 0 for never. Times: seconds since 1970."""

    def __init__(self, now: float) -> None:
        self._now = now
        self.gone = 0
        self.next = 0.0

    def living(self, lines: Iterable[str | None]) -> Iterator[str | None]:
        """The lines, an empty one for each that has expired. Raises ListRefused for an entry without a right date."""
        for number, line in enumerate(lines, 1):
            try:
                expires = NEVER if line is None or "until" not in line.lower() else _expires(line)
            except LineError as error:
                raise ListRefused(f"line {number}: {error}") from None
            if expires > self._now:
                if expires != NEVER:
                    self.next = min(self.next or NEVER, expires)
                yield line
            else:
                self.gone += 1
                yield ""


def _expires(line: str) -> float:
    """When the entry of a line expires. Raises LineError."""
    for content in content_lines(line.encode()):
        words = content.text.rsplit(None, 2)
        if len(words) == 3 and words[1].lower() == b"until" and _are_entries(words[0]):
            return dated(content).expires
    return NEVER


def _are_entries(text: bytes) -> bool:
    try:
        return all(map(networks_of, items_of(text.decode())))
    except ValueError:
        return False
