"""What ``filterctl doctor`` asks about a line of filter-spamassassin: is spamd there, and does it know its users?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from filter_api.net.backend import Backend, BackendError
from filter_api.text.escape import printable
from filter_spamassassin.options import parse
from filter_spamassassin.spamd import check

_ASK_SECONDS: Final = 30.0
_MESSAGE: Final = b"Subject: filterctl doctor\r\n\r\nIs anybody there?\r\n"


def diagnose(arguments: Sequence[str], *, largest_message: int) -> list[tuple[str, str]]:
    """Severity and text of what is found. arguments: the filter's; largest_message: smtpd's limit in bytes.

    Raises UsageError and ConfigError for arguments the filter would not start with.
    """
    options, _ = parse(arguments)
    found = asyncio.run(_ask_each(options.scan.backends.backends))
    limit = options.scan.size_limit
    if limit and limit < largest_message:
        found.append(("note", f"messages over {limit} bytes are not scanned (-b), smtpd takes {largest_message}"))
    return found


async def _ask_each(backends: Sequence[Backend]) -> list[tuple[str, str]]:
    return [await _ask(backend) for backend in backends]


async def _ask(backend: Backend) -> tuple[str, str]:
    """A real scan: a spamd that answers PING may still have no rules."""
    deadline = asyncio.get_running_loop().time() + _ASK_SECONDS
    try:
        result = await backend.ask(check(lambda: (_MESSAGE,), len(_MESSAGE)), deadline)
    except BackendError as error:
        return "error", f"spamd does not answer: {printable(str(error))}"
    if not result.tests:
        return "warning", f"{backend.endpoint}: no test of spamd's hit a message without From: does it have its rules?"
    return "ok", f"{backend.endpoint}: spamd answers, {len(result.tests)} tests hit, required score {result.required:g}"
