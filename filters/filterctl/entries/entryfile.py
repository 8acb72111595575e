"""One file of entries: what is put into it, taken out of it, and listed, with what is said of that."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from filter_api.confinement.places import BROAD
from filter_api.errors import ConfigError
from filter_api.text.escape import printable
from filter_api.text.lines import LineError
from filterctl.conf.tablefiles import Tables
from filterctl.entries.lines import is_empty, listed, put, put_in_table, taken
from filterctl.entries.request import Request, row
from filterctl.entries.writing import change, read

NOT_IN_TABLES: Final = "entries of smtpd's own tables do not expire: leave -t away, and delete with -d"


class EntryFile(NamedTuple):
    """table: the name of the table that smtpd reads from it; empty where only filters read it.

    smtpd takes nothing behind an entry, so in its tables there is no ``until``, and the comment has a line of its own.
    """

    path: str
    table: str = ""

    def put(self, texts: Sequence[str], request: Request, check: Callable[[bytes], None]) -> bool:
        """Write entries, if `check` takes the new text; whether smtpd had an empty table. Raises ConfigError."""
        if self.table and request.until:
            raise ConfigError(f"{printable(self.path)}: {NOT_IN_TABLES}")
        was_empty = False

        def edit(data: bytes) -> bytes:
            nonlocal was_empty
            was_empty = bool(self.table) and is_empty(data)
            try:
                if self.table:
                    new = put_in_table(data, texts, request.stamp)
                else:
                    new = put(data, texts[0], request.stamp, request.until)
            except LineError as error:
                raise self._placed(error) from None
            check(new)
            return new

        change(self.path, edit)
        until = f" until {request.until}" if request.until else ""
        print(f"{printable(self.path)}: {', '.join(texts)}{until}")
        return was_empty

    def remove(self, texts: Sequence[str]) -> int:
        """Take entries out, and say so; from how many lines. Raises ConfigError."""
        count = 0

        def edit(data: bytes) -> bytes:
            nonlocal count
            for text in texts:
                try:
                    data, lines = taken(data, text, smtpd=bool(self.table))
                except LineError as error:
                    raise self._placed(error) from None
                count += lines
            return data

        if os.path.exists(self.path):
            change(self.path, edit)
        if count:
            print(f"{printable(self.path)}: {', '.join(texts)} deleted")
        return count

    def show(self) -> None:
        """Print the entries, a line each. Raises ConfigError, OSError."""
        try:
            entries = list(listed(read(self.path), smtpd=bool(self.table)))
        except LineError as error:
            raise self._placed(error) from None
        print(f"{printable(self.path, 300)}: {len(entries)} {'entry' if len(entries) == 1 else 'entries'}")
        for entry in entries:
            print(f"  {row(entry)}")

    def remarks(self, *, filters: bool) -> Iterator[str]:
        """What is left to do after a change. filters: whether filters read it."""
        if self.table:
            yield f"smtpd reads it again after: smtpctl update table {self.table}"
        home = os.path.dirname(os.path.realpath(self.path))
        if filters and sys.platform == "linux" and home in BROAD:  # Landlock knows files, not names
            yield (
                f"a confined filter does not see a new file in {home}: restart smtpd now, and keep"
                " it in a directory of its own, such as /etc/mail"
            )

    def _placed(self, error: LineError) -> ConfigError:
        return ConfigError(f"{printable(self.path)}:{error.number}: {error}")


def each_once(paths: Iterable[str], known: Tables) -> list[EntryFile]:
    """The files of these paths, in their order, each as what smtpd makes of it."""
    return [EntryFile(path, known.name_of(path)) for path in dict.fromkeys(paths)]
