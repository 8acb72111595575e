"""A message that cannot be read from its spool file is put off by every filter that reads one, whatever its policy.

Nobody knows what is in it: it must neither pass nor be refused for good.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from filter_api import Filter, Message
from filter_api.message.spool import HeldLines, SpoolError
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone
from filter_api.testing.player import Player
from filter_auth.filter import build as build_auth
from tests.dkim.crafted import crafted
from tests.filter_dkimsign.support import both_keys, login

Build = Callable[[Path, str], Filter]

FILTERS: Mapping[str, Build] = {
    "auth": lambda _path, policy: build_auth(["-F", policy], Resolver(backend=FakeZone({}))),
    "dkimsign": lambda path, policy: both_keys(path, "-F", policy),
}
LARGE = crafted() + b"text of a long message\r\n" * 40_000


def breaking(real: Callable[[Message], Iterator[bytes]], after: int) -> Callable[[Message], Iterator[bytes]]:
    """What is read of a message breaks off after so many blocks."""

    def text(message: Message) -> Iterator[bytes]:
        for number, block in enumerate(real(message)):
            if number >= after:
                break
            yield block
        raise SpoolError("Input/output error")

    return text


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("policy", ["accept", "tempfail", "reject"])
@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("mail", [crafted(), LARGE], ids=["small", "large"])
def test_it_is_put_off(  # noqa: PLR0917 - which filter, and how it breaks
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, policy: str, after: int, mail: bytes
) -> None:
    with Player(FILTERS[name](tmp_path, policy)) as smtpd:
        client = login(smtpd) if name == "dkimsign" else smtpd.connect("198.51.100.1")
        whole = client.mail(mail, sender="alice@example.org")
        assert whole.ok, "the same filter takes what it can read"
        with monkeypatch.context() as broken:
            broken.setattr(Message, "text", breaking(Message.text, after))
            assert client.mail(mail, sender="alice@example.org").reply == "452 4.3.1 insufficient system storage"
        assert client.mail(mail, sender="alice@example.org").ok


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("policy", ["accept", "reject"])
def test_it_is_put_off_when_it_breaks_while_it_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, policy: str
) -> None:
    """The filter has read it, and now the disk fails."""
    real, read = HeldLines.blocks, []

    def blocks(held: HeldLines) -> Iterator[bytes]:
        read.append(held)
        for block in real(held):
            yield block
            if len(read) > 1:
                raise SpoolError(f"[Errno {errno.EIO}] Input/output error")

    with Player(FILTERS[name](tmp_path, policy)) as smtpd:
        client = login(smtpd) if name == "dkimsign" else smtpd.connect("198.51.100.1")
        monkeypatch.setattr(HeldLines, "blocks", blocks)
        assert client.mail(LARGE, sender="alice@example.org").reply.startswith(("452 4.3.1", "451 4.3.0"))
