"""What filter-auth finds out is known to the filters after it in the same process, and to no other message."""

from __future__ import annotations

from filter_api.authenticated import Authenticated, Authentications
from filter_api.decision import Verdict
from filter_api.filter import Filter
from filter_api.message.message import Message
from filter_api.net.dns import Resolver
from filter_api.session import Session
from filter_api.testing.dns import FakeZone
from filter_api.testing.player import Player
from filter_auth.filter import build
from tests.filter_auth.mail import PLAIN, connected, dmarc, keys, signed


class Curious(Filter):
    """Notes what is known of each message."""

    def __init__(self) -> None:
        self.seen: list[Authenticated | None] = []

    def on_message(self, session: Session, message: Message) -> Verdict:
        self.seen.append(self.context.shared(Authentications).found[session])
        return Verdict()


def test_a_later_filter_of_the_process_knows_the_results() -> None:
    zone = {**dmarc("p=reject"), **keys(), ("example.org", "TXT"): [b"v=spf1 ip4:192.0.2.1 -all"]}
    later = Curious()
    with Player({"auth": build([], Resolver(backend=FakeZone(zone))), "later": later}) as player:
        client = connected(player)
        assert client.mail(signed(), sender="alice@example.org").ok
        assert client.mail(PLAIN, sender="x@none.example").ok
    assert later.seen == [
        Authenticated("pass", "example.org", frozenset(("example.org",)), "pass", "example.org", "reject"),
        Authenticated("none", "none.example", frozenset(), "fail", "example.org", "reject"),
    ]


def test_an_earlier_filter_and_one_without_filter_auth_know_nothing() -> None:
    earlier = Curious()
    with Player({"earlier": earlier, "auth": build([], Resolver(backend=FakeZone({})))}) as player:
        assert connected(player).mail(PLAIN).ok
    assert earlier.seen == [None]


def test_spf_that_a_filter_before_has_asked_is_not_asked_again() -> None:
    zone = FakeZone({("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.1 -all"]}, ttl=0)
    filter_ = build([], Resolver(backend=zone))
    with Player(filter_) as player:
        client = connected(player)
        assert client.mail(PLAIN, sender="a@example.net").ok
        assert client.mail(PLAIN, sender="a@example.net").ok
    assert zone.asked.count(("example.net", "TXT")) == 1
