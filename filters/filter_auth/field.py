"""The Authentication-Results field of filter-auth, and which fields that came in claim to be ours (RFC 8601 §5).

No local part of an address is written (§2.7.2), and no value that could need quotes stands before another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from filter_api.dkim.arc import ArcChain
from filter_api.dkim.results import Outcome
from filter_api.dkim.results import Result as Dkim
from filter_api.dmarc.evaluate import Dmarc, Found
from filter_api.message.results import FIELD_NAME, Said, parse_results, same_id, write_results
from filter_auth.checks import Checked
from filter_auth.policy import Action, Ruling

__all__ = ["FIELD_NAME", "field_value", "forged"]

_SELECTOR: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
_ALGORITHM: Final = re.compile(r"[a-z0-9-]{1,20}")
_DONE: Final = {
    Action.ACCEPT: "accepted",
    Action.MARK: "marked",
    Action.REJECT: "refused",
    Action.TEMPFAIL: "put off",
}


def forged(ids: Sequence[str]) -> Callable[[bytes], bool]:
    """Whether a field that came in must go: it has one of our ids, another version, or cannot be read."""
    own = [each.encode("ascii") for each in ids]

    def must_go(value: bytes) -> bool:
        read = None if b"\r" in value else parse_results(value)  # to some readers a bare CR begins another field
        return read is None or read.version != b"1" or any(same_id(read.id, each) for each in own)

    return must_go


def field_value(name: str, checked: Checked, ruling: Ruling) -> str:
    """The value of the field by the host of that id."""
    said: list[Said] = []
    if checked.iprev:
        said.append(Said("iprev", checked.iprev, {"policy.iprev": checked.client}))
    said.append(Said("spf", checked.spf, {f"smtp.{checked.spf_property}": checked.spf_domain}))
    said += [_signature(each) for each in checked.outcomes] or [Said("dkim", "none")]
    said.append(_chain(checked.chain))
    said.append(_dmarc(checked, ruling))
    return write_results(name, said)


def _signature(outcome: Outcome) -> Said:
    algorithm = outcome.algorithm if _ALGORITHM.fullmatch(outcome.algorithm) else ""
    selector = outcome.selector if _SELECTOR.fullmatch(outcome.selector) else ""
    properties = {
        "header.d": outcome.name,
        "header.s": selector,
        "header.a": algorithm,
        "header.b": outcome.start if outcome.name else "",
    }
    reason = "" if outcome.result is Dkim.PASS else outcome.reason
    return Said("dkim", outcome.result.value, properties, reason)


def _chain(chain: ArcChain) -> Said:
    return Said("arc", chain.result, reason=chain.reason)


def _dmarc(checked: Checked, ruling: Ruling) -> Said:
    found = checked.found
    if found is None:
        return Said("dmarc", "permerror", reason=checked.no_author)
    properties = {"header.from": found.author}
    if found.result is Dmarc.FAIL:
        properties["policy.dmarc"] = found.published
        return Said("dmarc", "fail", properties, ", ".join(_why(found, ruling)))
    return Said("dmarc", found.result.value, properties, found.reason)


def _why(found: Found, ruling: Ruling) -> Iterator[str]:
    yield f"p={found.published}"
    if found.testing:
        yield "t=y"
    yield _DONE[ruling.action]
    if ruling.override and ruling.override != "test":
        yield f"by {ruling.override}"
