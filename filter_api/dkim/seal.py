"""The sealer of ARC (RFC 8617 §5.1): one more set of fields for mail that is passed on.

    link = next_link(fields, "pass")                            # Unsealable where there is to be no more set
    covered = cover(SEALED, fields)
    for name, value in seal(signer, link, covered, body_hash, results=results, now=now): ...

Fields are `(name in lower case, raw bytes with CRLF)` pairs from the top of the message as it will leave; the body hash
is that of the relaxed form. What a chain was worth on arrival is not found out here: that is `filter_api.dkim.arc`,
before anything was changed. A chain that failed is sealed as failed, by a seal over its own set alone (§5.1.2), and one
that somebody has sealed so already gets no more sets.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from filter_api import bounds
from filter_api.dkim.arc import KINDS, SEAL, ArcChain, covered
from filter_api.dkim.canonical import CRLF, FIELD_FORMS, relaxed_field
from filter_api.dkim.signature import (
    DEFAULT_NAMES,
    INDENT,
    TAB,
    Covered,
    Layout,
    RawField,
    Signer,
    fold,
    folded_base64,
)

SEALED: Final = Layout(names=(*DEFAULT_NAMES, b"dkim-signature"))
"""What a message signature covers: what a DKIM signature of ours does, and the DKIM signatures (§4.1.2)."""

BODY_FORM: Final = "relaxed"

_RESULTS: Final = "ARC-Authentication-Results"
_SIGNATURE: Final = "ARC-Message-Signature"
_SEAL: Final = "ARC-Seal"
_INSTANCE: Final = re.compile(rb"[^:]*:(?:[^;]*;)*?[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*(?:;|\Z)")
_HAS_FAILED: Final = re.compile(rb"[:;][ \t\r\n]*cv[ \t\r\n]*=[ \t\r\n]*fail[ \t\r\n]*(?:;|\Z)", re.IGNORECASE)


class Unsealable(Exception):
    """Why a message gets no set of ours: ``failed-before``, ``too-many-sets``."""


class Link(NamedTuple):
    """Where a new set goes. verdict: none, pass or fail. before: the canonical fields of other sets its seal covers."""

    instance: int
    verdict: str
    before: bytes = b""


def next_link(fields: Sequence[RawField], arrived: str) -> Link:
    """The next set. arrived: none, pass or fail, what the verifier said of the chain. Raises Unsealable.

    Where the fields that are there now are no chain, or one is there of which the verifier knew nothing, it has failed.
    """
    raws = [(name, raw) for name, raw in fields if name in KINDS]
    instances = [(_instance(raw), name, raw) for name, raw in raws]
    last = max((number for number, _, _ in instances), default=0)
    if any(name == SEAL and number == last and _HAS_FAILED.search(raw) for number, name, raw in instances):
        raise Unsealable("failed-before")
    if last >= bounds.MAX_ARC_SETS or len(raws) > len(KINDS) * bounds.MAX_ARC_SETS:
        raise Unsealable("too-many-sets")
    if not raws:
        return Link(1, "none" if arrived == "none" else "fail")
    chain = ArcChain(raws)
    if arrived != "pass" or chain.result == "fail":
        return Link(last + 1, "fail")
    return Link(last + 1, "pass", covered(chain.sets)[0])


def _instance(raw: bytes) -> int:
    """The number of the set a field says it is of; 0 if it says none."""
    match = _INSTANCE.match(raw)
    return int(match[1]) if match else 0


def seal(
    signer: Signer, link: Link, fields: Covered, body_hash: bytes, *, results: bytes, now: int
) -> list[tuple[str, bytes]]:
    """Names and values of the three fields of a set, from the top; values are folded with CRLF.

    signer: its tags are a=, d= and s=. fields: what the message signature covers. results: the value of the
    Authentication-Results field of the verifier. now: seconds since the epoch. Raises what the signer raises.
    """
    said = b"i=%d; %b" % (link.instance, results)
    signature = _signature(signer, fields, body_hash, link.instance, now)
    first = fold(_tags(signer, link.instance, now, b"cv=%b;" % link.verdict.encode()), len(_SEAL) + 2)
    own = first + INDENT + b"b="
    data = link.before + _relaxed(_RESULTS, said) + _relaxed(_SIGNATURE, signature)
    sealed = own + folded_base64(signer.sign(data + _relaxed(_SEAL, own).removesuffix(CRLF)), TAB + 2)
    return [(_SEAL, sealed), (_SIGNATURE, signature), (_RESULTS, said)]


def _signature(signer: Signer, fields: Covered, body_hash: bytes, instance: int, now: int) -> bytes:
    """The value of the message signature (§4.1.2)."""
    forms = f"c={fields.header_form}/{BODY_FORM};".encode()
    names = [name + b":" for name in fields.names]
    names[-1] = names[-1][:-1] + b";"
    lines = [
        fold(_tags(signer, instance, now, forms), len(_SIGNATURE) + 2),
        fold([b"h=" + names[0], *names[1:]], TAB, glue=b""),
        b"bh=" + base64.b64encode(body_hash) + b";",
        b"b=",
    ]
    own = INDENT.join(lines)
    canonical = FIELD_FORMS[fields.header_form](_raw(_SIGNATURE, own)).removesuffix(CRLF)
    return own + folded_base64(signer.sign(fields.data + canonical), TAB + 2)


def _tags(signer: Signer, instance: int, now: int, more: bytes) -> list[bytes]:
    return [b"i=%d;" % instance, *signer.tags.split(b" "), b"t=%d;" % now, more]


def _raw(name: str, value: bytes) -> bytes:
    return name.encode("ascii") + b": " + value + CRLF


def _relaxed(name: str, value: bytes) -> bytes:
    return relaxed_field(_raw(name, value))
