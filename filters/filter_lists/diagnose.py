"""What is odd about lists: for ``filterctl lists check``, and for ``filterctl doctor`` about a line of filter-lists."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from filter_api.files.compiled import CompiledFile
from filter_lists.book import Book, compiled_path, read_book
from filter_lists.conf import Source
from filter_lists.options import parse
from filter_lists.words import show_duration

DEAD: Final = {
    "nixspam": "nixspam has ended, and its mirror asks to be left alone",
    "okean": "okean's lists of China and Korea have ended",
    "chinacidr": "okean's list of China has ended",
    "koreacidr": "okean's list of Korea has ended",
    "spews": "SPEWS has ended",
    "spamhaus.org/drop/edrop": "EDROP is part of DROP since 2024",
    "sorbs": "SORBS has ended in 2024",
}
"""What is published no more, by a part of the name or the address."""


def diagnose(arguments: Sequence[str], *, largest_message: int) -> list[tuple[str, str]]:
    """Severity and text of what is found. arguments: the filter's.

    Raises UsageError and ConfigError for arguments the filter would not start with.
    """
    own, _ = parse(arguments)
    book = read_book(own.conf, own.directory).current()
    now = time.time()
    found = [
        ("warning", f"{source.name}: {remark}")
        for source in book.conf.used
        for remark in remarks(source, book, own.directory, now)
    ]
    return found or [("ok", f"{len(book.conf.used)} lists")]


def remarks(source: Source, book: Book, directory: str, now: float) -> list[str]:
    """What is odd about a list. now: seconds since 1970."""
    found = [why for part, why in DEAD.items() if part in source.shown.lower() or part in source.name.lower()]
    if source.name not in book.lists:
        return [*found, "not in the order, and so not used"]
    if source.method == "http":
        found.append("http: whoever is on the way may change it; is there an https: address?")
    if source.compiled:
        compiled = CompiledFile(compiled_path(directory, source))
        if compiled.current() is None:
            found.append("not fetched yet: filterctl lists update fetches it")
        elif now - compiled.confirmed > source.expire:
            found.append(f"not confirmed for {show_duration(now - compiled.confirmed)}: too old to be used")
    return found
