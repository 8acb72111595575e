"""What an operator writes behind ``filterctl allow`` and ``deny``: one entry, and the proof its kind demands. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from filter_api.errors import UsageError
from filter_api.files.exempt import parse_entries
from filter_api.files.networks import looks_like_network, networks_of, parse_network
from filter_api.files.rules import pattern_key
from filter_api.text.addresses import Network
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError

PROOFS: Final = {
    "address": "the client has this address",
    "host": "the client has this name, and it leads back to the client's address",
    "from": "the sender is this one, and SPF passes for the client by an address or a network that is named",
    "dkim": "the author is of this domain, and a signature of it holds (filter-auth before, in one filter-chain)",
    "to": "all recipients are this one",
}
"""By kind: when an entry of -W counts."""

_KIND: Final = re.compile(r"(host|from|to|dkim):(.*)", re.IGNORECASE | re.DOTALL)
_LONGEST: Final = 320
"""Characters of an entry: a mail address has 254, a name 255."""

_WIDEST: Final = {4: (1 << 24, "a /8"), 6: (1 << 109, "a /19")}
"""Addresses of the widest entry, by IP version: as wide as a published list may have it, lists.conf(5)."""


class What(NamedTuple):
    """kind: of `PROOFS`. name: of host, sender …; empty for an address. text: as it stands in a file of -W."""

    kind: str
    name: str
    text: str


def parse(text: str) -> What:
    """An entry of the command line. Raises UsageError, with the ways to write what could be meant."""
    text = text.strip()
    if len(text) > _LONGEST or not text or any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in text):
        raise UsageError(f"{printable(text, 60)}: an address, a network or a name is wanted")
    kind = _KIND.fullmatch(text)
    if kind is not None:
        return _named(kind[1].lower(), kind[2].strip())
    try:
        return What("address", "", _shortest(list(networks_of(text))))
    except ValueError as error:
        if not set(text) - set("0123456789./:- ") or (set(text) & set(" :,") and "@" not in text):
            raise UsageError(_remedy(text, str(error))) from None
    if "@" in text:
        return _named("from", text.removeprefix("<").removesuffix(">"))
    raise UsageError(
        f"{printable(text, 100)}: write host:{printable(text, 100)} for a client of this name,"
        f" or from:{printable(text, 100)} for senders of this domain"
    )


def refuse_wide(what: What) -> None:
    """Raise UsageError for an entry that stands for a large part of the internet: mostly a slip of the hand."""
    if what.kind == "address":
        networks = list(networks_of(what.text))
        most, shown = _WIDEST[networks[0].version]
        if sum(network.num_addresses for network in networks) > most:
            raise UsageError(f"{what.text} is wider than {shown}: if that is meant, write it into the file by hand")
    elif what.name == ".":
        raise UsageError(f"{what.text} is everybody: if that is meant, write it into the file by hand")


def _shortest(networks: list[Network]) -> str:
    """An address, a network or a range of them, in one way for all that say the same."""
    if len(networks) > 1:
        return f"{networks[0].network_address}-{networks[-1].broadcast_address}"
    (network,) = networks
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _remedy(text: str, error: str) -> str:
    if "host bits" in error:
        return f"{error}: write {parse_network(text, loose=True)}, or {text.partition('/')[0]} for one address"
    if " " in text or "," in text:
        return f"{error}: give each an argument of its own"
    return error if looks_like_network(text) else f"{error}, nor host:, from:, to: or dkim: with a name"


def _named(kind: str, name: str) -> What:
    if not name.isascii():
        raise UsageError(f"{printable(name, 100)}: write the name as it is in the DNS, with xn--")
    if name.startswith("<") and name.endswith(">"):
        name = name[1:-1]
    name = name if name == "." else name.removesuffix(".")
    found = What(kind, name, f"{kind}:{name}")
    try:
        parse_entries([Line(1, found.text.encode("ascii"))])
    except LineError as error:
        raise UsageError(f"{kind}: {error}") from None
    return found


def key_of(text: str) -> object:
    """What an entry of a file says, so that it can be compared: upper and lower case, dots and brackets apart."""
    kind = _KIND.fullmatch(text)
    word, name = (kind[1].lower(), kind[2].strip()) if kind else ("", text)
    if not kind:
        try:
            return tuple(networks_of(text))
        except ValueError:
            pass
    try:
        return word, pattern_key(Line(1, name.encode("utf-8", "surrogateescape")))
    except LineError:
        return word, text.lower().encode("utf-8", "surrogateescape")
