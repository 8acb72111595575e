"""``filterctl explain filter …``: why a filter would refuse a client, told by the filter's own policy."""

from __future__ import annotations

from typing import Final

from filter_api.commands import Command, choose
from filter_api.errors import UsageError
from filterctl.__main__ import load

SUBJECTS: Final = {
    "dnsbl": ("filter_dnsbl.ctl", "[option ...] address [name]", "what lists in the DNS say of a client"),
    "dyndns": ("filter_dyndns.ctl", "[option ...] name|address [address]", "what the name of a client is worth"),
    "greylist": ("filter_greylist.ctl", "[option ...] address from to [helo]", "whether a delivery would wait"),
    "rdns": ("filter_rdns.ctl", "[option ...] address [helo [from]]", "whether the name of a client is right"),
    "sender-score": ("filter_spamassassin.ctl", "[-s file] address", "which points a sender has"),
}
"""Where each is told of, what it takes, and what it tells."""


def run(arguments: list[str]) -> int:
    """Hand the rest of the arguments to the filter that knows."""
    if not arguments:
        raise UsageError("what shall be explained?")
    if arguments[0] not in SUBJECTS and not arguments[0].startswith("-"):
        raise UsageError(f"unknown: {arguments[0]} (known: {', '.join(SUBJECTS)})")

    def command(module: str, synopsis: str, about: str) -> Command:
        def run_it(rest: list[str]) -> int:
            return load(module, "explain")(rest)  # loaded if it is meant

        return Command(run_it, synopsis, about)

    return choose(arguments, {name: command(*subject) for name, subject in SUBJECTS.items()})
