"""One list as an operator writes it: ``domain[=filter][*weight][/where]``, as postscreen_dnsbl_sites has it.

``filter`` are the answers that count, such as ``127.0.0.[2..4;9]``; a number may also be ``&bits``, for one that has
any of these bits. ``weight`` is from -99 to 99 without 0; below 0 the list welcomes. ``where`` is what is asked about:
``c`` the client's address (default), or one or more of ``p`` its confirmed or unconfirmed name, ``h`` its HELO name,
``s`` the sender's domain, ``a`` the author's. ``@name@`` in the domain stands for a key, which is never shown.

Everything that is wrong is a ValueError that names the word and the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final

from filter_api.bounds import MAX_DNS_LISTS, MAX_LIST_DOMAIN
from filter_api.net.dns.answer import canonical_name
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError

CLIENT: Final = "c"
DOMAINS: Final = "phsa"
MOST_WEIGHT: Final = 99

_PARTS: Final = r"(?P<domain>[^=*/\s]+)(?:=(?P<filter>[^*/\s]+))?(?:\*(?P<weight>[^/\s]+))?(?:/(?P<where>[^\s]*))?"
_NUMBER: Final = r"\[[0-9.;]+\]|&?[0-9]{1,3}"
_SHOWN: Final = 80
_NO_KEYS: Final[Mapping[str, str]] = {}

NO_AUTHORS: Final = "a list is asked about authors (/a): give -a, which reads the messages"

AnswerFilter = tuple[frozenset[int], ...]
"""The values that each of the four numbers of an answer may have."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Where a list is asked. `name` may hold `key` and is shown to nobody; `shown` is the list's public name."""

    name: str = field(repr=False)
    shown: str
    key: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.shown


@dataclass(frozen=True, slots=True)
class Entry:
    """One list. answers: which count, None for all. weight: points, below 0 for a welcome list. where: see above."""

    zone: Zone
    answers: AnswerFilter | None = None
    weight: int = 1
    where: str = CLIENT

    def counts(self, address: IPv4Address) -> bool:
        """Whether an answer is among those that count."""
        if self.answers is None:
            return True
        return all(number in values for number, values in zip(address.packed, self.answers, strict=True))


def parse_entry(text: str, keys: Mapping[str, str] | None = _NO_KEYS) -> Entry:
    """Read one list. `keys`: by name, what ``@name@`` stands for; None where there can be none. Raises ValueError."""
    word = printable(text, _SHOWN)
    found = re.fullmatch(_PARTS, text)
    if found is None:
        raise ValueError(f"{word}: a list is domain[=filter][*weight][/where]")
    where = CLIENT if found["where"] is None else found["where"]
    weight = 1 if found["weight"] is None else _weight(found["weight"])
    _check_where(where, weight)
    answers = None if found["filter"] is None else _answers(found["filter"])
    return Entry(_zone(found["domain"], keys), answers, weight, where)


def parse_lists(
    lines: Sequence[Line], keys: Mapping[str, str] | None = _NO_KEYS, *, authors: bool = True
) -> tuple[Entry, ...]:
    """The lists of a file, one a line. authors: whether lists may be asked about them (/a). Raises LineError."""
    entries = []
    for line in lines:
        try:
            entry = parse_entry(line.text.decode("latin-1"), keys)
        except ValueError as error:
            raise LineError(line.number, str(error)) from None
        if "a" in entry.where and not authors:
            raise LineError(line.number, f"{entry.zone.shown}: {NO_AUTHORS}")
        entries.append(entry)
        if len(entries) > MAX_DNS_LISTS:
            raise LineError(line.number, f"more than {MAX_DNS_LISTS} lists; ask fewer")
    return tuple(entries)


def _zone(domain: str, keys: Mapping[str, str] | None) -> Zone:
    word = printable(domain, _SHOWN)
    pieces, key = domain.split("@"), ""
    if len(pieces) not in (1, 3):
        raise ValueError(f"{word}: a key is written @name@, once")
    if len(pieces) == 3:
        if keys is None:
            raise ValueError(f"{word}: no list with a key can be asked here; name one without")
        if pieces[1] not in keys:
            raise ValueError(f"{word}: no key is named {printable(pieces[1], 40)}; add it to the file of keys (-k)")
        key = keys[pieces[1]].lower()
        domain = pieces[0] + key + pieces[2]
        shown = re.sub(r"\.{2,}", ".", f"{pieces[0]}{pieces[2]}".lower()).strip(".")
    else:
        shown = domain.lower().removesuffix(".")
    name = canonical_name(domain)
    if name is None or re.fullmatch(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.[a-z][a-z0-9-]*", name) is None:
        raise ValueError(f"{word}: no domain name; write it like zen.example.org")
    if len(name) > MAX_LIST_DOMAIN:
        raise ValueError(f"{word}: longer than {MAX_LIST_DOMAIN} characters, so no address fits in front of it")
    return Zone(name, shown, key)


def _weight(text: str) -> int:
    if re.fullmatch(r"[+-]?[0-9]{1,2}", text) and int(text):
        return int(text)
    raise ValueError(f"*{printable(text, 40)}: a weight is from -{MOST_WEIGHT} to {MOST_WEIGHT}, and not 0")


def _check_where(where: str, weight: int) -> None:
    word = printable(where, 40)
    if where != CLIENT and (not where or set(where) - set(DOMAINS) or len(set(where)) < len(where)):
        raise ValueError(f"/{word}: write /c alone, or some of /p /h /s /a together, such as /ps")
    if weight < 0 and set(where) & set("ha"):
        raise ValueError(f"/{word}: anybody can use any HELO name or author, so these welcome nobody; use /p or /s")


def _answers(text: str) -> AnswerFilter:
    word = printable(text, _SHOWN)
    if re.fullmatch(rf"(?:{_NUMBER})(?:\.(?:{_NUMBER})){{3}}", text) is None:
        raise ValueError(f"={word}: a filter has four numbers, such as 127.0.0.[2..4;9] or 127.0.0.&8")
    values = tuple(_values(number, word) for number in re.findall(_NUMBER, text))
    if 127 not in values[0]:
        raise ValueError(f"={word}: answers of lists begin with 127, so this never counts")
    if not all(values):
        raise ValueError(f"={word}: no number has any of the bits of 0; write &1 to &255")
    if values[1] == values[2] == {255}:
        raise ValueError(f"={word}: by these a list refuses questions, so they never count; leave the filter away")
    return values


def _values(number: str, word: str) -> frozenset[int]:
    if number.startswith("&"):
        bits = _octet(number[1:], word)
        return frozenset(value for value in range(256) if value & bits)
    if not number.startswith("["):
        return frozenset({_octet(number, word)})
    values: set[int] = set()
    for part in number[1:-1].split(";"):
        first, dots, last = part.partition("..")
        low, high = _octet(first, word), _octet(last if dots else first, word)
        if low > high:
            raise ValueError(f"={word}: the range {part} is reversed; write {last}..{first}")
        values.update(range(low, high + 1))
    return frozenset(values)


def _octet(text: str, word: str) -> int:
    if text.isdigit() and len(text) <= 3 and int(text) <= 255:
        return int(text)
    raise ValueError(f"={word}: '{printable(text, 20)}' is no number from 0 to 255")
