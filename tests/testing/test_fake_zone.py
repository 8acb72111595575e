"""FakeZone answers as a recursive name server would."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from filter_api.net.dns import Answer, Record, Resolver, Status
from filter_api.testing import FakeTimeLoop, FakeZone, Slow

ZONE = FakeZone(
    {
        ("Example.ORG.", "MX"): [(10, "MX.Example.org.")],
        ("mx.example.org", "A"): ["192.0.2.1", ip_address("192.0.2.2")],
        ("mx.example.org", "AAAA"): ["2001:db8::1"],
        ("192.0.2.1", "PTR"): ["MX.Example.org."],
        ("2001:db8::1", "PTR"): ["mx.example.org"],
        ("example.org", "TXT"): ["v=spf1 -all", b"\xff"],
        ("www.example.org", "CNAME"): ["Mx.example.org"],
        ("loop.example.org", "CNAME"): ["loop.example.org"],
        ("gone.example.org", "CNAME"): ["nowhere.example"],
        ("deep.down.example.org", "A"): ["192.0.2.3"],
        ("broken.example", "A"): Status.TEMPFAIL,
        ("empty.example", "A"): [],
    },
    ttl=60,
)


@pytest.mark.parametrize(
    ("name", "kind", "status", "records"),
    [
        ("example.org", "MX", Status.OK, ((10, "mx.example.org"),)),
        ("mx.example.org", "A", Status.OK, (ip_address("192.0.2.1"), ip_address("192.0.2.2"))),
        ("mx.example.org", "AAAA", Status.OK, (ip_address("2001:db8::1"),)),
        ("1.2.0.192.in-addr.arpa", "PTR", Status.OK, ("mx.example.org",)),
        ("example.org", "TXT", Status.OK, (b"v=spf1 -all", b"\xff")),
        ("www.example.org", "AAAA", Status.OK, (ip_address("2001:db8::1"),)),
        ("www.example.org", "CNAME", Status.OK, ("mx.example.org",)),
        ("www.example.org", "MX", Status.NODATA, ()),
        ("loop.example.org", "A", Status.TEMPFAIL, ()),
        ("gone.example.org", "A", Status.NXDOMAIN, ()),
        ("down.example.org", "A", Status.NODATA, ()),
        ("nothing.example.org", "A", Status.NXDOMAIN, ()),
        ("broken.example", "A", Status.TEMPFAIL, ()),
        ("broken.example", "MX", Status.NODATA, ()),
        ("empty.example", "A", Status.NODATA, ()),
    ],
)
def test_answers(name: str, kind: str, status: Status, records: tuple[Record, ...]) -> None:
    answer = asyncio.run(ZONE.query(name, kind, 5.0))
    assert (answer.status, answer.records) == (status, records)
    assert bool(answer.why) == (status is Status.TEMPFAIL)


def test_slow_answers_take_time_that_can_be_faked() -> None:
    zone = FakeZone({("slow.example", "A"): Slow(3.0, ["192.0.2.1"]), ("never.example", "A"): Slow(1e9)})
    loop = FakeTimeLoop()
    resolver = Resolver(backend=zone)
    assert loop.run_until_complete(resolver.resolve("slow.example", "A")).records
    assert loop.time() == pytest.approx(3.0)
    found = loop.run_until_complete(resolver.resolve("never.example", "A"))
    assert found == Answer(Status.TEMPFAIL, ttl=5, why="no answer in 5 s")
    assert loop.time() == pytest.approx(8.0)
    assert zone.asked == [("slow.example", "A"), ("never.example", "A")]
    loop.close()
