"""filter-dyndns under real daemons, with a name server in the room: cut names, every phase, marks, both filters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.smtpd.dialog import refusal_or_last
from tools.private_smtpd import Smtpd, Trouble, Zone

PLAIN, CONNECT, RCPT, MARK, BETWEEN, LENIENT, FILES, CHAIN = 25, 2501, 2502, 2503, 2504, 2505, 2506, 2507
OPTIONS = {
    PLAIN: "",
    CONNECT: "-p connect -r 'see https://example.org/dyndns'",
    RCPT: "-p rcpt-to",
    MARK: "-m",
    BETWEEN: "-j 4",
    LENIENT: "-F accept",
    FILES: "-e /etc/dyndns-ok -f /etc/dyndns-own",
    CHAIN: "",
}
CONFIG = (
    'filter "rdns" proc-exec "filter-rdns"\n'
    + "".join(f'filter "f{port}" proc-exec "filter-dyndns {words}"\n' for port, words in OPTIONS.items())
    + f'filter "both" chain {{ "rdns", "f{CHAIN}" }}\n'
    + "".join(
        f'listen on 0.0.0.0 port {port} filter "{"both" if port == CHAIN else f"f{port}"}" hostname mx.example.org\n'
        for port in OPTIONS
    )
    + 'action "local" maildir\nmatch from any for domain "example.org" action "local"\n'
)
FILES_INSIDE = {
    "/etc/dyndns-ok": "192.0.2.10\n.friends.example\n",
    "/etc/dyndns-own": "5 kundenbox\n-9 *.static-lines.example\n",
}

HOME, SERVER, BARE, LONG_HOME, LONG_SERVER, LONG_DOWN, LINE, FRIEND, BOX, STATIC = (
    f"192.0.2.{n}" for n in range(10, 110, 10)
)
HOME_NAME = "h-192-0-2-10.dyn.example.net"
USERS = ("bob", "carol", "dave", "postmaster", "abuse")
#: Cut at 64 bytes the word that tells, and the end of the address, are gone.
LONG_HOME_NAME = "subscriber.of-a-district.with-a-long-name.in-some-town.x192-0-2-40.adsl.example.net"
#: Cut at 64 bytes it is a home of the domain "outgoing".
LONG_SERVER_NAME = "h-192-0-2-50.room-17.rack-3.hall-2.datacentre-north.dyn.mail.outgoing.example.net"
ZONE: Zone = {
    HOME: HOME_NAME,
    HOME_NAME: [f"A {HOME}"],
    SERVER: "mx.example.net",
    "mx.example.net": [f"A {SERVER}"],
    LONG_HOME: LONG_HOME_NAME,
    LONG_SERVER: LONG_SERVER_NAME,
    LONG_DOWN: LONG_HOME_NAME.replace("40", "60"),
    LINE: "gate.dsl.example.net",
    FRIEND: "h-192-0-2-80.dyn.friends.example",
    BOX: "kundenbox7.example.net",
    STATIC: "h-192-0-2-100.dyn.static-lines.example",
}


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with Smtpd(version, CONFIG, zone=ZONE, files=FILES_INSIDE, users=USERS) as daemon:
        yield daemon
        assert daemon.alive(), daemon.log()


@pytest.mark.parametrize(
    ("source", "reply"),
    [
        (HOME, "550 5.7.1 mail from residential"),
        (SERVER, "250"),
        (BARE, "250"),  # the business of filter-rdns
        (LONG_HOME, "550 5.7.1"),
        (LONG_SERVER, "250"),
        (LINE, "250"),
        (BOX, "250"),
    ],
)
def test_clients(smtpd: Smtpd, source: str, reply: str) -> None:
    assert refusal_or_last(smtpd, PLAIN, source).startswith(reply)
    assert refusal_or_last(smtpd, RCPT, source).startswith(reply)


def test_at_connect_a_client_is_disconnected(smtpd: Smtpd) -> None:
    assert refusal_or_last(smtpd, CONNECT, SERVER).startswith("250")
    with smtpd.connection(HOME, port=CONNECT) as connection:
        connection.settimeout(10)
        told = b""
        while more := connection.recv(4096):
            told += more
    assert told == b"550 5.7.1 see https://example.org/dyndns\r\n"


def test_postmaster_hears_everybody(smtpd: Smtpd) -> None:
    with smtpd.client(HOME, port=RCPT) as client:
        client.ehlo("mx.example.net")
        assert client.mail_from("joe@example.net").code == 250
        assert client.rcpt_to("bob@example.org").code == 550
        assert client.rcpt_to("postmaster@example.org").code == 250
        assert client.rcpt_to("abuse@example.org").code == 250


@pytest.mark.parametrize(("port", "source", "user"), [(MARK, HOME, "carol"), (BETWEEN, LINE, "dave")])
def test_a_mark_reaches_the_mailbox(smtpd: Smtpd, port: int, source: str, user: str) -> None:
    assert refusal_or_last(smtpd, port, source, f"{user}@example.org").startswith("250")
    assert b"X-Spam: Yes" in smtpd.wait_mail(user)[0]


def test_files(smtpd: Smtpd) -> None:
    for passes in (HOME, FRIEND, STATIC, SERVER):
        assert refusal_or_last(smtpd, FILES, passes).startswith("250")
    assert refusal_or_last(smtpd, FILES, BOX).startswith("550 5.7.1")
    assert refusal_or_last(smtpd, PLAIN, FRIEND).startswith("550 5.7.1")


def test_a_name_that_cannot_be_looked_up_whole(version: str) -> None:
    """smtpd got the name, and then the name servers went away."""
    with Smtpd(version, CONFIG, zone=ZONE, files=FILES_INSIDE) as daemon:
        with daemon.client(LONG_DOWN) as first, daemon.client(LONG_DOWN, port=LENIENT) as second:
            zone = daemon.dns.zone
            assert isinstance(zone, dict)
            zone[LONG_DOWN] = Trouble.SERVFAIL
            first.ehlo("mx.example.net")
            second.ehlo("mx.example.net")
            assert str(first.mail_from("joe@example.net")).startswith("451 4.7.1")
            assert second.mail_from("joe@example.net").code == 250
        assert daemon.alive(), daemon.log()


def test_in_a_chain_behind_rdns(smtpd: Smtpd) -> None:
    assert refusal_or_last(smtpd, CHAIN, BARE).startswith("550 5.7.25")
    assert refusal_or_last(smtpd, CHAIN, HOME).startswith("550 5.7.1 mail from residential")
    assert refusal_or_last(smtpd, CHAIN, SERVER).startswith("250")


def test_the_log_tells_why(smtpd: Smtpd) -> None:
    refusal_or_last(smtpd, PLAIN, LONG_HOME)
    line = next(line for line in smtpd.log().splitlines() if f"name={LONG_HOME_NAME}" in line)
    assert "mail-from action=reject" in line
    assert "reason=dynamic" in line
    assert "signs=address+5,dsl+4,subscriber+2" in line
