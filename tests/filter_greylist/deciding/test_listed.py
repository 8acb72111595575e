"""Lists that say who waits: what they answer, and how long they are waited for."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest

from filter_api.net.dns import Resolver
from filter_api.net.dnsbl import SelfTests
from filter_api.testing.dns import FakeZone, Slow
from filter_greylist.deciding.listed import ListedClients, parse_client_list

CLIENT = ip_address("192.0.2.1")
WORK = {(f"2.0.0.127.{zone}.test", "A"): ["127.0.0.2"] for zone in ("bl", "wl", "slow")}
LISTED = {("1.2.0.192.bl.test", "A"): ["127.0.0.2"]}
WELCOME = {("1.2.0.192.wl.test", "A"): ["127.0.0.2"]}


def waits(content: dict[tuple[str, str], Any], *words: str) -> bool | None:
    """What the lists decide, which is to be told within five seconds of the sixty there are."""

    async def inside() -> bool | None:
        resolver = Resolver(backend=FakeZone(WORK | content), timeout=50.0)
        tests = SelfTests(resolver, lambda: 0.0)
        entries = [parse_client_list(word) for word in words]
        clients = ListedClients(entries, resolver, tests, lambda _list, _why: None, lambda: 0.0)
        deadline = asyncio.get_running_loop().time() + 60
        return await asyncio.wait_for(clients.waits(CLIENT, deadline), 5)

    return asyncio.run(inside())


@pytest.mark.parametrize(
    ("content", "decision"),
    [(LISTED, True), (WELCOME, False), (LISTED | WELCOME, None), ({}, None)],
    ids=["listed", "welcome", "both", "unknown"],
)
def test_one_point_decides(content: dict[tuple[str, str], Any], decision: bool | None) -> None:
    assert waits(content, "bl.test*1", "wl.test*-1") is decision


def test_nobody_waits_for_a_list_that_can_change_nothing() -> None:
    slow: Any = {("1.2.0.192.slow.test", "A"): Slow(60.0)}
    assert waits(LISTED | slow, "bl.test*2", "slow.test*-1") is True
    assert waits(LISTED | slow, "bl.test*2", "slow.test*1") is True


def test_a_list_in_trouble_is_told_again_after_an_hour() -> None:
    told: list[tuple[str, str]] = []
    now = [0.0]

    async def inside() -> None:
        content: Any = {("1.2.0.192.bl.test", "A"): ["127.255.255.254"]} | WORK
        resolver = Resolver(backend=FakeZone(content))
        clients = ListedClients(
            [parse_client_list("bl.test")],
            resolver,
            SelfTests(resolver, lambda: 0.0),
            lambda shown, why: told.append((shown, why)),
            lambda: now[0],
        )
        for at in (0.0, 3599.0, 3600.0):
            now[0] = at
            await clients.waits(CLIENT, asyncio.get_running_loop().time() + 5)

    asyncio.run(inside())
    assert told == [("bl.test", "refuses our questions (127.255.255.254)")] * 2
