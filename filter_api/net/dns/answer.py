"""What a DNS question is answered with: values only, no network and no clock.

`Status` keeps apart what a mail server must never mix up: a name that certainly does not exist, a name without
records of the kind asked for, and a question nobody answered. The first two are facts a policy may act on; the third
is doubt, and the answer to doubt is a temporary one.

`canonical_name` decides what is worth asking at all. Names come from clients (HELO, MAIL FROM, PTR records, SPF
macros), so they are checked here, before any packet is made of them.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace
from typing import TypeAlias

from filter_api.bounds import MAX_RECORDS
from filter_api.text.addresses import Address, plain_address

Record: TypeAlias = Address | str | bytes | tuple[int, str]

KINDS = frozenset(MAX_RECORDS)
MAX_NAME = 253  # characters in text form, without the final dot (RFC 1035 §2.3.4: 255 bytes on the wire)
_LABEL = r"[!-\-/-\[\]-~]{1,63}+"  # visible ASCII but the dot and the backslash
_NAME = re.compile(rf"(?:{_LABEL}\.)*+{_LABEL}")
_NAME_WITH_BLANKS = re.compile(_NAME.pattern.replace("!", " "))


class Status(enum.Enum):
    """What became of a question."""

    OK = "ok"
    NXDOMAIN = "nxdomain"  # the name does not exist (RFC 8020)
    NODATA = "nodata"  # the name exists, without a record of this kind (RFC 2308 §2.2)
    TEMPFAIL = "tempfail"  # SERVFAIL, REFUSED, garbage, a loop, or silence: nothing is known


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of one name and kind, at the end of any CNAME chain.

    A and AAAA records are `ipaddress` objects, PTR, CNAME and NS are lower-case names without the final dot ("" is
    the root), MX is (preference, exchange), TXT is the bytes of one record with its strings joined.
    `ttl` is how many seconds the answer may still be believed; 0 means only now.
    `why` says in a few words what went wrong, for the log; it is empty for an answer that is certain.
    `cut` says that there were more records than are used (`filter_api.bounds.MAX_RECORDS`, and what is read of one
    message): what is not among them is not known to be absent.
    """

    status: Status
    records: tuple[Record, ...] = ()
    ttl: int = 0
    why: str = ""
    cut: bool = False

    @property
    def missing(self) -> bool:
        """Is it certain that there is no such record?"""
        return self.status in (Status.NXDOMAIN, Status.NODATA)

    def addresses(self) -> tuple[Address, ...]:
        """The records of an A or AAAA answer."""
        return tuple(r for r in self.records if isinstance(r, Address))

    def names(self) -> tuple[str, ...]:
        """The records of a PTR, CNAME or NS answer."""
        return tuple(r for r in self.records if isinstance(r, str))

    def exchanges(self) -> tuple[tuple[int, str], ...]:
        """The records of an MX answer, best preference first."""
        return tuple(sorted(r for r in self.records if isinstance(r, tuple)))

    def texts(self) -> tuple[bytes, ...]:
        """The records of a TXT answer."""
        return tuple(r for r in self.records if isinstance(r, bytes))


def bounded(answer: Answer, kind: str) -> Answer:
    """The answer with no more records than are used of that kind."""
    limit = MAX_RECORDS[kind]
    if len(answer.records) <= limit:
        return answer
    return replace(answer, records=answer.records[:limit], cut=True)


def canonical_name(name: str | bytes, *, spaces: bool = False) -> str | None:
    """Return `name` in lower case without its final dot, or None if it cannot be a domain name.

    Refused are empty labels, labels over 63 and names over 253 characters, everything that is not visible ASCII, and
    the backslash, which stands for an odd byte in the names dnspython prints. Underscores and the like stay: SPF and
    DKIM names have them. `spaces` lets blanks through, which an SPF macro may make (RFC 7208 §7.1) and nothing else.
    """
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    text = text.removesuffix(".")
    if len(text) > MAX_NAME or not (_NAME_WITH_BLANKS if spaces else _NAME).fullmatch(text):
        return None
    return text.lower()


def reverse_name(address: Address) -> str:
    """Return the name whose PTR records name this address (RFC 1035 §3.5, RFC 3596 §2.5)."""
    return plain_address(address).reverse_pointer
