"""filterctl dkim: make keys, compare DNS with them, verify messages.

    keygen -d domain -s selector [-a rsa | ed25519] [-b bits] file
    check [-n server] [-K table | -d domain -s selector -k key]
    verify [-n server] file ...

Each returns 0 when all is well, 1 when something is not, and says on stdout what.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from filter_api.commands import Command, choose
from filter_api.dkim.verify import blocks_of, judge, split, with_crlf
from filter_api.errors import UsageError, named
from filter_api.net.dns import Resolver
from filter_api.options import options_of
from filter_api.text.escape import printable
from filter_dkimsign.arguments import resolver_of
from filter_dkimsign.check import check
from filter_dkimsign.keygen import keygen
from filter_dkimsign.listing import Signers, list_keys
from filter_dkimsign.rotate import rotate

VERIFY: Final = "-n server   ask this name server, address or address@port\n"


def run(arguments: list[str], signers: Signers = lambda _path: ()) -> int:
    """Run ``filterctl dkim`` with these arguments and return the exit status. Raises UsageError and ConfigError.

    signers: the filters of a configuration that sign, which list tells of.
    """
    listing = Command(
        lambda rest: list_keys(rest, signers), "[-f smtpd.conf]", "what the filters of the configuration sign with"
    )
    return choose(arguments, {**COMMANDS, "list": listing})


def verify_files(arguments: list[str]) -> int:
    """Verify every signature of every file; ``-`` is stdin."""
    options, files = options_of(arguments, VERIFY)
    if not files:
        raise UsageError("verify needs a file")
    return asyncio.run(_verify_files(files, resolver_of(options)))


async def _verify_files(files: Sequence[str], resolver: Resolver) -> int:
    status = 0
    for path in files:
        fields, body = split(_read(path))
        verified = await judge(fields, blocks_of(body), resolver)
        outcomes = verified.outcomes
        prefix = f"{printable(path)}: " if len(files) > 1 else ""
        for outcome in outcomes:
            print(f"{prefix}{outcome}")
        if not outcomes:
            print(f"{prefix}none: the message has no signature")
        if verified.left_out:
            print(f"{prefix}unknown: {verified.left_out} more signatures were not judged")
        if not outcomes or verified.left_out or not all(outcome.passed for outcome in outcomes):
            status = 1
    return status


def _read(path: str) -> bytes:
    """A whole message, its line ends made CRLF. Raises ConfigError."""
    with named(path):
        if path == "-":
            return with_crlf(sys.stdin.buffer.read())
        with open(path, "rb") as file:
            return with_crlf(file.read())


COMMANDS: Final = {
    "keygen": Command(keygen, "-d domain -s selector [-a rsa | ed25519] [-b bits] file", "make a private key"),
    "check": Command(
        check, "[-n server] [-K table | -d domain -s selector -k key]", "whether the DNS publishes the keys"
    ),
    "rotate": Command(
        rotate,
        "[-b bits] [-d days] [-K table] [-n server] [-o selector] [-s selector] [-w seconds] domain",
        "change the key of a domain, step by step",
    ),
    "verify": Command(verify_files, "[-n server] file ...", "verify the signatures of messages"),
}
