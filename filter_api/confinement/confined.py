"""What came of confining a process: what is in force, and what could not be had."""

from __future__ import annotations

from typing import NamedTuple


class Confined(NamedTuple):
    """parts: what is in force, in words. missing: what is not, and why; a process without any is confined.

    notes: what an operator should know of it, for the log.
    """

    parts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line of ASCII, for a status: ``landlock 7: files tcp signals, seccomp``."""
        parts = ", ".join(self.parts) or "nothing"
        return f"{parts} ({'; '.join(self.missing)})" if self.missing else parts
