"""Arguments that the verbs of ``filterctl dkim`` share."""

from __future__ import annotations

import getopt

from filter_api.errors import UsageError
from filter_api.net.dns import Resolver


def options_of(arguments: list[str], letters: str) -> tuple[dict[str, str], list[str]]:
    """The options, the last of each letter, and what follows them. Raises UsageError."""
    try:
        options, rest = getopt.getopt(arguments, letters)
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    return dict(options), rest


def resolver_of(options: dict[str, str]) -> Resolver:
    """Option -n: ask this name server, ``address`` or ``address@port``; else those of resolv.conf(5)."""
    if "-n" not in options:
        return Resolver()
    address, _, port = options["-n"].partition("@")
    if port and not (port.isascii() and port.isdigit() and len(port) < 6):
        raise UsageError(f"-n takes address or address@port, not {options['-n']!r}")
    return Resolver([(address, int(port or "53"))])
