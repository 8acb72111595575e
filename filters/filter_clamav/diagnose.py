"""What ``filterctl doctor`` asks about a line of filter-clamav: is clamd there, is it fresh, does it take all mail?"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from typing import Final

from filter_api.net.backend import Backend, BackendError
from filter_api.text.escape import printable
from filter_clamav.clamd import VERSION, TooLarge, scan
from filter_clamav.options import parse

OLD_DAYS: Final = 7
"""Days after which a database of signatures counts as old; there is a new one every day."""

_ASK_SECONDS: Final = 10.0
_SCAN_SECONDS: Final = 60.0
_BLOCK: Final = bytes(65536)
_DATE: Final = re.compile(r"/[0-9]+/\w{3} (\w{3}\s+\d{1,2} \d\d:\d\d:\d\d \d{4})\Z")


def diagnose(arguments: Sequence[str], *, largest_message: int) -> list[tuple[str, str]]:
    """Severity and text of what is found. arguments: the filter's; largest_message: smtpd's limit in bytes; 0 to
    send nothing to be scanned.

    Raises UsageError and ConfigError for arguments the filter would not start with.
    """
    options, _ = parse(arguments)
    size = min(largest_message, options.scan.size_limit or largest_message)
    return asyncio.run(_ask_each(options.scan.backends.backends, size))


async def _ask_each(backends: Sequence[Backend], size: int) -> list[tuple[str, str]]:
    found = [await _ask(backend, size) for backend in backends]
    return [remark for remarks in found for remark in remarks]


async def _ask(backend: Backend, size: int) -> list[tuple[str, str]]:
    now = asyncio.get_running_loop().time
    try:
        version = await backend.ask(VERSION, now() + _ASK_SECONDS)
    except BackendError as error:
        return [("error", f"clamd does not answer: {printable(str(error))}")]
    found = [("ok", f"{backend.endpoint}: {version}"), *_age(version)]
    if size == 0:
        return found
    try:
        # The only way to learn StreamMaxLength is to send as much as smtpd takes: zeros, which are quickly scanned.
        result = await backend.ask(scan(lambda: _zeros(size)), now() + _SCAN_SECONDS)
    except BackendError as error:
        return [*found, ("warning", f"a scan of {size} bytes failed: {printable(str(error))}")]
    if isinstance(result, TooLarge):
        text = f"{backend.endpoint}: StreamMaxLength is below smtpd's max-message-size of {size} bytes: "
        found.append(("error", text + "larger messages are refused for good"))
    return found


def _zeros(size: int) -> Iterator[bytes]:
    for _ in range(size // len(_BLOCK)):
        yield _BLOCK
    yield _BLOCK[: size % len(_BLOCK)]


def _age(version: str) -> list[tuple[str, str]]:
    date = _DATE.search(version)
    if date is None:
        return [("warning", "clamd has no database of signatures, or does not tell its date")]
    days = (time.time() - time.mktime(time.strptime(date[1], "%b %d %H:%M:%S %Y"))) / 86_400
    if days <= OLD_DAYS:
        return []
    return [("warning", f"the database of signatures is {days:.0f} days old: does freshclam run?")]
