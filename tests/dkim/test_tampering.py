"""What an attacker may try with a signed message: both foreign verifiers, and ours, must notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from filter_api.dkim.verify import verify
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone
from filter_api.testing.player import Player
from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import MAIL, ZONE, both_keys, submit

Attack = Callable[[bytes], bytes]


def insert(field: bytes) -> Attack:
    return lambda text: text.replace(b"Received:", field + b"\r\nReceived:", 1)


def replace(old: bytes, new: bytes) -> Attack:
    def attack(text: bytes) -> bytes:
        assert old in text
        return text.replace(old, new, 1)

    return attack


ATTACKS: dict[str, Attack] = {
    "body appended": lambda text: text + b"and more\r\n",
    "body changed": replace(b"hello", b"Hello"),
    "body cut": replace(b"hello\r\n", b""),
    "second From on top": insert(b"From: boss@example.net"),
    "second From below": replace(b"\r\n\r\n", b"\r\nFrom: boss@example.net\r\n\r\n"),
    "second Subject": insert(b"Subject: pay at once"),
    "Subject below": replace(b"\r\n\r\n", b"\r\nSubject: pay at once\r\n\r\n"),
    "changed To": replace(b"To: bob@example.net", b"To: eve@example.net"),
    "second To": insert(b"To: eve@example.net"),
    "Cc added": insert(b"Cc: eve@example.net"),
    "Reply-To added": insert(b"Reply-To: eve@example.net"),
    "Date removed": replace(b"Date: Fri, 20 Nov 2026 08:08:08 +0000\r\n", b""),
    "Message-ID replaced": replace(b"<1@example.org>", b"<2@example.org>"),
    "turned into HTML": insert(b"Content-Type: text/html"),
    "turned into base64": insert(b"Content-Transfer-Encoding: base64"),
    "turned into MIME": insert(b"MIME-Version: 1.0"),
}


@pytest.fixture(scope="module", params=["simple/simple", "relaxed/relaxed"])
def signed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with Player(both_keys(tmp_path_factory.mktemp("keys"), "-c", request.param)) as smtpd:
        text = submit(smtpd, MAIL)
    assert both(text, ZONE) == [True, True]
    return text


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_noticed(signed: bytes, name: str) -> None:
    forged = ATTACKS[name](signed)
    assert forged != signed
    assert both(forged, ZONE) == [False, False]
    assert ours(forged) == [False, False]


def test_what_relays_do_is_no_attack(signed: bytes) -> None:
    relayed = b"Received: from a by b; Fri, 20 Nov 2026 08:08:09 +0000\r\nX-Spam-Status: No\r\n" + signed
    assert both(relayed, ZONE) == [True, True]
    assert ours(relayed) == [True, True]


def ours(text: bytes) -> list[bool | None]:
    content = {(name, "TXT"): [record] for name, record in ZONE.items()}

    async def inside() -> list[bool | None]:
        return [outcome.passed for outcome in await verify(text, Resolver(backend=FakeZone(content)))]

    return asyncio.run(inside())
