"""filterctl auth: why a message passes or fails, and what the world would make of mail of a domain.

    explain [-v] [-a id] [-c file] [-h helo] [-f sender] [-l file] [-n server] [-z zone] -i address [file]
    domain [-n server] name
    report [-nv] [-D domain] [-d day] [-o directory] [-S host:port] -e address -O organisation -f store
    store -f store

Each prints what it finds out. The exit status is 0 for a pass, a domain with a policy, and reports that need no second
try; 75 (EX_TEMPFAIL) where the DNS does not answer; else 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from filter_api.errors import UsageError
from filter_auth.tool.domain import domain
from filter_auth.tool.explain import explain
from filter_auth.tool.report import report, store

USAGE: Final = (
    "explain [-v] [-a id] [-c file] [-h helo] [-f sender] [-l file] [-n server] [-z zone] -i address [file], "
    "domain [-n server] name, "
    "report [-nv] [-D domain] [-d day] [-o directory] [-S host:port] -e address -O organisation -f store, "
    "store -f store"
)


def run(arguments: list[str]) -> int:
    """Run ``filterctl auth`` with these arguments and return the exit status. Raises UsageError and ConfigError."""
    verbs: dict[str, Callable[[list[str]], int]] = {
        "explain": explain,
        "domain": domain,
        "report": report,
        "store": store,
    }
    name = arguments[0] if arguments else ""
    if name not in verbs:
        raise UsageError(f"a verb is missing: {USAGE}" if not name else f"unknown verb {name}: {USAGE}")
    return verbs[name](arguments[1:])
