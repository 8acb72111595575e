"""filterctl dkim rotate: the next key of a domain, in steps that each run goes on with.

1. Make the key, and print what is to be published.
2. Wait until the DNS publishes it.
3. Let the key table name it: the running filter signs with it within a second.
4. After some days, in which mail that was signed before is still on its way: have the old one revoked.

What was done is written down beside the table (`rotation`), so a run may be ended at any time and made anew.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from filter_api.dkim.keys import parse_key
from filter_api.dkim.published import key_texts
from filter_api.dkim.record import record_text, zone_lines
from filter_api.dkim.results import Result, Unfit
from filter_api.errors import ConfigError, UsageError, named
from filter_api.net.dns import Resolver
from filter_api.options import options_of, parse_whole
from filter_api.text.escape import printable
from filter_dkimsign.arguments import resolver_of
from filter_dkimsign.check import check_entry
from filter_dkimsign.keygen import new_key, write_private
from filter_dkimsign.keytable import Entry, KeyStore, KeyTable, check_names
from filter_dkimsign.rotation import Rotation, give, read_rotations, state_of, switch, write_rotations

TABLE: Final = "/etc/mail/dkim/keys"
OPTIONS: Final = """\
-b bits       the size of the new RSA key (default 2048)
-d days       how long the old key stays published after the change (default 7)
-K table      the key table (default /etc/mail/dkim/keys)
-n server     ask this name server, address or address@port
-o selector   the selector that is to go, if the domain has several
-s selector   the new selector (default the date)
-w seconds    wait so long for the DNS (default 0)
"""

WAITING: Final = 75
"""The exit status while something is to be published first (EX_TEMPFAIL)."""

_PAUSE: Final = 10.0  # seconds between two questions to the DNS


def rotate(
    arguments: list[str], today: Callable[[], date] = date.today, pause: Callable[[float], None] = time.sleep
) -> int:
    """Do the next step that can be done. Raises UsageError and ConfigError; `today` and `pause` are for tests."""
    options, rest = options_of(arguments, OPTIONS)
    if len(rest) != 1:
        raise UsageError("rotate takes one domain")
    domain = rest[0].lower().rstrip(".")
    table = os.path.abspath(options.get("-K", TABLE))
    days = parse_whole("-d", options.get("-d", "7"), 0, 1000, what="days")
    patience = parse_whole("-w", options.get("-w", "0"), 0, 86_400, what="seconds")
    resolver = resolver_of(options)
    rotations = read_rotations(table)
    if domain not in rotations:
        rotations[domain] = _made(table, domain, options, today())
        write_rotations(table, rotations)
        print(f"1. made {printable(rotations[domain].new_key)}")
    rotation = rotations[domain]
    if rotation.switched is None:
        if not _waited(rotation, resolver, patience, pause):
            return WAITING
        rotation = rotations[domain] = _switched(table, rotation, today())
        write_rotations(table, rotations)
    due = rotation.switched + timedelta(days=days) if rotation.switched else today()
    if today() < due:
        print(f"4. the old key stays published until {due}: mail is on its way that it signed. Then run this again")
        return 0
    if not _revoked(rotation, resolver):
        return WAITING
    del rotations[domain]
    write_rotations(table, rotations)
    print(f"done: {printable(rotation.old_key)} may be removed")
    return 0


def _made(table: str, domain: str, options: dict[str, str], today: date) -> Rotation:
    """Step 1. Raises ConfigError, UsageError."""
    old = _to_go(table, domain, options.get("-o", "").lower())
    taken = {entry.selector.decode() for entry in _entries(table)}
    selector = options.get("-s", "").lower() or next(
        name for name in (f"{today:%Y%m%d}{suffix}" for suffix in ("", *"bcdefgh")) if name not in taken
    )
    try:
        check_names(os.fsencode(domain), os.fsencode(selector))
    except ValueError as error:
        raise UsageError(str(error)) from None
    if selector == old.selector.decode():
        raise UsageError(f"-s {printable(selector)} is the selector that is to go: a new key needs a new one")
    path = os.path.join(os.path.dirname(old.key.path), f"{domain}.{selector}.key")
    kind = old.key.algorithm.removesuffix("-sha256")
    write_private(path, new_key(kind, options.get("-b") if kind == "rsa" else None))
    with named(path), open(path, "rb") as file:
        give(file.fileno(), os.stat(old.key.path))
    return Rotation(domain, old.selector.decode(), old.key.path, selector, path)


def _entries(table: str) -> list[Entry]:
    return list(KeyTable(table, KeyStore(guard=False)).current())


def _to_go(table: str, domain: str, selector: str) -> Entry:
    """The entry whose key is to be changed. Raises ConfigError, UsageError."""
    found = {entry.selector.decode(): entry for entry in _entries(table) if entry.domain == os.fsencode(domain)}
    if not found:
        raise ConfigError(f"{printable(table)} has no line for {printable(domain)}; -K names another table")
    if not selector and len(found) > 1:
        raise UsageError(f"{domain} signs with {' and '.join(found)}: which one is to go? Say so with -o")
    if selector and selector not in found:
        raise UsageError(f"-o {printable(selector, 60)}: {domain} signs with {' and '.join(found)}")
    return found[selector] if selector else next(iter(found.values()))


def _waited(rotation: Rotation, resolver: Resolver, patience: float, pause: Callable[[float], None]) -> bool:
    """Step 2: whether the DNS publishes the new key; what is to be published is printed if not."""
    store = KeyStore(guard=False)
    try:
        entry = Entry(rotation.domain.encode(), rotation.new.encode(), store.get(rotation.new_key, None))
    except ValueError as error:  # a KeyProblem is one, too
        raise ConfigError(f"{error}; to begin anew, remove its line in the .rotation file beside the table") from None
    told = False
    left = patience
    while True:
        good, line = asyncio.run(check_entry(entry, resolver))
        if good:
            print(f"2. the DNS publishes it: {line}")
            return True
        if not told:
            text = record_text(entry.key.current())
            print(f"2. publish this, and run this again:\n\n{zone_lines(entry.record_name, text)}", flush=True)
            print(f"   as one string: {text}\n   ({line})", flush=True)
            told = True
        if left <= 0:
            return False
        pause(min(_PAUSE, left))
        left -= _PAUSE


def _switched(table: str, rotation: Rotation, today: date) -> Rotation:
    """Step 3. Raises ConfigError."""
    lines = switch(table, rotation)
    if not lines and not _names(table, rotation):
        raise ConfigError(
            f"{printable(table)} has no line for {rotation.domain} with {rotation.old} any more; to begin anew, "
            f"remove its line in {printable(state_of(table))}"
        )
    print(f"3. {printable(table)} names {rotation.new} now, in {lines} line{'' if lines == 1 else 's'}")
    return rotation._replace(switched=today)


def _names(table: str, rotation: Rotation) -> bool:
    """Whether the table was changed already, by a run that was ended behind it."""
    wanted = (rotation.domain.encode(), rotation.new.encode())
    return any((entry.domain, entry.selector) == wanted for entry in _entries(table))


def _revoked(rotation: Rotation, resolver: Resolver) -> bool:
    """Step 4: whether nobody can verify with the old key any more; what is to be published is printed if not."""
    name = f"{rotation.old}._domainkey.{rotation.domain}"
    try:
        texts = asyncio.run(key_texts(resolver, rotation.old.encode(), rotation.domain.encode()))
    except Unfit as problem:
        if problem.result is Result.TEMPERROR:
            print(f"4. {problem}")
            return False
        print(f"4. the old key is gone: {problem}")
        return True
    with named(rotation.old_key), open(rotation.old_key, "rb") as file:
        ours = parse_key(file.read())
    if record_text(ours).partition("p=")[2].encode() not in b"".join(texts).replace(b" ", b""):
        print(f"4. the old key is revoked: {name} does not publish it")
        return True
    print(
        f"4. revoke the old key: publish this instead of it, and run this again:\n\n{zone_lines(name, 'v=DKIM1; p=')}"
    )
    return False
