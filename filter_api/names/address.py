"""Whether a host name holds its client's address: in decimal or hex, reversed, padded, glued, whole or in part.

Providers number their subscribers' names by the address: ``p5B2A1C3D.dip0``, ``178-012-034-056.178.012.pools``,
``host56-34-dynamic.12-79-r``, ``softbank126012034056``. Whoever names a mail server seldom does. `address_evidence`
gets the part of the name left of the registered domain and answers with the strongest find alone.

Every step is one pass over the name, with a number of patterns that does not depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from itertools import product
from typing import Final, NamedTuple

WHOLE: Final = 5
"""Points for the whole address: a name made by a machine."""
THREE_OCTETS: Final = 5
"""Points for three octets in a row: by chance that is as unlikely as all four."""
TWO_OCTETS: Final = 2
HALF: Final = 4
"""Points for one half of an IPv6 address: the network, or an interface identifier that is not a mere number."""
FOREIGN: Final = 3
"""Points for something that looks like an address but is not this client's: a line behind another."""
UNKNOWN: Final = 5
"""Points for the same where the client's address is not known, as with ``-x name``."""
HARDWARE: Final = 5
"""Points for a MAC address: cable companies name modems by it."""

_NUMBERS: Final = re.compile(rb"[0-9]+")
_NOT_DIGITS: Final = re.compile(rb"[^0-9]+")
_SEPARATORS: Final = re.compile(rb"[^0-9a-z]+")
_HEX_RUN: Final = re.compile(rb"[0-9a-f]+")
_OCTET: Final = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|0?[0-9]{1,2})"
_DOTTED: Final = rb"(?<![0-9])" + rb"[-._x]".join([_OCTET] * 4) + rb"(?![0-9])"
_FEWEST_GLUED: Final = 7  # digits: fewer could be a serial number
_GROUPS: Final = 8


class Find(NamedTuple):
    """Points, what was found, in words, and the bytes of an address in hex: letters in them are no words."""

    weight: int
    reason: str
    text: bytes = b""


def address_evidence(host: bytes, address: IPv4Address | IPv6Address | None) -> Find | None:
    """The strongest sign of a client's address in `host` (lower case); None where there is none."""
    found = None
    if isinstance(address, IPv4Address):
        found = _find_v4(host, address)
    elif isinstance(address, IPv6Address):
        found = _find_v6(host, address)
    if found is None or found.weight < FOREIGN:
        if _holds_hardware_address(host):
            return Find(HARDWARE, "a hardware address")
        if re.search(_DOTTED, host):
            return Find(UNKNOWN, "an address") if address is None else Find(FOREIGN, "another address")
    return found


def _find_v4(host: bytes, address: IPv4Address) -> Find | None:
    octets = tuple(address.packed)
    return (
        _in_hex(host, address.packed)
        or _in_numbers([int(run) for run in _NUMBERS.findall(host) if len(run) <= 10], octets, int(address))
        or _glued(host, octets)
        or _part_in_hex(host, address.packed)
        or _part_in_numbers([int(run) for run in _NUMBERS.findall(host) if len(run) <= 3], octets)
    )


def _in_hex(host: bytes, packed: bytes) -> Find | None:
    squeezed = _SEPARATORS.sub(b"", host)
    for direction, ordered in (("", packed), (", reversed", packed[::-1])):
        text = ordered.hex().encode()
        if text in squeezed:
            return Find(WHOLE, "the client's address in hex" + direction, text)
    return None


def _in_numbers(numbers: Sequence[int], octets: tuple[int, ...], value: int) -> Find | None:
    """Four numbers in a row that are the octets in any order, or the address as one number."""
    wanted = sorted(octets)
    for window in _windows(numbers, 4):
        if sorted(window) == wanted:
            order = {octets: "", octets[::-1]: ", reversed"}.get(window, ", its octets in another order")
            return Find(WHOLE, "the client's address" + order)
    if value > 0xFFFFFF and value in numbers:
        return Find(WHOLE, "the client's address as one number")
    return None


def _glued(host: bytes, octets: tuple[int, ...]) -> Find | None:
    """The octets without separators, each padded with zeros or not, in order or reversed."""
    digits = _NOT_DIGITS.sub(b"", host)
    if len(digits) < _FEWEST_GLUED:
        return None
    for direction, ordered in (("", octets), (", reversed", octets[::-1])):
        for form in product(*((b"%d" % octet, b"%03d" % octet) for octet in ordered)):
            text = b"".join(form)
            if len(text) >= _FEWEST_GLUED and text in digits:
                return Find(WHOLE, "the client's address, glued" + direction)
    return None


def _part_in_hex(host: bytes, packed: bytes) -> Find | None:
    squeezed = _SEPARATORS.sub(b"", host)
    for part in (packed[:3], packed[1:]):
        text = part.hex().encode()
        if text in squeezed:
            return Find(THREE_OCTETS, "three octets of the client's address in hex", text)
    return None


def _part_in_numbers(numbers: Sequence[int], octets: tuple[int, ...]) -> Find | None:
    """Three of the octets in a row in any order; else the first two or the last two."""
    for window in _windows(numbers, 3):
        if _digits(window) >= 5 and _is_part(window, octets):
            return Find(THREE_OCTETS, "three octets of the client's address")
    first, last = octets[:2], octets[2:]
    pairs = {first, first[::-1], last, last[::-1]}
    for pair in _windows(numbers, 2):
        if pair in pairs and _digits(pair) >= 3:
            return Find(TWO_OCTETS, "two octets of the client's address")
    return None


def _windows(numbers: Sequence[int], size: int) -> Iterator[tuple[int, ...]]:
    """Every `size` numbers in a row."""
    return (tuple(numbers[start : start + size]) for start in range(len(numbers) - size + 1))


def _is_part(window: tuple[int, ...], octets: tuple[int, ...]) -> bool:
    rest = list(octets)
    for number in window:
        if number not in rest:
            return False
        rest.remove(number)
    return True


def _digits(window: tuple[int, ...]) -> int:
    """Decimal digits in all: small numbers meet by chance."""
    return sum(len(str(number)) for number in window)


def _find_v6(host: bytes, address: IPv6Address) -> Find | None:
    nibbles = address.packed.hex().encode()
    squeezed = _SEPARATORS.sub(b"", host)
    groups = [int(group, 16) for group in address.exploded.split(":")]
    for text in (nibbles, nibbles[::-1]):
        if text in squeezed:
            return Find(WHOLE, "the client's address in hex", text)
    if str(address).replace(":", "-").encode() in host:
        return Find(WHOLE, "the client's address, compressed")
    rows = _group_rows(host)
    if any(groups == row[start : start + _GROUPS] for row in rows for start in range(len(row) - _GROUPS + 1)):
        return Find(WHOLE, "the client's address in groups")
    if nibbles[:16] in squeezed or nibbles[:16][::-1] in squeezed or _has_row(rows, groups[:4]):
        return Find(HALF, "the network of the client's address")
    if len(set(nibbles[16:])) > 4 and (nibbles[16:] in squeezed or _has_row(rows, groups[4:])):
        return Find(HALF, "the interface part of the client's address")
    return None


def _group_rows(host: bytes) -> list[list[int]]:
    """Words of up to four hex digits that stand in a row, as numbers."""
    rows: list[list[int]] = [[]]
    for word in _SEPARATORS.split(host):
        if len(word) <= 4 and _HEX_RUN.fullmatch(word):
            rows[-1].append(int(word, 16))
        elif rows[-1]:
            rows.append([])
    return rows


def _has_row(rows: list[list[int]], groups: list[int]) -> bool:
    size = len(groups)
    return any(groups == row[start : start + size] for row in rows for start in range(len(row) - size + 1))


def _holds_hardware_address(host: bytes) -> bool:
    """Twelve hex digits in a run, letters and figures, or sixteen where a modem's name puts four in front."""
    for run in _HEX_RUN.findall(host):
        if len(run) in {12, 16}:
            letters = len(_NUMBERS.sub(b"", run))
            if 1 <= letters <= len(run) - 4:
                return True
    return False
