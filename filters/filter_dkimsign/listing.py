"""filterctl dkim list: every domain, selector and key that the filters of an smtpd.conf sign with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from filter_api.errors import UsageError
from filter_api.options import options_of
from filter_api.text.escape import printable
from filter_dkimsign.diagnose import entries_of
from filter_dkimsign.in_use import in_use

OPTIONS: Final = "-f smtpd.conf   the configuration (default the one that doctor reads)\n"

Signers: TypeAlias = Callable[[str | None], Iterable[tuple[str, Sequence[str]]]]
"""From the path of an smtpd.conf, or None for the system's, to the name and the options of each signing filter."""


def list_keys(arguments: list[str], signers: Signers) -> int:
    """A line for each entry; 1 if nothing signs. Raises UsageError and ConfigError."""
    options, rest = options_of(arguments, OPTIONS)
    if rest:
        raise UsageError("list takes no argument but -f smtpd.conf")
    rows = [row for name, words in signers(options.get("-f")) for row in _rows(name, words)]
    if not rows:
        print("nothing signs: no filter-dkimsign is in the configuration")
        return 1
    rows.insert(0, ("FILTER", "DOMAIN", "SELECTOR", "KEY", "FILE"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip())
    return 0


def _rows(name: str, words: Sequence[str]) -> Iterable[tuple[str, ...]]:
    for entry in in_use([entries_of(words)]):
        kind = f"{entry.algorithm.removesuffix('-sha256')} {entry.bits}"
        yield printable(name), entry.domain.decode(), entry.selector.decode(), kind, printable(entry.path)
