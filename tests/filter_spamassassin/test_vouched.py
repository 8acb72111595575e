"""Whose word about itself is believed: SPF that passes strongly, for points also a login of the sender's domain."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from filter_api.authenticated import Authenticated, Authentications
from filter_api.net.dns import Resolver
from filter_api.session import Session, Transaction
from filter_api.testing.dns import FakeZone
from filter_spamassassin.filter import SpamAssassin, build

ZONE = FakeZone(
    {
        ("strong.example", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"],
        ("weak.example", "TXT"): [b"v=spf1 +all"],
        ("other.example", "TXT"): [b"v=spf1 ip4:198.51.100.0/24 -all"],
    }
)


@pytest.fixture
def filter_(tmp_path: Path) -> SpamAssassin:
    scores = tmp_path / "scores"
    scores.write_text(". -5\nup.example 5\nfriend.example -3 unverified\n")
    exempt = tmp_path / "exempt"
    exempt.write_text("from:strong.example\nfrom:weak.example\n")
    arguments = ["-s", str(scores), "-W", str(exempt)]
    return build(arguments, Resolver(backend=ZONE))


def session(sender: bytes, *, user: bytes | None = None, source: bytes = b"192.0.2.1:4711") -> Session:
    made = Session(b"0123456789abcdef")
    made.source = source
    made.user = user
    made.identity = b"mx.strong.example"
    made.transaction = Transaction()
    made.transaction.sender = sender
    return made


@pytest.mark.parametrize(
    ("sender", "user", "points"),
    [
        (b"a@strong.example", None, -5.0),
        (b"a@weak.example", None, None),
        (b"a@other.example", None, None),
        (b"a@none.example", None, None),
        (b"a@none.example", b"alice@none.example", -5.0),
        (b"a@none.example", b"alice@other.example", None),
        (b"a@none.example", b"alice", -5.0),
        (b"a@up.example", None, 5.0),
        (b"a@friend.example", None, -3.0),
        (b"l" * 300 + b"@strong.example", None, -5.0),
        (b"l" * 300 + b"@up.example", None, 5.0),
        (b"l" * 300 + b"@none.example", None, None),
        (b"", None, None),
        (b"nodomain", None, None),
    ],
)
def test_points(filter_: SpamAssassin, sender: bytes, user: bytes | None, points: float | None) -> None:
    async def main() -> float | None:
        return await filter_.points(session(sender, user=user), asyncio.get_running_loop().time() + 5)

    assert asyncio.run(main()) == points


@pytest.mark.parametrize(
    ("sender", "exempt"),
    [(b"a@strong.example", True), (b"a@weak.example", False), (b"a@other.example", False), (b"", False)],
)
@pytest.mark.parametrize("user", [None, b"alice", b"a@weak.example"])
def test_exempt_senders(filter_: SpamAssassin, sender: bytes, exempt: bool, user: bytes | None) -> None:
    """A login exempts nobody: whoever may send mail here may write any sender."""

    async def main() -> bool:
        return await filter_.is_exempt(session(sender, user=user), asyncio.get_running_loop().time() + 5)

    assert asyncio.run(main()) is exempt


def test_the_unix_socket_has_no_address_to_check(filter_: SpamAssassin) -> None:
    async def main() -> bool:
        local = session(b"a@strong.example", source=b"unix:/run/smtpd.sock")
        return bool(await filter_.vouched(local, local.sender, asyncio.get_running_loop().time() + 5))

    assert asyncio.run(main()) is False


@pytest.mark.parametrize("hidden", [False, True])
def test_whose_preferences_count_if_not_all_recipients_are_known(hidden: bool) -> None:
    filter_ = build(["-u", "rcpt:localpart", "-u", "nobody", "-r", "9"], Resolver(backend=ZONE))
    made = session(b"a@strong.example")
    assert made.transaction is not None
    made.transaction.add_recipient(b"alice@example.com")
    if hidden:
        made.transaction.envelope_made()
    expected = ("nobody", 9.0) if hidden else ("alice", 9.0)
    assert filter_.voices_of(made) == ([expected], expected[0])


def test_a_signature_of_the_senders_domain_proves_it_where_filter_auth_has_looked(filter_: SpamAssassin) -> None:
    """No SPF, no login: what an earlier filter of the process found is enough, and only for that very domain."""

    async def points(sender: bytes, signer: str) -> float | None:
        asked = session(sender)
        filter_.context.shared(Authentications).found[asked] = Authenticated(dkim=frozenset((signer,)))
        return await filter_.points(asked, asyncio.get_running_loop().time() + 5)

    assert asyncio.run(points(b"a@None.example", "none.example")) == -5.0
    assert asyncio.run(points(b"a@none.example", "example")) is None
    assert asyncio.run(points(b"a@sub.none.example", "none.example")) is None
