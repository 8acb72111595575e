"""Records as lines: spamdb(8)'s pipe format, in both directions, and a table for people.

    GREY|192.0.2.1|mx.example.net|<them@example.net>|<us@example.org>|first|pass|expire|block|pass
    WHITE|192.0.2.1|||first|pass|expire|block|pass
    TRAPPED|192.0.2.1|expire
    SPAMTRAP|trap@example.org
    DOMAIN|example.net|first|pass|expire|block|pass
    PAIR|<them@example.net>|<us@example.org>|first|pass|expire|block|pass

The first four are spamdb's own; the others are lines its scripts pass over. What a client sent is printable ASCII
here: a pipe is ``\\x7c``, other bytes are ``\\xNN``, a backslash is doubled; a line can neither be broken nor forged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from filter_api.text.addresses import split_address
from filter_api.text.escape import printable, unescape
from filter_greylist.rules.key import (
    Prefixes,
    details_of,
    group_of,
    network_name,
    normal_recipient,
    normal_sender,
    tuple_for,
)
from filter_greylist.rules.records import (
    FOREVER,
    NO_DETAILS,
    TRAP_SECONDS,
    Kind,
    Life,
    Record,
    Timers,
    address_name,
    pair_name,
    split_pair,
)

_LIMIT = 8000


def to_line(record: Record) -> str:
    """A record in the pipe format."""
    kind, name, life, details = record
    times = "|".join(map(str, life))
    if kind is Kind.GREY:
        shown = details or NO_DETAILS
        who = f"{_text(shown.address)}|{_text(shown.helo)}|<{_text(shown.sender)}>|<{_text(shown.recipient)}>"
        return f"GREY|{who}|{times}"
    if kind is Kind.WHITE:
        return f"WHITE|{_text(name)}|||{times}"
    if kind is Kind.TRAPPED:
        return f"TRAPPED|{_text(name)}|{life.expires}"
    if kind is Kind.SPAMTRAP:
        return f"SPAMTRAP|{_text(name)}"
    if kind is Kind.DOMAIN:
        return f"DOMAIN|{_text(name)}|{times}"
    theirs, ours = split_pair(name)
    return f"PAIR|<{_text(theirs)}>|<{_text(ours)}>|{times}"


def from_line(line: str, now: int, timers: Timers, prefixes: Prefixes) -> Record:
    """A line of a listing, ours or spamdb's, as a record. Raises ValueError saying what is wrong with it.

    A grey tuple gets the key of its client's network, as spamdb knows no other.
    """
    word, *fields = line.split("|")
    reader = _READERS.get(word)
    if reader is None:
        raise ValueError(f"no such kind of entry: {printable(word, 40)}")
    expected, read = reader
    if len(fields) != expected:
        raise ValueError(f"{word} has {expected + 1} fields, not {len(fields) + 1}")
    return read(fields, now, timers, prefixes)


_Reader = Callable[[list[str], int, Timers, Prefixes], Record]


def _grey(fields: list[str], _now: int, _timers: Timers, prefixes: Prefixes) -> Record:
    address = ip_address(fields[0])
    helo, sender, recipient = unescape(fields[1]), _bracketed(fields[2]), _bracketed(fields[3])
    network = network_name(address, prefixes)
    details = details_of(group_of(network), address, helo, sender, recipient)
    compared = normal_sender(sender) if sender else b"<>" + helo.lower()
    key, _ = tuple_for(network, compared, normal_recipient(recipient), details)
    return Record(Kind.GREY, key, _life(fields[4:]), details)


def _white(fields: list[str], _now: int, _timers: Timers, _prefixes: Prefixes) -> Record:
    return Record(Kind.WHITE, white_name(fields[0]), _life(fields[3:]))


def _trapped(fields: list[str], now: int, _timers: Timers, _prefixes: Prefixes) -> Record:
    return Record(Kind.TRAPPED, white_name(fields[0]), Life(now, now, min(_number(fields[1]), now + TRAP_SECONDS), 1))


def _spamtrap(fields: list[str], now: int, _timers: Timers, _prefixes: Prefixes) -> Record:
    return Record(Kind.SPAMTRAP, trap_name(fields[0]), Life(now, now, FOREVER))


def _domain(fields: list[str], _now: int, _timers: Timers, _prefixes: Prefixes) -> Record:
    return Record(Kind.DOMAIN, unescape(fields[0]).lower(), _life(fields[1:]))


def _pair(fields: list[str], _now: int, _timers: Timers, _prefixes: Prefixes) -> Record:
    return Record(Kind.PAIR, pair_name(_bracketed(fields[0]), _bracketed(fields[1])), _life(fields[2:]))


_READERS: dict[str, tuple[int, _Reader]] = {
    "GREY": (9, _grey),
    "WHITE": (8, _white),
    "TRAPPED": (2, _trapped),
    "SPAMTRAP": (1, _spamtrap),
    "DOMAIN": (6, _domain),
    "PAIR": (7, _pair),
}


def typed(word: str) -> str:
    """A word of the command line in the form of a listing: one character for each byte that was typed."""
    return os.fsencode(word).decode("latin-1")


def white_name(text: str) -> bytes:
    """The name of an address, or of the /64 of IPv6 a listing shows. Raises ValueError."""
    if "/" in text:
        network = ip_network(text)
        if network.version == 6 and network.prefixlen == 64:
            return str(network).encode("ascii")
        if network.num_addresses != 1:
            raise ValueError(f"{printable(text, 60)}: one IPv4 address or one /64 of IPv6")
        return address_name(network.network_address)
    return address_name(ip_address(text))


def trap_name(text: str) -> bytes:
    """The name of a trap address. Raises ValueError."""
    name = normal_recipient(unescape(text).strip(b"<>"))
    local, domain = split_address(name)
    if not local or not domain or b" " in name:
        raise ValueError(f"{printable(text, 60)} is no mail address")
    return name


def _text(value: bytes, limit: int = _LIMIT) -> str:
    return printable(value, limit).replace("|", "\\x7c")


def _bracketed(text: str) -> bytes:
    if not (text.startswith("<") and text.endswith(">")):
        raise ValueError(f"{printable(text, 60)}: an address stands in angle brackets")
    return unescape(text[1:-1])


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise ValueError(f"{printable(text, 40)} is no number")
    return int(text)


def _life(fields: list[str]) -> Life:
    return Life(*map(_number, fields))


WIDE = 120
"""Columns from which on a row of the table is one line."""

_KIND, _CLIENT, _SINCE, _STATE = 9, 25, 18, 34


def heading(width: int = 0) -> str:
    """What stands above the rows of `to_row`."""
    if 0 < width < WIDE:
        return f"{'KIND':<{_KIND}}{'CLIENT':<{_CLIENT}}STATE\n{'':<{_KIND}}{'SINCE':<{_SINCE}}FROM AND TO"
    return f"{'KIND':<{_KIND}}{'CLIENT':<{_CLIENT}}{'SINCE':<{_SINCE}}{'STATE':<{_STATE}}FROM AND TO"


def to_row(record: Record, now: int, width: int = 0) -> str:
    """A record as a row of the table. width: columns of the terminal, 0 for none.

    Where there are fewer than `WIDE` it is two lines, and addresses are cut to what is left.
    """
    narrow = 0 < width < WIDE
    room = max((width - _KIND - _SINCE - len("<> -> <>")) // 2, 10) if narrow else _LIMIT
    client, about = _who(record, max(width - _KIND, 10) if narrow else _LIMIT, room)
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.life.first))
    first, state = f"{_cell(record.kind.name, _KIND)}{_cell(client, _CLIENT)}", _state(record, now)
    if not narrow:
        return f"{first}{_cell(since, _SINCE)}{_cell(state, _STATE)}{about}".rstrip()
    if len(first) + len(state) > width:  # the address is a long one
        return f"{first.rstrip()}\n{'':<{_KIND}}{state}\n{'':<{_KIND}}{_cell(since, _SINCE)}{about}".rstrip()
    return f"{first}{state}\n{'':<{_KIND}}{_cell(since, _SINCE)}{about}".rstrip()


def _who(record: Record, longest: int, limit: int) -> tuple[str, str]:
    """The client or domain, of `longest` characters at most, and from whom to whom, addresses of `limit` at most."""
    kind, name, _, details = record
    if kind is Kind.GREY:
        shown = details or NO_DETAILS
        return _text(shown.address), f"<{_text(shown.sender, limit)}> -> <{_text(shown.recipient, limit)}>"
    if kind is Kind.PAIR:
        theirs, ours = split_pair(name)
        return "", f"<{_text(theirs, limit)}> -> <{_text(ours, limit)}>"
    return ("", f"-> <{_text(name, limit)}>") if kind is Kind.SPAMTRAP else (_text(name, longest), "")


def _cell(text: str, width: int) -> str:
    """A column with two blanks behind it, however long the text is."""
    return f"{text:<{width - 2}}  "


def _state(record: Record, now: int) -> str:
    kind, _, life, _ = record
    if kind is Kind.GREY:
        if life.passed:
            return f"passed {life.passed}x, for {in_words(life.expires - now)} more"
        if now < life.passes:
            return f"passes in {in_words(life.passes - now)}"
        return f"may pass, for {in_words(life.expires - now)} more"
    if life.expires >= FOREVER:
        return "for ever"
    return f"for {in_words(life.expires - now)} more"


def in_words(seconds: int) -> str:
    """A span of time in its two largest units: ``2 days 3 hours``."""
    if seconds < 60:
        return "a moment"
    pieces = []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count, seconds = divmod(seconds, size)
        if count:
            pieces.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(pieces[:2])
