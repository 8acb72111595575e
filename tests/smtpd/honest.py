"""An honest client beside an attack: how long it waits at most for a reply."""

from __future__ import annotations

import time

from tools.private_smtpd.client import Client

HONEST = "203.0.113.50"


def slowest(client: Client, *, sender: str = "joe@honest.example", recipient: str = "bob@example.org") -> float:
    """Seconds the slowest reply of one whole delivery takes, which has to be accepted."""
    longest = 0.0

    def timed(raw: bytes) -> int:
        nonlocal longest
        began = time.monotonic()
        client.send(raw)
        code = client.reply().code
        longest = max(longest, time.monotonic() - began)
        return code

    assert timed(b"EHLO mx.honest.example\r\n") == 250
    assert timed(f"MAIL FROM:<{sender}>\r\n".encode()) == 250
    assert timed(f"RCPT TO:<{recipient}>\r\n".encode()) == 250
    assert timed(b"DATA\r\n") == 354
    assert timed(b"Subject: honest\r\n\r\nhello\r\n.\r\n") == 250
    return longest
