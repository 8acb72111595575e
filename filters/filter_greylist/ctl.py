"""``filterctl greylist``: look into a greylist and change it, with the letters of spamdb(8).

    filterctl greylist [-H] [-f store]                       list it
    filterctl greylist [-f store] -a | -d [-GTt] key ...     add or delete white, grey, trap or trapped entries
    filterctl greylist [-f store] import [listing ...]       take over a listing of spamdb, or one of ours
    filterctl greylist [-f store] export [white | trapped]   addresses for pfctl -T replace -f
    filterctl greylist [-f store] explain [options] ip from to [helo]

A running filter sees a change at once. Run as root, it becomes the owner of the store before it opens it: a file of
root's beside the database would shut the filter out.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from filter_api.errors import ConfigError, HelpWanted, UsageError
from filter_api.filter import Filter
from filter_api.options import options_of
from filter_api.text.escape import printable
from filter_greylist.rules.policy import alive
from filter_greylist.rules.records import (
    DOMAIN_MESSAGES,
    FOREVER,
    TRAP_SECONDS,
    Kind,
    Life,
    Record,
)
from filter_greylist.store.base import Store, StoreError
from filter_greylist.store.spec import DEFAULT_PATH
from filter_greylist.tool.listing import heading, to_line, to_row, trap_name, typed, white_name
from filter_greylist.tool.opening import complain, open_as_owner, settings_of
from filter_greylist.tool.transfer import Lines, lines_of, open_listings, take_over

OPTIONS: Final = """\
-a         with keys: add or renew white entries; with -G, -T or -t others
-d         with keys: delete white entries, or others
-f store   the store, as of filter-greylist
-G         the mail that waits
-H         list as a table, with times in words
-T         trap addresses
-t         trapped hosts
"""
COMMANDS: Final = {
    "list": "what holds, as without a command",
    "import": "take over a listing of spamdb, or one of ours",
    "export": "white or trapped addresses, for pfctl",
    "explain": "what would happen to a delivery",
}


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError, ConfigError and OSError."""
    options, rest = options_of(arguments, OPTIONS, COMMANDS)
    letters = {option[1] for option in options}
    value = options.get("-f", DEFAULT_PATH)
    if letters & {"a", "d"}:
        return _change(value, letters, rest)
    if letters & set("GTt"):
        raise UsageError("-G, -T and -t go with -a or -d")
    if not rest:
        return _work(value, lambda store: _list(store, table="H" in letters))
    verb, *operands = rest
    if {"-h", "--help"} & {*operands[:1]} and verb in {"import", "export", "list"}:
        raise HelpWanted
    if verb == "list" and not operands:  # what everybody types first
        return _work(value, lambda store: _list(store, table="H" in letters))
    if verb == "explain":
        return explain(["-f", value, *operands])
    if verb == "import":
        lines = lines_of(open_listings(operands))
        return _work(value, lambda store: _import(store, lines), make=True)
    if verb == "export":
        kind = _exported(operands)
        return _work(value, lambda store: _export(store, kind))
    raise UsageError(f"unknown: {printable(verb, 40)} (known: {', '.join(COMMANDS)})")


def explain(arguments: list[str]) -> int:
    """``filterctl explain greylist``; exit status 1 means that the mail would be refused for now."""
    from filter_greylist.tool.explain import run as run_explain  # and with it the filter, which no other verb needs

    return run_explain(arguments)


def only_look(filter_: Filter) -> Callable[[], None]:
    """Have a filter-greylist change nothing in its store, and keep nobody waiting: before it is started.

    What is given back is called when it has started: then it decides as one that has run for long.
    Raises ConfigError where its store is not there, or may not be looked at.
    """
    from filter_greylist.tool.explain import only_look as have_it_look  # and with it the filter, as above

    return have_it_look(filter_)


def _work(value: str, what: Callable[[Store], Awaitable[int]], *, make: bool = False) -> int:
    spec, store = open_as_owner(value, make=make)

    async def work() -> int:
        await store.open()
        try:
            return await what(store)
        finally:
            await store.close()

    try:
        return asyncio.run(work())
    except StoreError as error:
        raise ConfigError(f"{spec.shown}: {error}") from None


async def _living(store: Store, *kinds: Kind) -> AsyncIterator[Record]:
    """The records that still hold; a domain only once it is learned."""
    now = int(time.time())
    for kind in kinds:
        async for record in store.scan(kind):
            if alive(record.life, now) and _is_shown(record):
                yield record


def _is_shown(record: Record) -> bool:
    """Not what only counts for the filter: a domain that is not learned yet, a client that was at the primary MX."""
    if record.kind is Kind.DOMAIN:
        return record.life.passed >= DOMAIN_MESSAGES
    return record.details is None or record.details.recipient != b""


async def _list(store: Store, *, table: bool) -> int:
    now = int(time.time())
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if table:
        print(heading(width))
    async for record in _living(store, *Kind):
        print(to_row(record, now, width) if table else to_line(record))
    return 0


async def _export(store: Store, kind: Kind) -> int:
    async for record in _living(store, kind):
        print(record.name.decode("ascii", "replace"))
    return 0


def _exported(operands: list[str]) -> Kind:
    kinds = {"white": Kind.WHITE, "trapped": Kind.TRAPPED}
    if len(operands) > 1 or not set(operands) <= kinds.keys():
        raise UsageError("export takes white or trapped")
    return kinds[operands[0]] if operands else Kind.WHITE


async def _import(store: Store, lines: Lines) -> int:
    timers, prefixes = await settings_of(store)
    return await take_over(store, lines, timers, prefixes, complain)


def _change(value: str, letters: set[str], keys: list[str]) -> int:
    """-a and -d."""
    kinds = letters & set("GTt")
    if {"a", "d"} <= letters or len(kinds) > 1:
        raise UsageError("one of -a and -d, and one of -G, -T and -t")
    if not keys:
        raise UsageError("which entries?")
    letter = kinds.pop() if kinds else ""
    if letter == "G":
        return _work(value, lambda store: _change_grey(store, keys, add="a" in letters))
    names = [_name(letter, key) for key in keys]
    if "a" in letters:
        return _work(value, lambda store: _add(store, names), make=True)
    return _work(value, lambda store: _delete(store, names))


def _name(letter: str, key: str) -> tuple[Kind, bytes]:
    """The record a key of the command line names: an address, a trap's address, or a domain to be white."""
    try:
        if letter == "T":
            return Kind.SPAMTRAP, trap_name(typed(key))
        if letter == "" and not _looks_like_address(key):
            return Kind.DOMAIN, _domain_name(key)
        return (Kind.TRAPPED if letter == "t" else Kind.WHITE), white_name(key)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _looks_like_address(key: str) -> bool:
    return ":" in key or "/" in key or key.rpartition(".")[2].isdigit()


def _domain_name(key: str) -> bytes:
    name = key.lower().rstrip(".")
    if "." not in name or "@" in name or not all(piece.replace("-", "").isalnum() for piece in name.split(".")):
        raise ValueError(f"{printable(key, 60)} is neither an address nor a domain")
    return name.encode("idna" if not name.isascii() else "ascii")


async def _add(store: Store, names: list[tuple[Kind, bytes]]) -> int:
    now, settings = int(time.time()), await settings_of(store)
    until = {
        Kind.WHITE: now + settings.timers.white,
        Kind.DOMAIN: now + settings.timers.white,
        Kind.TRAPPED: now + TRAP_SECONDS,
        Kind.SPAMTRAP: FOREVER,
    }
    for kind, name in names:
        life = Life(now, now, until[kind], 0, DOMAIN_MESSAGES if kind is Kind.DOMAIN else 0)
        await store.merge([Record(kind, name, life)])
        if kind is Kind.WHITE:
            await store.delete(Kind.TRAPPED, name)
    return 0


async def _delete(store: Store, names: list[tuple[Kind, bytes]]) -> int:
    missing = [name for kind, name in names if not await store.delete(kind, name)]
    for name in missing:
        complain(f"{printable(name)}: no such entry")
    return 1 if missing else 0


async def _change_grey(store: Store, keys: list[str], *, add: bool) -> int:
    """The waiting tuples of clients: let them pass with their next attempt, or forget them."""
    try:
        clients = {white_name(key) for key in keys}
    except ValueError as error:
        raise UsageError(str(error)) from None
    now, found = int(time.time()), 0
    async for record in store.scan(Kind.GREY):
        address = b"" if record.details is None else record.details.address
        if not address or white_name(address.decode("ascii")) not in clients:
            continue
        found += 1
        if add:
            await store.put([record._replace(life=record.life._replace(passes=min(record.life.passes, now)))])
        else:
            await store.delete(Kind.GREY, record.name)
    if not found:
        complain("no such entry")
    return 0 if found else 1
