"""Mail of a stranger that comes back over loopback or the socket: never signed, whatever its envelope says."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.testing.player import Player
from tests.filter_dkimsign.support import MAIL, one_key, signatures

FORGED = MAIL.replace(b"hello", b"pay this")
RECEIVED = {
    "by smtpd": b"Received: from evil.example (evil.example [203.0.113.9])\r\n\tby mx.example.org (OpenSMTPD) with "
    b"ESMTPS id ffffffff;\r\n\tFri, 20 Nov 2026 08:08:08 +0000 (UTC)\r\n",
    "by a content filter": b"Received: from localhost (localhost [127.0.0.1]) by mx (amavisd-new); date\r\n",
    "in small letters": b"received: from evil.example by mx; date\r\n",
    "empty": b"RECEIVED:\r\n",
    "folded at once": b"Received:\r\n from evil.example\r\n by mx; date\r\n",
    "a blank before the colon": b"Received : from evil.example by mx; date\r\n",
    "several": b"Received: one\r\nReceived: two\r\nReceived: three\r\n",
}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.8.8.8", "unix"])
@pytest.mark.parametrize("where", ["above", "among", "below"])
@pytest.mark.parametrize("received", RECEIVED)
def test_it_passes_unsigned(tmp_path: Path, address: str, where: str, received: str) -> None:
    field = RECEIVED[received]
    head, _, body = FORGED.partition(b"\r\n\r\n")
    first, rest = head.split(b"\r\n", 1)
    text = {
        "above": field + FORGED,
        "among": first + b"\r\n" + field + rest + b"\r\n\r\n" + body,
        "below": head + b"\r\n" + field + b"\r\n" + body,
    }[where]
    with Player(one_key(tmp_path)) as smtpd:
        for sender in ("alice@example.org", "ALICE@Example.Org", "alice+x@example.org"):
            client = smtpd.connect(address)
            client.helo()
            passed = client.mail(text, sender=sender)
            assert passed.ok
            assert not signatures(passed.text)
            assert "result=unsigned" in smtpd.log[-1]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "unix"])
def test_what_begins_here_is_signed(tmp_path: Path, address: str) -> None:
    with Player(one_key(tmp_path)) as smtpd:
        client = smtpd.connect(address)
        client.helo()
        assert signatures(client.mail(MAIL, sender="alice@example.org").text)
