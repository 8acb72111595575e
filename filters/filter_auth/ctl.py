"""filterctl auth: why a message passes or fails, and what the world would make of mail of a domain.

    explain [-v] [-a id] [-c file] [-h helo] [-f sender] [-l file] [-n server] [-z zone] -i address [file]
    domain [-n server] name
    report [-nv] [-D domain] [-d day] [-o directory] [-S host:port] -e address -O organisation -f store
    store -f store

Each prints what it finds out. The exit status is 0 for a pass, a domain with a policy, and reports that need no second
try; 75 (EX_TEMPFAIL) where the DNS does not answer; else 1.
"""

from __future__ import annotations

from typing import Final

from filter_api.commands import Command, choose
from filter_auth.tool.domain import domain
from filter_auth.tool.explain import explain
from filter_auth.tool.report import report, store


def run(arguments: list[str]) -> int:
    """Run ``filterctl auth`` with these arguments and return the exit status. Raises UsageError and ConfigError."""
    return choose(arguments, COMMANDS)


COMMANDS: Final = {
    "explain": Command(
        explain,
        "[-v] [-a id] [-c file] [-h helo] [-f sender] [-l file] [-n server] [-z zone] -i address [file]",
        "why a message passes or fails",
    ),
    "domain": Command(domain, "[-v] [-n server] name", "what the world makes of mail of a domain"),
    "report": Command(
        report,
        "[-nv] [-D domain] [-d day] [-o directory] [-S host:port] -e address -O organisation -f store",
        "send the aggregate reports of DMARC",
    ),
    "store": Command(store, "-f store", "what is in the store of reports"),
}
