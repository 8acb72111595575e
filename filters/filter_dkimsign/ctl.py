"""filterctl dkim: make keys, compare DNS with them, verify messages.

    keygen -d domain -s selector [-a rsa | ed25519] [-b bits] file
    check [-n server] [-K table | -d domain -s selector -k key]
    verify [-n server] file ...

Each returns 0 when all is well, 1 when something is not, and says on stdout what.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Final

from filter_api.dkim.verify import blocks_of, judge, split, with_crlf
from filter_api.errors import UsageError, named
from filter_api.net.dns import Resolver
from filter_api.options import options_of
from filter_api.text.escape import printable
from filter_dkimsign.arguments import resolver_of
from filter_dkimsign.check import check
from filter_dkimsign.keygen import keygen

USAGE: Final = (
    "keygen -d domain -s selector [-a rsa | ed25519] [-b bits] file, "
    "check [-n server] [-K table | -d domain -s selector -k key], "
    "verify [-n server] file ..."
)


def run(arguments: list[str]) -> int:
    """Run ``filterctl dkim`` with these arguments and return the exit status. Raises UsageError and ConfigError."""
    verbs: dict[str, Callable[[list[str]], int]] = {"keygen": keygen, "check": check, "verify": verify_files}
    name = arguments[0] if arguments else ""
    if name not in verbs:
        raise UsageError(f"a verb is missing: {USAGE}" if not name else f"unknown verb {name}: {USAGE}")
    return verbs[name](arguments[1:])


def verify_files(arguments: list[str]) -> int:
    """Verify every signature of every file; ``-`` is stdin."""
    options, files = options_of(arguments, "n:")
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
