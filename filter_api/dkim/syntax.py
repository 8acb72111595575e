"""What can be said of a DKIM-Signature without the message and the key (RFC 6376 §3.5, §6.1.1).

Each check names the tag that is wrong. A tag that cannot be read makes the signature neutral, a contradiction or a
signature that covers too little is a permerror, and what may hold but does not count is policy (RFC 8601 §2.7.1).
"""

from __future__ import annotations

import re
from typing import Final

from filter_api.dkim.fields import Signature
from filter_api.dkim.keys import ALGORITHMS
from filter_api.dkim.record import BLANKS, without_blanks
from filter_api.dkim.results import Result, Terms, Unfit
from filter_api.text.idn import a_labels

_REQUIRED: Final = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")
_WEAK: Final = frozenset(("rsa-sha1",))
_LABEL: Final = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(_LABEL + rb"(?:\." + _LABEL + rb")*\Z")
_MAX_NAME: Final = 253


def check_tags(signature: Signature, now: float, terms: Terms) -> None:
    """Raises Unfit for the first thing that is wrong; adds notes. now: seconds since the epoch."""
    _check_present(signature)
    _check_algorithm(signature)
    _check_names(signature)
    _check_identity(signature)
    _check_query(signature)
    _ = signature.forms
    signature.number(b"l", "a number")
    signature.data(b"bh")
    signature.data(b"b")
    _check_times(signature, now, terms)


def _check_present(signature: Signature) -> None:
    tags = signature.tags
    missing = [name.decode() for name in _REQUIRED if name not in tags]
    if missing:
        raise Unfit(Result.NEUTRAL, f"malformed: {'= and '.join(missing)}= is missing")
    empty = [name.decode() for name in _REQUIRED if not tags[name]]
    if empty:
        raise Unfit(Result.NEUTRAL, f"malformed: {'= and '.join(empty)}= is empty")
    if tags[b"v"] != b"1":
        raise Unfit(Result.NEUTRAL, "malformed: not version 1 in v=")


def _check_algorithm(signature: Signature) -> None:
    algorithm = signature.text(b"a")
    if algorithm not in ALGORITHMS:
        result = Result.POLICY if algorithm in _WEAK else Result.NEUTRAL
        raise Unfit(result, f"a={algorithm}: {algorithm} is not a safe algorithm (RFC 8301)")


def is_name(value: bytes) -> bool:
    """Whether a value is a name in the DNS without a final dot; U-labels count as the A-labels they stand for."""
    name = a_labels(value)
    return len(name) <= _MAX_NAME and _NAME.match(name) is not None


def _check_names(signature: Signature) -> None:
    for tag, what in ((b"d", "a domain name"), (b"s", "a selector")):
        if not is_name(signature.tags[tag]):
            dot = ": it ends with a dot" if signature.tags[tag].endswith(b".") else ""
            raise Unfit(Result.NEUTRAL, f"malformed: {tag.decode()}= is not {what}{dot}")
    if b"from" not in signature.names:
        raise Unfit(Result.PERMERROR, "malformed: From is not signed, h= lacks it")


def _check_identity(signature: Signature) -> None:
    identity = signature.tags.get(b"i")
    if identity is None:
        return
    if b"@" not in identity:
        raise Unfit(Result.NEUTRAL, "malformed: i= has no @")
    domain, owner = a_labels(without_blanks(identity.rpartition(b"@")[2])), a_labels(signature.tags[b"d"])
    if domain != owner and not domain.endswith(b"." + owner):
        raise Unfit(Result.PERMERROR, "malformed: i= is not in the domain d=")
    if not is_name(domain):
        raise Unfit(Result.NEUTRAL, "malformed: i= is not in a domain name")


def _check_query(signature: Signature) -> None:
    methods = [method.strip(BLANKS).lower() for method in signature.tags.get(b"q", b"dns/txt").split(b":")]
    if b"dns/txt" not in methods:
        raise Unfit(Result.NEUTRAL, "q= has no method that is known, dns/txt is the only one")


def _check_times(signature: Signature, now: float, terms: Terms) -> None:
    signed, expiry = signature.number(b"t", "a time"), signature.number(b"x", "a time")
    if signed is not None and expiry is not None and expiry <= signed:
        raise Unfit(Result.NEUTRAL, "malformed: x= is not after t=")
    if expiry is not None and expiry < now:
        raise Unfit(Result.POLICY, "expired")
    if signed is not None and signed > now + (terms.ahead or 0):
        text = f"t= is {int(signed - now)} seconds in the future"
        if terms.ahead is not None:
            raise Unfit(Result.POLICY, text)
        signature.notes.append(text)
