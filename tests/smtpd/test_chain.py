"""The whole chain, end to end: every kind of client and message, with real scanners, a real store and a real DNS.

Each case is told from outside: what the client heard, which one log line says why, what lies in the mailbox or in the
quarantine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import ZONE as KEYS
from tests.smtpd import chain_config as at
from tests.smtpd.chain import Chain, converse, infected, mail
from tests.smtpd.chain_config import QUARANTINE
from tools.private_smtpd import wait_until
from tools.private_smtpd.backends import GTUBE

BOB = "bob@example.org"


@pytest.fixture(scope="module", params=["six processes", "one process"])
def chain(version: str, request: pytest.FixtureRequest) -> Iterator[Chain]:
    with Chain(version, one=request.param == "one process") as running:
        yield running
        running.check_alive()


def test_a_new_server_waits_once_and_is_known_from_then_on(chain: Chain) -> None:
    text = mail("clean one")
    first = chain.offer(at.GOOD, "alice@good.example", BOB, text)
    assert (first.phase, first.code) == ("rcpt-to", 451)
    assert "greylisted" in first.text
    assert chain.explained(first).pairs["reason"] == "new"
    assert chain.offer(at.GOOD, "alice@good.example", BOB, text).code == 250
    delivered = chain.delivered("clean one")
    assert delivered.count(b"\nX-Virus-Status: Clean\n") == 1
    assert delivered.count(b"X-Spam-Status: No, score=") == 1
    assert b"X-Spam-Flag" not in delivered
    assert delivered.endswith(b"\n\nhello\n")
    for sender in ("carol@good.example", "dave@good.example"):
        assert chain.offer(at.GOOD, sender, BOB, mail(f"clean from {sender}", author=sender)).code == 250


def test_no_reverse_dns(chain: Chain) -> None:
    seen = chain.offer(at.NO_NAME, "nobody@good.example", BOB, mail("no name"))
    assert (seen.phase, seen.code) == ("mail-from", 550)
    assert seen.text.startswith("5.7.25 ")
    assert chain.explained(seen).filter == "rdns"
    assert chain.missing("no name")


def test_a_residential_line(chain: Chain) -> None:
    seen = chain.offer(at.RESIDENTIAL, "home@good.example", BOB, mail("from home"))
    assert (seen.phase, seen.code) == ("mail-from", 550)
    assert chain.explained(seen).filter == "dyndns"
    assert chain.missing("from home")


def test_a_pool_that_spf_names_may_come_back_from_another_address(chain: Chain) -> None:
    text = mail("from a pool", author="news@pool.example")
    first = chain.offer(at.POOL_1, "news@pool.example", BOB, text)
    assert (first.phase, first.code) == ("rcpt-to", 451)
    assert chain.offer(at.POOL_2, "news@pool.example", BOB, text).code == 250
    assert b"hello" in chain.delivered("from a pool")


def test_without_spf_another_address_is_another_client(chain: Chain) -> None:
    sender, text = "news@lone.example", mail("from two addresses", author="news@lone.example")
    assert chain.offer(at.LONE_1, sender, BOB, text).code == 451
    assert chain.offer(at.LONE_2, sender, BOB, text).code == 451
    assert chain.offer(at.LONE_1, sender, BOB, text).code == 250
    chain.delivered("from two addresses")


def test_whoever_writes_to_a_trap_is_trapped(chain: Chain) -> None:
    seen = chain.offer(at.SPAMMER, "trapped@spam.example", "trap@example.org", mail("to the trap"))
    assert (seen.phase, seen.code) == ("rcpt-to", 450)
    line = chain.explained(seen)
    assert (line.filter, line.pairs["reason"]) == ("greylist", "trap-file")
    later = chain.offer(at.SPAMMER, "later@spam.example", BOB, mail("to somebody else"))
    assert later.code == 450
    assert chain.explained(later).pairs["reason"] == "trapped"
    assert chain.missing("to the trap")
    assert chain.missing("to somebody else")
    assert f"TRAPPED|{at.SPAMMER}|" in chain.filterctl("greylist", "-f", at.REDIS)


def test_spam_is_refused_kept_and_released(chain: Chain) -> None:
    sender = "spam@careful.example"
    seen = chain.insist(at.CAREFUL, sender, BOB, mail("spam", f"\n{GTUBE.decode()}\n", author=sender))
    assert (seen.phase, seen.code) == ("message", 550)
    line = chain.explained(seen)
    assert (line.filter, line.pairs["result"]) == ("spamassassin", "spam")
    assert seen.text.endswith(f"id {line.pairs['id']}")
    assert chain.missing("spam")
    check_release(chain, "spam", line.pairs["id"], GTUBE)


def test_a_virus_in_an_archive_is_refused_kept_and_released(chain: Chain) -> None:
    sender = "virus@virus.example"
    seen = chain.insist(at.VIRUS, sender, BOB, infected("virus"))
    assert (seen.phase, seen.code) == ("message", 554)
    line = chain.explained(seen)
    assert (line.filter, line.pairs["result"]) == ("clamav", "virus")
    assert line.pairs["virus"].startswith("Eicar-Test-Signature")
    assert chain.missing("virus")
    check_release(chain, "virus", line.pairs["id"], b"bill.zip")


def check_release(chain: Chain, kind: str, name: str, content: bytes) -> None:
    """A message that was refused is in the quarantine, and arrives when it is released."""
    quarantine = ("quarantine", "-q", f"{QUARANTINE}/{kind}")
    assert name in chain.filterctl(*quarantine, "list")
    assert content.decode() in chain.filterctl(*quarantine, "show", name)
    assert f"{name}: released" in chain.filterctl(*quarantine, "release", name)
    assert content in chain.delivered(kind)


def test_a_hundred_reloads_cost_no_mail(chain: Chain) -> None:
    """SIGHUP reaches every member, at any moment of a conversation."""
    sender = "reloads@friend.example"
    for number in range(10):
        for _ in range(10):
            chain.smtpd.hang_up()
        assert chain.insist(at.FRIEND, sender, BOB, mail(f"reload {number}", author=sender)).code == 250
    chain.delivered("reload 9")


def test_points_of_the_sender_make_it_junk(chain: Chain) -> None:
    sender = "offers@scored.example"
    assert chain.insist(at.SCORED, sender, BOB, mail("an offer", author=sender)).code == 250
    text = chain.delivered("an offer", folder=".Junk")
    assert b"\nX-Spam-Flag: YES\n" in text
    assert b"SENDER_SCORE=7" in text


def test_what_our_programs_send_is_signed_and_teaches_the_greylist(chain: Chain) -> None:
    chain.smtpd.room.write("/tmp/mail", mail("from a program", author="alice@example.org").replace(b"\r\n", b"\n"))
    command = "sendmail -f alice@example.org alice@far.example < /tmp/mail"
    assert chain.smtpd.room.run(["sh", "-c", command]) == (0, "")
    check_signed(chain, "from a program")
    # the server that took it may answer at once
    wait_until(lambda: f"WHITE|{at.FAR}|" in chain.filterctl("greylist", "-f", at.REDIS), 10, "nothing was learned")
    answer = mail("an answer", author="alice@far.example")
    assert chain.offer(at.FAR, "alice@far.example", "alice@example.org", answer).code == 250
    chain.delivered("an answer", "alice")


def test_submitted_mail_is_scanned_and_signed(chain: Chain, version: str) -> None:
    if version == "6.8":
        pytest.xfail("smtpd 6.8 of Debian 12 fails every TLS handshake with OpenSSL 3")
    with chain.smtpd.client(at.RESIDENTIAL, port=587, timeout=60) as client:  # users sit at home
        client.ehlo("laptop.example.net")
        assert client.starttls().code == 220
        client.ehlo("laptop.example.net")
        assert client.auth_plain("alice", "secret").code == 235
        seen = converse(client, "alice@example.org", "alice@far.example", mail("sent", author="alice@example.org"))
        assert seen.code == 250, seen
        seen = converse(client, "alice@example.org", "alice@far.example", infected("sent virus"))
        assert seen.code == 554, seen
    check_signed(chain, "sent")
    assert chain.missing("sent virus")


def check_signed(chain: Chain, subject: str) -> None:
    text = chain.delivered(subject, "alice")
    assert both(text.replace(b"\n", b"\r\n"), KEYS) == [True, True]
