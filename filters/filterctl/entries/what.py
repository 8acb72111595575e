"""What an operator writes behind ``filterctl allow`` and ``deny``: one entry, and the proof its kind demands. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from filter_api.errors import ConfigError, UsageError
from filter_api.files.networks import items_of, networks_of
from filter_api.files.rules import pattern_key
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


class What(NamedTuple):
    """kind: of `PROOFS`. name: of host, sender …; empty for an address. text: as it stands in a file of -W."""

    kind: str
    name: str
    text: str

    @property
    def key(self) -> object:
        """Equal for entries that say the same."""
        return key_of(self.text)


def parse(text: str) -> What:
    """An entry of the command line. Raises UsageError, with the ways to write what could be meant."""
    text = text.strip()
    if len(text) > _LONGEST or not text or any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in text):
        raise UsageError(f"{printable(text, 60)}: an address, a network or a name is wanted")
    kind = _KIND.fullmatch(text)
    if kind is not None:
        return _named(kind[1].lower(), kind[2].strip())
    try:
        networks_of(text)
    except ValueError as error:
        if not set(text) - set("0123456789./:- "):
            raise UsageError(str(error)) from None
    else:
        return What("address", "", items_of(text)[0])
    if "@" in text:
        return _named("from", text.removeprefix("<").removesuffix(">"))
    raise UsageError(
        f"{printable(text, 100)}: write host:{printable(text, 100)} for a client of this name,"
        f" or from:{printable(text, 100)} for senders of this domain"
    )


def _named(kind: str, name: str) -> What:
    try:
        pattern_key(Line(1, name.encode("utf-8", "surrogateescape")))
    except LineError as error:
        raise UsageError(f"{kind}: {error}") from None
    if not name.isascii():
        raise UsageError(f"{printable(name, 100)}: write the name as it is in the DNS, with xn--")
    return What(kind, name, f"{kind}:{name}")


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


def in_table(what: What) -> str:
    """An entry as table(5) has it: ``@example.org`` for a domain, ``*`` for what is below. Raises ConfigError."""
    below = what.name.startswith(".")
    if what.kind == "from":
        return what.name if "@" in what.name else f"@*{what.name}" if below else f"@{what.name}"
    if what.kind == "host":
        return f"*{what.name}" if below else what.name
    if "-" in what.text:
        raise ConfigError(f"{what.text}: a table of smtpd's takes networks, such as 192.0.2.0/25, and no ranges")
    return what.text
