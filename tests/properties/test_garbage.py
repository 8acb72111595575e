"""No filter leaves circles of objects behind: the collector comes rarely, and until then they would be held memory.

At two sessions a second half a dozen objects for each are eight megabytes in an hour, before anybody looks for them.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from filter_api.filter import Filter
from filter_api.net.dns import Resolver, Status
from filter_api.testing import Player
from filter_api.testing.dns import Content, FakeZone
from filter_auth.filter import build as auth
from filter_clamav.filter import build as clamav
from filter_dkimsign.filter import build as dkimsign
from filter_dnsbl.filter import build as dnsbl
from filter_dyndns.filter import build as dyndns
from filter_greylist.filter import build as greylist
from filter_rdns.filter import build as rdns
from filter_spamassassin.filter import build as spamassassin
from tests.filter_dkimsign.keyring import rsa_key, write_key
from tests.support.growth import without_collector
from tests.support.ports import free_port

SESSIONS = 25
SIGNATURE = b"v=1; a=rsa-sha256; d=example.net; s=s; h=from; b=AA; bh=AA"
MAIL = b"From: a@example.net\r\nSubject: x\r\nDKIM-Signature: " + SIGNATURE + b"\r\n\r\nb\r\n"

Zone = dict[tuple[str, str], Content]
ANSWERS: Zone = {
    ("192.0.2.1", "PTR"): ["mx.example.net"],
    ("mx.example.net", "A"): ["192.0.2.1"],
    ("example.net", "TXT"): [b"v=spf1 include:a.example.net exists:%{l}.x.example.net ptr mx a:other.example.net -all"],
    ("a.example.net", "TXT"): [b"v=spf1 a:elsewhere.example.net redirect=b.example.net"],
    ("b.example.net", "TXT"): [b"v=spf1 ~all"],
    ("example.net", "MX"): [(10, "mx.example.net")],
    ("_dmarc.example.net", "TXT"): [b"v=DMARC1; p=none"],
    ("2.0.0.127.bl.example", "A"): ["127.0.0.2"],
}
TROUBLE: Zone = dict.fromkeys(ANSWERS, Status.TEMPFAIL)
BROKEN: Zone = ANSWERS | {
    ("b.example.net", "TXT"): [b"v=spf1 bad:term"],
    ("_dmarc.example.net", "TXT"): [b"v=DMARC1; p"],
}


def members(folder: Path, zone: Zone) -> Mapping[str, Filter]:
    """Every filter that judges strangers, and the one that signs; its scanners are down."""
    resolver = Resolver(backend=FakeZone(zone))
    return {
        "rdns": rdns(["-f", "-H", "-S", "-n"], resolver),
        "dnsbl": dnsbl(["-b", "bl.example"], resolver),
        "dyndns": dyndns(["-n"], resolver),
        "greylist": greylist(["-n", "-f", str(folder / "greylist.db")], resolver=resolver),
        "auth": auth([], resolver),
        "clamav": clamav(["-F", "accept", "-a", f"127.0.0.1:{free_port()}"], resolver),
        "spamassassin": spamassassin(["-a", f"127.0.0.1:{free_port()}"], resolver),
        "dkimsign": dkimsign(["-d", "example.net", "-s", "s", "-k", str(write_key(folder / "key", rsa_key()))]),
    }


def welcome(player: Player, number: int) -> None:
    """A session with a message that goes all the way."""
    client = player.connect("192.0.2.1", rdns="mx.example.net")
    client.helo("mx.example.net")
    client.mail(MAIL, sender=f"s{number}@example.net")
    client.quit()


def refused_and_gone(player: Player, number: int) -> None:
    """One that is refused what it asks, begins again, and vanishes within a message."""
    client = player.connect("203.0.113.7", rdns=None)
    client.helo(f"h{number}.example")
    client.mail_from("not an address")
    client.rset()
    client.mail_from(f"s{number}@example.net")
    client.rcpt_to("bob@example.org")
    client.data()
    client.vanish()


@pytest.mark.parametrize("zone", [ANSWERS, TROUBLE, BROKEN], ids=["dns answers", "dns fails", "records are broken"])
@pytest.mark.parametrize("session", [welcome, refused_and_gone])
def test_a_session_leaves_no_circles(session: Callable[[Player, int], None], zone: Zone, tmp_path: Path) -> None:
    with Player(members(tmp_path, zone), loop=asyncio.new_event_loop()) as player:
        for number in range(3):  # what is done once
            session(player, number)
        with without_collector():
            for number in range(10, 10 + SESSIONS):
                session(player, number)
            assert gc.collect() < SESSIONS
