"""filter-lists under real daemons: every phase, order, marks, lists that are fetched and replaced under load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api.files.compiled import write_compiled
from filter_api.files.ranges import RangeBuilder
from tests.smtpd.dialog import refusal_or_last
from tools.private_smtpd import Smtpd

PLAIN, CONNECT, RCPT, MARK, OBSERVE, CHAIN = 25, 2501, 2502, 2503, 2504, 2505
OPTIONS = {PLAIN: "", CONNECT: "-5 -p connect", RCPT: "-5 -p rcpt-to", MARK: "-m", OBSERVE: "-n", CHAIN: "-5"}
CONFIG = (
    'filter "dyndns" proc-exec "filter-dyndns"\n'
    + "".join(f'filter "f{port}" proc-exec "filter-lists -d /etc {words}"\n' for port, words in OPTIONS.items())
    + f'filter "both" chain {{ "f{CHAIN}", "dyndns" }}\n'
    + "".join(
        f'listen on 0.0.0.0 port {port} filter "{"both" if port == CHAIN else f"f{port}"}" hostname mx.example.org\n'
        for port in OPTIONS
    )
    + 'action "local" maildir\nmatch from any for domain "example.org" action "local"\n'
)

FREE, LISTED, SPARED, PUBLISHED, TOGETHER = (f"192.0.2.{n}" for n in range(10, 60, 10))
USERS = ("bob", "carol", "postmaster", "abuse")


def compiled(path: Path, *entries: str) -> bytes:
    """The bytes of a compiled list."""
    builder = RangeBuilder()
    for entry in entries:
        builder.add_text(entry)
    write_compiled(str(path), builder.build().ranges)
    return path.read_bytes()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | bytes]:
    folder = tmp_path_factory.mktemp("lists")
    return {
        "/etc/mail/lists.conf": (
            'mine black file:/etc/mail/blacklist msg="%A is blacklisted here\\nask postmaster"\n'
            "nospamd white file:/etc/mail/nospamd\n"
            'pub black https://lists.example/x msg="%A is in pub"\n'
            "order mine nospamd pub\n"
        ),
        "/etc/mail/blacklist": f"{LISTED} ; a line of its own\n{SPARED} - {TOGETHER}\n",
        "/etc/mail/nospamd": f"# as pf had it\n{SPARED}\n",
        "/etc/pub.ranges": compiled(folder / "x", PUBLISHED, TOGETHER, "198.51.100.0/24"),
    }


@pytest.fixture(scope="module")
def smtpd(version: str, files: dict[str, str | bytes]) -> Iterator[Smtpd]:
    with Smtpd(version, CONFIG, files=files, users=USERS) as daemon:
        yield daemon
        assert daemon.alive(), daemon.log()


@pytest.mark.parametrize(
    ("source", "reply"),
    [
        (FREE, "250"),
        (LISTED, f"450 4.7.1 {LISTED} is blacklisted here / ask postmaster"),
        (SPARED, "250"),
        (PUBLISHED, f"450 4.7.1 {PUBLISHED} is blacklisted here"),
        (TOGETHER, f"450 4.7.1 {TOGETHER} is blacklisted here"),
    ],
)
def test_clients(smtpd: Smtpd, source: str, reply: str) -> None:
    assert refusal_or_last(smtpd, PLAIN, source).startswith(reply)
    assert refusal_or_last(smtpd, RCPT, source).startswith(reply.replace("450 4", "550 5"))


def test_at_connect_a_client_is_disconnected(smtpd: Smtpd) -> None:
    assert refusal_or_last(smtpd, CONNECT, FREE).startswith("250")
    with smtpd.connection(LISTED, port=CONNECT) as connection:
        connection.settimeout(10)
        told = b""
        while more := connection.recv(4096):
            told += more
    assert told == f"550 5.7.1 {LISTED} is blacklisted here / ask postmaster\r\n".encode()


def test_postmaster_hears_everybody(smtpd: Smtpd) -> None:
    with smtpd.client(LISTED, port=RCPT) as client:
        client.ehlo("mx.example.net")
        assert client.mail_from("joe@example.net").code == 250
        assert client.rcpt_to("bob@example.org").code == 550
        assert client.rcpt_to("postmaster@example.org").code == 250


def test_a_mark_reaches_the_mailbox(smtpd: Smtpd) -> None:
    assert refusal_or_last(smtpd, MARK, LISTED, "carol@example.org").startswith("250")
    assert b"X-Spam: Yes" in smtpd.wait_mail("carol")[0]


def test_in_a_chain_and_observing(smtpd: Smtpd) -> None:
    assert refusal_or_last(smtpd, CHAIN, LISTED).startswith("550 5.7.1")
    assert refusal_or_last(smtpd, CHAIN, FREE).startswith("250")
    assert refusal_or_last(smtpd, OBSERVE, LISTED).startswith("250")


def test_the_log_names_all_lists(smtpd: Smtpd) -> None:
    refusal_or_last(smtpd, PLAIN, TOGETHER)
    assert any("action=reject" in line and "lists=mine,pub" in line for line in smtpd.log().splitlines())


def test_no_session_sees_half_a_list_while_it_is_replaced(
    smtpd: Smtpd, tmp_path: Path, files: dict[str, str | bytes]
) -> None:
    """The versions differ in all but one client, who is on both of them."""
    path = smtpd.room.path("/etc/pub.ranges")
    stop = threading.Event()

    def replace() -> None:
        number = 0
        while not stop.wait(0.01):
            number += 1
            builder = RangeBuilder()
            builder.add_text("198.51.100.7")
            for entry in range(2_000):
                builder.add(4, 0xCB000000 + 4 * entry + number % 2, 0xCB000000 + 4 * entry + number % 2)
            write_compiled(str(path), builder.build().ranges)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(40):
            assert refusal_or_last(smtpd, PLAIN, "198.51.100.7") == "450 4.7.1 198.51.100.7 is in pub"
            assert refusal_or_last(smtpd, PLAIN, "198.51.100.8").startswith(("250", "450 4.7.1 198.51.100.8 is in pub"))
    finally:
        stop.set()
        writer.join()
