"""What resolvers, daemons and lists in the DNS count is what happened."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path

import pytest

from filter_api.figures import Figure
from filter_api.net.backend import Backend, BackendError
from filter_api.net.conversation import BadAnswer, Question
from filter_api.net.dns import Resolver, Status
from filter_api.net.dnsbl import Lists, SelfTests, parse_entry, subject_of_address
from filter_api.net.endpoint import Endpoint
from filter_api.testing.dns import Content, FakeZone, Slow
from filter_api.testing.servers import close_at_once, say, served

ADDRESS = ipaddress.ip_address("127.0.0.2")


def values(figures: list[Figure]) -> dict[str, float]:
    """Name and labels → value."""
    return {" ".join([each.name, *each.labels.values()]): each.value for each in figures}


def test_a_resolver_counts_questions_hits_failures_and_timeouts() -> None:
    zone: dict[tuple[str, str], Content | Slow] = {
        ("here.example", "A"): [ADDRESS],
        ("broken.example", "A"): Status.TEMPFAIL,
        ("slow.example", "A"): Slow(60.0),
    }

    async def main() -> None:
        resolver = Resolver(backend=FakeZone(zone), timeout=0.05)
        for name in ("here.example", "here.example", "broken.example", "slow.example", "no name at all"):
            await resolver.resolve(name, "A")
        assert resolver.known("here.example", "A") is not None
        assert values(resolver.figures()) == {
            "dns_questions": 3,
            "dns_failures": 2,
            "dns_timeouts": 1,
            "dns_cache_hits": 2,
            "dns_cached": 3,
            "dns_open": 0,
        }

    asyncio.run(main())


def test_a_daemon_counts_answers_their_time_and_failures(tmp_path: Path) -> None:
    def question() -> Question[bytes]:
        return Question(lambda: iter((b"hello",)), bytes, lambda reply: reply.endswith(b"\n"))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        path = tmp_path / "socket"
        backend = Backend(Endpoint(path=str(path)))
        async with served(say(b"well\n"), path):
            for _ in range(3):
                await backend.ask(question(), loop.time() + 5)
        found = values(backend.figures())
        assert (found[f"backend_answers {path}"], found[f"backend_failures {path}"]) == (3, 0)
        assert 0 < found[f"backend_seconds {path}"] < 15
        for _ in range(6):
            with pytest.raises(BackendError):
                await backend.ask(question(), loop.time() + 5)
        after = values(backend.figures())
        assert after[f"backend_failures {path}"] == 6, "five refused, and one not asked"
        assert after[f"backend_seconds {path}"] == found[f"backend_seconds {path}"]

    asyncio.run(main())


def test_each_list_in_the_dns_is_counted_by_what_it_answers() -> None:
    clients = [ipaddress.ip_address(text) for text in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1")]
    zone = {
        ("2.0.0.127.zen.example", "A"): [ADDRESS],
        ("1.2.0.192.zen.example", "A"): [ADDRESS],
        ("2.2.0.192.zen.example", "A"): [ipaddress.ip_address("127.0.0.10")],
        ("1.2.0.192.secret.keyed.example", "A"): [ADDRESS],
        ("2.0.0.127.secret.keyed.example", "A"): [ADDRESS],
        ("1.0.0.127.parked.example", "A"): [ADDRESS],
    }
    words = ("zen.example=127.0.0.2", "@mine@.keyed.example", "parked.example")
    entries = [parse_entry(word, {"mine": "secret"}) for word in words]

    async def main() -> dict[str, float]:
        resolver = Resolver(backend=FakeZone(zone))
        lists = Lists(resolver, SelfTests(resolver, asyncio.get_running_loop().time))
        assert lists.figures() == []
        for client in clients:
            inquiry = lists.inquiry()
            inquiry.ask(entries, [subject_of_address(client)])
            await inquiry.wait(lambda: False, asyncio.get_running_loop().time() + 5)
        return values(lists.figures())

    found = asyncio.run(main())
    assert {name: value for name, value in found.items() if "zen" in name} == {
        "dnsbl_list_good zen.example": 1,
        "dnsbl_answers zen.example listed": 1,
        "dnsbl_answers zen.example clear": 3,
        "dnsbl_answers zen.example trouble": 0,
    }
    assert found["dnsbl_answers keyed.example listed"] == 1
    assert not any("secret" in name for name in found)
    assert found["dnsbl_list_good parked.example"] == 0


def test_a_server_that_closes_without_a_word_is_a_failure(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        backend = Backend(Endpoint(path=str(path)))
        question: Question[bytes] = Question(lambda: iter((b"hello",)), _refused, half_close=True)
        async with served(close_at_once, path):
            with pytest.raises(BackendError):
                await backend.ask(question, asyncio.get_running_loop().time() + 5)
        assert values(backend.figures())[f"backend_failures {path}"] == 1

    asyncio.run(main())


def _refused(_reply: bytes) -> bytes:
    raise BadAnswer("nothing")
