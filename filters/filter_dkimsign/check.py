"""filterctl dkim check: does the DNS publish the very keys the filter signs with, and nothing beside them?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Final

from filter_api.dkim.published import is_key_text, key_texts
from filter_api.dkim.record import KeyRecord
from filter_api.dkim.results import Result, Unfit
from filter_api.errors import UsageError
from filter_api.net.dns import Resolver
from filter_api.options import options_of
from filter_dkimsign.arguments import resolver_of
from filter_dkimsign.keytable import DomainList, Entry, KeyStore, KeyTable, SharedKey

OPTIONS: Final = """\
-d domain     with -s and -k: one key, not a table
-K table      all keys of this key table
-k key        the private key
-n server     ask this name server, address or address@port
-s selector   the selector of the key
"""

_AT_ONCE: Final = 64  # entries of a table asked for together


def check(arguments: list[str]) -> int:
    """Compare every key with what DNS publishes for it."""
    options, rest = options_of(arguments, OPTIONS)
    single = options.keys() & {"-d", "-s", "-k"}
    if rest or ("-K" in options) == bool(single) or len(single) in {1, 2}:
        raise UsageError("check needs either -K table or all of -d domain, -s selector and -k key")
    store = KeyStore(guard=False)  # whoever checks need not be the user the filter runs as
    if "-K" in options:
        entries = KeyTable(options["-K"], store).current()
    else:
        given = DomainList((options["-d"],), None, options["-s"], options["-k"], None)
        entries = SharedKey(given, store).current()
    return asyncio.run(check_entries(entries, resolver_of(options)))


async def check_entries(entries: Iterable[Entry], resolver: Resolver) -> int:
    """Print a line for each entry; 0 if DNS publishes every key."""
    status = 0
    waiting = iter(entries)
    while batch := list(islice(waiting, _AT_ONCE)):
        for good, line in await asyncio.gather(*(check_entry(entry, resolver) for entry in batch)):
            print(line)
            status = status if good else 1
    return status


async def check_entry(entry: Entry, resolver: Resolver) -> tuple[bool, str]:
    """Whether all is well, and the line that says so or what is not."""
    what = f"{entry.record_name} {entry.key.algorithm} {entry.key.path}"
    try:
        texts = await key_texts(resolver, entry.selector, entry.domain)
        notes = _compare(entry, texts)
    except Unfit as problem:
        word = "unknown" if problem.result is Result.TEMPERROR else "bad"
        return False, f"{word} {what}: {problem}"
    return True, f"ok {what}" + "".join(f" ({note})" for note in notes if note)


def _compare(entry: Entry, texts: tuple[bytes, ...]) -> list[str]:
    """What is worth a note where the one key that is published is ours. Raises Unfit (permerror)."""
    key = entry.key.current()
    ours = [text for text in texts if is_key_text(text)]
    others = len(texts) - len(ours)
    if len(ours) > 1:
        raise Unfit(
            Result.PERMERROR,
            f"the DNS publishes {len(ours)} key records under this name, and a verifier may take any of them"
            f"{_revoked(ours)}",
        )
    try:
        record = KeyRecord.parse(ours[0] if ours else texts[0])
    except ValueError as error:
        raise Unfit(Result.PERMERROR, f"{entry.record_name}: {error}") from None
    if not record.is_of(key):
        raise Unfit(Result.PERMERROR, "DNS publishes another key")
    return [
        key.warning,
        "the record says t=y: verifiers may ignore the signatures" if record.testing else "",
        f"{_count(others)} that {'is' if others == 1 else 'are'} no DKIM key beside it" if others else "",
    ]


def _count(number: int) -> str:
    return "1 TXT record" if number == 1 else f"{number} TXT records"


def _revoked(texts: list[bytes]) -> str:
    """What to add if one of the records revokes its key."""
    for text in texts:
        try:
            KeyRecord.parse(text)
        except ValueError as error:
            if "revoked" in str(error):
                return "; one of them is revoked, its p= is empty"
    return ""
