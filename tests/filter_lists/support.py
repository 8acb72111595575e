"""Lists on disk, for the tests of filter-lists."""

from __future__ import annotations

import os
import time
from pathlib import Path

from filter_api.files.compiled import write_compiled
from filter_api.files.ranges import RangeBuilder


class Site:
    """A lists.conf, lists kept by hand, and a directory of compiled ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.conf = path / "lists.conf"
        self.directory = path / "compiled"
        self.directory.mkdir()

    def text(self, name: str, *lines: str) -> str:
        """A list kept by hand; its source in lists.conf."""
        (self.path / name).write_text("".join(f"{line}\n" for line in lines))
        return f"file:{self.path / name}"

    def compiled(self, name: str, *entries: str, age: float = 0, now: float | None = None) -> None:
        """A list as `filterctl lists update` leaves it, confirmed `age` seconds ago."""
        builder = RangeBuilder()
        for entry in entries:
            builder.add_text(entry)
        path = self.directory / f"{name}.ranges"
        write_compiled(str(path), builder.build().ranges)
        then = (time.time() if now is None else now) - age
        os.utime(path, (then, then))

    def write(self, *lines: str) -> None:
        """The lists.conf."""
        self.conf.write_text("".join(f"{line}\n" for line in lines))

    @property
    def options(self) -> list[str]:
        """-c and -d."""
        return ["-c", str(self.conf), "-d", str(self.directory)]
