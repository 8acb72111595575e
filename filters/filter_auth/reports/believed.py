"""What of a store is believed: whoever runs the reports need not trust whoever can write to the file. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from filter_api import bounds
from filter_api.dkim.syntax import is_name

_DISPOSITIONS: Final = frozenset(("none", "pass", "quarantine", "reject"))
_ALIGNED: Final = frozenset(("pass", "fail"))
_REASONS: Final = frozenset(("local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder"))
_DKIM: Final = frozenset(("none", "pass", "fail", "policy", "neutral", "temperror", "permerror"))
_SPF: Final = frozenset(("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"))


def is_domain(name: object) -> bool:
    """Whether this is the name of a domain, as it stands in file names and subjects of reports."""
    return isinstance(name, str) and name.isascii() and is_name(name.encode("ascii"))


def is_record(text: object) -> bool:
    """Whether this can be the text of a DMARC record: bytes, each as a character."""
    return isinstance(text, str) and len(text) <= bounds.MAX_DMARC_RECORD and all(char <= "\xff" for char in text)


def is_row(text: object) -> bool:
    """Whether this is what `filter_auth.reports.row` writes of a message."""
    if not isinstance(text, str):
        return False
    try:
        return _fits(json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _fits(facts: dict[str, object]) -> bool:
    """Raises ValueError, TypeError and KeyError for some that do not."""
    match facts:
        case {
            "ip": str(address),
            "reasons": list(reasons),
            "signatures": list(signatures),
            "checked": [str(_), str(spf)],
        }:
            ip_address(address)
            return (
                facts["disposition"] in _DISPOSITIONS
                and {facts["dkim"], facts["spf"]} <= _ALIGNED
                and _are_texts([facts["header_from"], facts["envelope_from"]], 2)
                and all(_are_texts(each, 2) and each[0] in _REASONS for each in reasons)
                and all(_are_texts(each, 3) and each[2] in _DKIM for each in signatures)
                and spf in _SPF
            )
    return False


def _are_texts(values: Sequence[object], count: int) -> bool:
    return isinstance(values, list) and len(values) == count and all(isinstance(each, str) for each in values)
