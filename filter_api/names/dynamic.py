"""What the reverse DNS name of a client tells about the line behind it: a home, or a server?

    evidence = score(b"p5B2A1C3D.dip0.t-ipconnect.de", IPv4Address("91.42.28.61"))
    evidence.total      # 8: refuse from DEFAULT_REFUSE (5) on
    evidence.items      # the address in hex (+5), "dip" (+3)

No single sign decides. Points are added for the client's own address in the name (`filter_api.names.address`)
and for words of access networks, and taken off for words of servers (`filter_api.names.words`). The registered
domain is left out, so that a company may be called what it likes: ``mail.dslreports.com`` has the one word ``mail``. It
can only clear a client, where it is known to be, or says that it is, a hoster's or one for business lines.

`score` is total (any bytes, any length) and takes time linear in the length of the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple, Protocol

from filter_api.names.address import address_evidence
from filter_api.names.words import (
    CALLED_STATIC,
    CHANGING,
    DATA_CENTRES,
    DOMAIN_PARTS,
    DOMAIN_WEIGHT,
    HOSTING_REGISTRIES,
    NEUTRAL,
    OUTWEIGHED,
    PREFIXES,
    PSEUDO_REGISTRIES,
    SECOND_LEVELS,
    SUFFIXES,
    WEIGHTS,
    WORDS,
)
from filter_api.text.addresses import plain_address
from filter_api.text.escape import printable

DEFAULT_REFUSE: Final = 5
"""The score from which a client is taken for a residential one."""

_RUNS: Final = re.compile(rb"[a-z]+")
_ALNUM: Final = re.compile(rb"[a-z0-9]+")
_FIXED_IP: Final = re.compile(rb"(?<![a-z])(?:fixed[-_.]?ip|ip[-_.]?fixed)(?![a-z])")
_LONGEST_COMPOUND: Final = 24  # letters; bounds the work on one run of letters


class Item(NamedTuple):
    """One sign: its points, its kind (a word for the log) and what was seen (printable ASCII)."""

    weight: int
    kind: str
    detail: str


class Evidence(NamedTuple):
    """Every sign a name gives, strongest first."""

    items: tuple[Item, ...] = ()

    @property
    def total(self) -> int:
        """The score."""
        return sum(item.weight for item in self.items)

    @property
    def kinds(self) -> str:
        """For a log line: ``address+5,dsl+4,static-5``."""
        return ",".join(f"{item.kind}{item.weight:+d}" for item in self.items)


class Name(NamedTuple):
    """A host name in lower case, taken apart: `host` is what stands left of the registered domain."""

    whole: bytes
    host: bytes
    domain: bytes


class OwnPatterns(Protocol):
    """Patterns of the operator's, see `filter_api.names.rules`."""

    def matches(self, name: Name) -> Iterable[Item]: ...


def score(
    name: bytes | str, address: IPv4Address | IPv6Address | None = None, own: OwnPatterns | None = None
) -> Evidence:
    """The evidence in the reverse DNS `name` of the client at `address` (None if unknown), with patterns of one's own.

    Never raises. An IPv4-mapped address counts as the IPv4 address.
    """
    parts = split_name(name)
    items = list(_built_in(parts, None if address is None else plain_address(address)))
    if own is not None:
        items.extend(own.matches(parts))
    return Evidence(tuple(sorted(items, key=lambda item: -abs(item.weight))))


def split_name(name: bytes | str) -> Name:
    """Take a name apart at its registered domain: the last two labels, or three below a registry's second level.

    Second levels are those of two letters below a country's domain (``co.uk``, ``ne.jp``) and the well-known longer
    ones (``com.au``); no list of every registry is kept, as a label too much only makes the judgement milder.
    """
    raw = name.encode("utf-8", "surrogatepass") if isinstance(name, str) else name
    labels = [label for label in raw.lower().split(b".") if label]
    count = 3 if _below_a_registry(labels) else 2
    return Name(b".".join(labels), b".".join(labels[:-count]), b".".join(labels[-count:]))


def _below_a_registry(labels: list[bytes]) -> bool:
    if len(labels) < 2:
        return False
    second, top = labels[-2], labels[-1]
    if len(top) == 2:
        return len(second) <= 2 or second in SECOND_LEVELS
    return second + b"." + top in PSEUDO_REGISTRIES


def _built_in(name: Name, address: IPv4Address | IPv6Address | None) -> Iterator[Item]:
    host = name.host
    found = address_evidence(host, address)
    if found is not None:
        yield Item(found.weight, "address", found.reason)
        host = host.replace(found.text, b"-") if found.text else host  # letters of its hex form are no words
    words = _words(host)
    clears = name.domain in DATA_CENTRES or _speaks_of_servers(name.domain)
    steady = "static" in words and name.domain not in CALLED_STATIC
    outweighs = (clears or steady) and not CHANGING & words.keys()
    for kind, word in words.items():
        yield Item(0 if outweighs and kind in OUTWEIGHED else WEIGHTS[kind], kind, word.decode("ascii"))
    if clears:
        yield Item(DOMAIN_WEIGHT, "domain", printable(name.domain))


def _speaks_of_servers(domain: bytes) -> bool:
    """Whether a provider's domain itself says that its lines are for business or its machines for hosting.

    The one thing taken from the registered domain, as it can only clear a client.
    """
    owner, _, registry = domain.partition(b".")
    if registry in HOSTING_REGISTRIES:
        return True
    return owner.startswith(DOMAIN_PARTS) or owner.endswith(DOMAIN_PARTS)


def _words(host: bytes) -> dict[str, bytes]:
    """The kinds of words in the host part, each with the first word of it; one kind counts once."""
    found: dict[str, bytes] = {}
    for run in _RUNS.findall(host):
        for kind, word in _kinds_of(run):
            found.setdefault(kind, word)
    for word in _ALNUM.findall(host):
        if word in WORDS:
            found.setdefault(WORDS[word], word)
    fixed = _FIXED_IP.search(host) if "fixed" in found else None
    if fixed is not None:
        found.pop("fixed")
        found.setdefault("static", fixed[0])
    return found


def _kinds_of(run: bytes) -> Iterator[tuple[str, bytes]]:
    """A run of letters as a word, as two words written as one (``dynadsl``), or by its beginning or end."""
    if run in WORDS:
        yield WORDS[run], run
        return
    halves = _compound(run)
    if halves:
        yield from ((WORDS[half], half) for half in halves if half in WORDS)
        return
    for table, fits in ((PREFIXES, run.startswith), (SUFFIXES, run.endswith)):
        for affix, kind in table:
            if fits(affix):
                yield kind, affix


def _compound(run: bytes) -> tuple[bytes, bytes] | None:
    """The two known words `run` is made of, if there are such."""
    if len(run) > _LONGEST_COMPOUND:
        return None
    for cut in range(2, len(run) - 1):
        left, right = run[:cut], run[cut:]
        if (left in WORDS or left in NEUTRAL) and (right in WORDS or right in NEUTRAL):
            return left, right
    return None
