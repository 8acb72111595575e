"""A DMARC record, the TXT record at ``_dmarc.`` a domain (RFC 9989 §4.7, §4.8).

    parse_record(b"v=DMARC1; p=reject; sp=quarantine")      -> Record(p="reject", sp="quarantine", …)
    parse_record(b"v=spf1 -all")                            -> None: another kind of record

A record is read for what it says: tags that nobody defines, and pct, rf and ri, which RFC 9989 does away with, are
nothing. Where p, sp or np is invalid or p is missing, nobody can obey: with an address for reports it counts as p=none,
without one it is no policy at all (§4.7). Nothing here raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from filter_api import bounds

_VERSION: Final = re.compile(rb"[ \t]*[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_POLICIES: Final = frozenset(("none", "quarantine", "reject"))
_MAILTO: Final = re.compile(r"mailto:[^@\s,!]+@[^@\s,!]+(?:![0-9]+[kmgt]?)?\Z", re.IGNORECASE)
_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*:[^\s,]+\Z", re.IGNORECASE)

#: One step weaker, for t=y.
WEAKER: Final = {"reject": "quarantine", "quarantine": "none", "none": "none"}


@dataclass(frozen=True, slots=True)
class Record:
    """What a domain asks for.

    p, sp, np: policies for the domain, for those below it that exist, for those that do not; p is empty in a record
    that nobody can obey. strict_dkim, strict_spf: adkim=s, aspf=s. testing: t=y. psd: y, n or u. reports: the mailto:
    addresses of rua=, as written, and otherwise: its other URIs, together at most `bounds.MAX_REPORT_ADDRESSES`. text:
    the whole record.
    """

    p: str
    sp: str
    np: str
    strict_dkim: bool = False
    strict_spf: bool = False
    testing: bool = False
    psd: str = "u"
    reports: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    text: str = field(default="", compare=False)

    @property
    def usable(self) -> bool:
        """Whether there is a policy in it."""
        return self.p != ""

    def policy(self, *, own: bool, exists: bool) -> str:
        """The policy asked for, before t=. own: the record is the author domain's; exists: so does that domain."""
        if own:
            return self.p
        return self.sp if exists else self.np


def parse_record(text: bytes) -> Record | None:
    """Read a TXT record; None if it is no DMARC record."""
    if not _VERSION.match(text):
        return None
    if len(text) > bounds.MAX_DMARC_RECORD:
        return Record("", "", "")
    tags, twice = _tags(text.decode("latin-1"))
    uris = [uri.strip() for uri in tags.get("rua", "").split(",")[: bounds.MAX_REPORT_ADDRESSES]]
    p, sp, np = (tags.get(name, "").lower() for name in ("p", "sp", "np"))
    invalid = bool(twice & {"p", "sp", "np"}) or p not in _POLICIES or not {sp, np} - {""} <= _POLICIES
    if invalid:
        p = "none" if any(map(_URI.match, uris)) else ""
        sp = np = p
    sp = sp or p
    psd = tags.get("psd", "u").lower()
    return Record(
        p,
        sp,
        np or sp,
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        testing=tags.get("t", "").lower() == "y",
        psd=psd if psd in {"y", "n"} else "u",
        reports=tuple(filter(_MAILTO.match, uris)),
        otherwise=tuple(uri for uri in uris if _URI.match(uri) and uri.partition(":")[0].lower() != "mailto"),
        text=text.decode("latin-1"),
    )


def _tags(text: str) -> tuple[dict[str, str], set[str]]:
    """The first value of each tag, by its name in lower case, and the names that occur more than once."""
    tags: dict[str, str] = {}
    twice: set[str] = set()
    for item in text.split(";", bounds.MAX_TAGS + 1)[: bounds.MAX_TAGS]:
        name, equals, value = item.partition("=")
        name = name.strip(" \t").lower()
        if equals and name in tags:
            twice.add(name)
        elif equals:
            tags[name] = value.strip(" \t")
    return tags, twice
