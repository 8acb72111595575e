"""The resolver and the memory of those who ask SPF."""

from __future__ import annotations

import asyncio

from filter_api.bases.trusting import TrustingFilter
from filter_api.net.dns import Resolver
from filter_api.session import Session
from filter_api.testing import FakeZone

ZONE = {("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"]}


def session() -> Session:
    made = Session(b"1")
    made.source = b"192.0.2.1:5"
    return made


def test_sighup_asks_the_dns_anew() -> None:
    zone = FakeZone(ZONE)
    filter_ = TrustingFilter(Resolver(backend=zone))

    async def ask() -> bool:
        return bool(await filter_.vouched(session(), b"a@example.net", asyncio.get_running_loop().time() + 5))

    assert asyncio.run(ask())
    assert asyncio.run(ask())
    assert len(zone.asked) == 1
    filter_.reload()
    assert asyncio.run(ask())
    assert len(zone.asked) == 2


def test_nothing_is_made_before_the_first_question() -> None:
    filter_ = TrustingFilter()
    filter_.reload()
    assert not asyncio.run(filter_.vouched(session(), None, 0.0)), "an unknown sender is nobody's"
    assert filter_._resolver is None
    assert filter_.resolver is filter_.resolver
    filter_.reload()
    assert filter_.vouching is filter_.vouching
