"""Arguments that the verbs of ``filterctl dkim`` share."""

from __future__ import annotations

import getopt

from filter_api.errors import UsageError
from filter_api.net.dns import Resolver
from filter_api.net.endpoint import parse_name_server


def options_of(arguments: list[str], letters: str) -> tuple[dict[str, str], list[str]]:
    """The options, the last of each letter, and what follows them. Raises UsageError."""
    try:
        options, rest = getopt.getopt(arguments, letters)
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    return dict(options), rest


def resolver_of(options: dict[str, str]) -> Resolver:
    """Option -n: ask this name server, ``address`` or ``address@port``; else the system's. Raises UsageError."""
    if "-n" not in options:
        return Resolver()
    try:
        return Resolver([parse_name_server(options["-n"])])
    except ValueError as error:
        raise UsageError(f"-n: {error}") from None
