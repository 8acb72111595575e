"""What ``filterctl doctor`` asks about a line of filter-dkimsign: does the DNS publish every key it signs with?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from filter_api.net.dns import Resolver
from filter_api.options import parse_options
from filter_dkimsign.check import check_entries
from filter_dkimsign.keytable import Entry, KeyStore, KeyTable, SharedKey
from filter_dkimsign.options import LETTERS, Settings


def diagnose(arguments: Sequence[str], *, largest_message: int) -> list[tuple[str, str]]:
    """Severity and text of what is found; a line for each key is printed. largest_message: not asked here.

    Raises UsageError and ConfigError for arguments the filter would not start with.
    """
    entries = entries_of(arguments)
    if asyncio.run(check_entries(entries, Resolver())):
        return [("error", "a key is not published as it is: see the lines above, and filterctl dkim check")]
    return [("ok", f"the DNS publishes {len(entries)} keys")]


def domains(arguments: Sequence[str]) -> list[str]:
    """The domains it signs for. Raises UsageError and ConfigError."""
    return list(dict.fromkeys(entry.domain.decode("ascii") for entry in entries_of(arguments)))


def entries_of(arguments: Sequence[str]) -> list[Entry]:
    """What it signs with. Raises UsageError and ConfigError."""
    own, _ = parse_options(LETTERS, arguments)
    settings = Settings(own)
    store = KeyStore(guard=False)  # who asks need not be the user the filter runs as
    entries: list[Entry] = []
    if settings.domain_list is not None:
        entries += SharedKey(settings.domain_list, store).current()
    if "-K" in settings.files:
        entries += KeyTable(settings.files["-K"], store).current()
    return entries
