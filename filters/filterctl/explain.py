"""``filterctl explain filter …``: why a filter would refuse a client, told by the filter's own policy."""

from __future__ import annotations

from filter_api.errors import UsageError
from filterctl.__main__ import load

SUBJECTS = {
    "dnsbl": "filter_dnsbl.ctl",
    "dyndns": "filter_dyndns.ctl",
    "greylist": "filter_greylist.ctl",
    "rdns": "filter_rdns.ctl",
    "sender-score": "filter_spamassassin.ctl",
}


def run(arguments: list[str]) -> int:
    """Hand the rest of the arguments to the filter that knows."""
    if not arguments:
        raise UsageError("what shall be explained?")
    module = SUBJECTS.get(arguments[0])
    if module is None:
        raise UsageError(f"unknown: {arguments[0]} (known: {', '.join(SUBJECTS)})")
    return load(module, "explain")(arguments[1:])
