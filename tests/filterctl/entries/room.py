"""A configuration in a folder of its own, its files of entries, and filterctl before them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from filterctl.__main__ import main

TODAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
CONF = """\
table denied file:{folder}/denied
table liars file:{folder}/liars
filter "denied" phase connect match src <denied> disconnect "550 no"
filter "liars" phase mail-from match mail-from <liars> reject "550 no"
filter "lists" proc-exec "filter-lists -c {folder}/lists.conf -d {folder} -W {folder}/exempt"
filter "rdns" proc-exec "filter-rdns -f -W {folder}/exempt"
filter "dyndns" proc-exec "filter-dyndns"
filter "other" proc-exec "/usr/local/libexec/other -x"
listen on 192.0.2.25 filter {{ denied, liars, lists, rdns, dyndns, other }}
"""


class Room:
    """A configuration in a folder of its own, and filterctl before it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.conf = folder / "smtpd.conf"
        self._capsys = capsys
        for name in ("exempt", "black", "denied", "liars"):
            (folder / name).write_text(f"# {name}\n")
        (folder / "lists.conf").write_text(f"mine black file:{folder}/black\norder mine\n")
        self.write(CONF)

    def write(self, text: str) -> None:
        self.conf.write_text(text.format(folder=self.folder))

    def read(self, name: str) -> str:
        """A file, with every date of today's kind as DAY."""
        return TODAY.sub("DAY", (self.folder / name).read_text())

    def run(self, verb: str, *words: str) -> tuple[int, str, str]:
        status = main([verb, "-f", str(self.conf), *words])
        told = self._capsys.readouterr()
        return status, told.out.replace(f"{self.folder}/", ""), told.err.replace(f"{self.folder}/", "")
