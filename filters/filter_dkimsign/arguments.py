"""Arguments that the verbs of ``filterctl dkim`` share."""

from __future__ import annotations

from filter_api.errors import UsageError
from filter_api.net.dns import Resolver
from filter_api.net.endpoint import parse_name_server


def resolver_of(options: dict[str, str]) -> Resolver:
    """Option -n: ask this name server, ``address`` or ``address@port``; else the system's. Raises UsageError."""
    if "-n" not in options:
        return Resolver()
    try:
        return Resolver([parse_name_server(options["-n"])])
    except ValueError as error:
        raise UsageError(f"-n: {error}") from None
