"""The engine against rbldnsd, which serves most lists there are."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from filter_api.net.dns import Resolver
from filter_api.net.dnsbl import Lists, SelfTests, Standing, Tally, parse_entry, subject_of_address, subject_of_domain
from tests.support.daemon import need, running
from tests.support.ports import free_port

ZONES = {
    "ip4": "$TTL 300\n:127.0.0.2:listed, see $\n127.0.0.2\n192.0.2.5\n198.51.100.0/24 :127.0.0.10:a home\n",
    "ip6": "$TTL 300\n:127.0.0.3:listed\n0:0:0:0:0:ffff:7f00:2/128\n2001:db8:1::/48\n",
    "names": "$TTL 300\n:127.0.1.2:bad domain\ntest\n.bad.example\n",
    "all": "$TTL 300\n:127.0.0.2:everybody\n0.0.0.0/0\n",
}


def answers(port: int) -> bool:
    """Whether somebody answers a question there."""
    question = struct.pack(">6H", 7, 0, 1, 0, 0, 0) + b"\x04test\x03dbl\x04test\x00" + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.1)
        try:
            client.sendto(question, ("127.0.0.1", port))
            return bool(client.recv(512))
        except OSError:
            return False


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """rbldnsd with a list of both kinds of addresses, one of domains and one of everybody."""
    program = need("rbldnsd")
    folder = tmp_path_factory.mktemp("rbldnsd")
    for name, text in ZONES.items():
        (folder / name).write_text(text)
    found = free_port()
    user = pwd.getpwuid(os.getuid()).pw_name if os.getuid() else "nobody"
    zones = [f"bl.test:ip4set:{folder}/ip4", f"bl.test:ip6trie:{folder}/ip6"]
    zones += [f"dbl.test:dnset:{folder}/names", f"all.test:ip4set:{folder}/all"]
    for each in (folder, *folder.parents):
        if os.getuid() == 0 and each.is_relative_to("/tmp") and each != Path("/tmp"):
            each.chmod(0o755)
    command = [program, "-n", "-f", "-u", user, "-b", f"127.0.0.1/{found}", *zones]
    with running(command, folder / "log", lambda: answers(found), 5):
        yield found


async def ask(port: int, lists: list[str], client: str, sender: bytes | None = None) -> Tally:
    resolver = Resolver([("127.0.0.1", port)])
    inquiry = Lists(resolver, SelfTests(resolver, time.monotonic)).inquiry()
    subjects = [subject_of_address(ip_address(client)), subject_of_domain("s", sender)]
    inquiry.ask([parse_entry(each) for each in lists], [each for each in subjects if each is not None])
    await inquiry.wait(lambda: False, asyncio.get_running_loop().time() + 4)
    return inquiry.tally()


@pytest.mark.parametrize(
    ("client", "points"),
    [("192.0.2.5", 3), ("192.0.2.6", 0), ("198.51.100.77", 1), ("2001:db8:1:2::9", 4), ("2001:db8:2::9", 0)],
)
def test_what_the_daemon_lists_counts(port: int, client: str, points: int) -> None:
    lists = ["bl.test=127.0.0.2*3", "bl.test=127.0.0.10*1", "bl.test=127.0.0.3*4"]
    tally = asyncio.run(ask(port, lists, client))
    assert (tally.points, tally.asked, tally.answered) == (points, 1, 1)


def test_a_domain_below_a_listed_one_counts(port: int) -> None:
    assert asyncio.run(ask(port, ["dbl.test*2/s"], "192.0.2.6", b"www.bad.example")).points == 2
    assert asyncio.run(ask(port, ["dbl.test*2/s"], "192.0.2.6", b"good.example")).points == 0


def test_a_list_of_everybody_counts_nothing(port: int) -> None:
    assert asyncio.run(ask(port, ["all.test*9"], "192.0.2.6")).points == 0


def test_a_zone_that_is_not_served_is_trouble(port: int) -> None:
    tally = asyncio.run(ask(port, ["gone.test*9"], "192.0.2.6"))
    assert (tally.points, tally.high) == (0, 9)
    assert tally.all_failed


@pytest.mark.parametrize(
    ("zone", "kind", "standing"),
    [
        ("bl.test", "4", Standing.PASSED),
        ("bl.test", "6", Standing.PASSED),
        ("dbl.test", "d", Standing.PASSED),
        ("dbl.test", "4", Standing.OFF),
        ("all.test", "4", Standing.OFF),
        ("gone.test", "4", Standing.UNKNOWN),
    ],
)
def test_the_self_test(port: int, zone: str, kind: str, standing: Standing) -> None:
    async def test() -> Standing:
        tests = SelfTests(Resolver([("127.0.0.1", port)]), time.monotonic)
        return await tests.settled(parse_entry(zone).zone, kind)

    assert asyncio.run(test()) is standing
