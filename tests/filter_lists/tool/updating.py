"""A list that is updated in a directory of its own, from wherever a test says."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from filter_api.files.compiled import read_compiled
from filter_api.text.lines import content_lines
from filter_lists.conf import parse_conf
from filter_lists.tool.update import Job, update
from filterctl.lists import output_of

LIST = b"".join(b"203.0.113.%d\n" % (2 * number) for number in range(100))
FEW = b"".join(LIST.splitlines(keepends=True)[:30])
HTML = b"<!DOCTYPE html>\n<html><body>Moved</body></html>\n"


class Lists:
    """A directory, and what update makes of one list in it."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self.ranges = path / "pub.ranges"
        self._capsys = capsys

    def update(self, source: str, options: str = "every=1h", *, force: bool = False, age: float = 7_200) -> int:
        """Update from a source, two hours after the last time."""
        conf = parse_conf(content_lines(f"pub black {source} {options}\norder pub\n".encode()))
        self.age(age)
        job = Job(str(self.path), output_of, force=force, verbose=True, own=(ip_network("203.0.113.4/31"),))
        return update(conf.used, job)

    def age(self, seconds: float) -> None:
        """So long ago was the last update."""
        state = self.path / "pub.json"
        if state.exists():
            words = state.read_text().split('"asked": ')
            number = words[1].partition(",")[0]
            state.write_text(words[0] + f'"asked": {float(number) - seconds}' + words[1].removeprefix(number))
        if self.ranges.exists():
            os.utime(self.ranges, (1_000, 1_000))

    def holds(self, address: str) -> bool:
        return ip_address(address) in read_compiled(str(self.ranges))

    @property
    def told(self) -> str:
        """What was said, on both ways, since the last look."""
        captured = self._capsys.readouterr()
        return captured.out + captured.err
