"""What filterctl(8) wants to know of a chain: the command lines of its members, as if each were a filter of its own."""

from __future__ import annotations

from collections.abc import Sequence

from filter_chain.options import parse


def commands(arguments: Sequence[str]) -> list[list[str]]:
    """The members that these arguments of filter-chain name, each as program and options.

    Raises UsageError, ConfigError and VersionWanted.
    """
    own, _ = parse(arguments)
    return [[f"filter-{each.filter}", *own.given, *each.words] for each in own.entries]


def places(arguments: Sequence[str]) -> dict[str, str]:
    """Where each member is written, by the name that it has in the log: ``file:line``, empty on the command line.

    Raises UsageError, ConfigError and VersionWanted.
    """
    own, _ = parse(arguments)
    return {each.label: each.place.rstrip(": ") for each in own.entries}
