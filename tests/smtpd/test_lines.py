"""Lines of every length through a filter that holds the message: intact, or refused, never cut and never fatal.

A line of 65,486 bytes echoed by a plain filter stops all mail (see fault_table.py), and any client can send one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from filter_api.bounds import MAX_PAYLOAD, MAX_PAYLOAD_OLD
from tools.private_smtpd import Gone, Reply, Smtpd, wait_until

CONFIG = """
filter "hold" proc-exec "hold"
listen on 0.0.0.0 filter "hold"
listen on 0.0.0.0 port 2525
action "local" maildir
match from any for domain "example.org" action "local"
"""
HOLD = """
from filter_api import Filter, Verdict, main

class Hold(Filter):
    def on_message(self, session, message):
        return Verdict()

main(Hold())
"""
LONGEST_OF_SMTPD = 65_533
"""Bytes of a line smtpd takes from a client, without CRLF; it answers 500 to longer ones."""
LENGTHS: tuple[int, ...] = (
    0,
    1,
    2,
    998,
    1000,
    1996,
    1997,
    1998,
    2046,
    2047,
    2048,
    4096,
    16_384,
    32_768,
    65_483,
    65_484,
    65_485,
)
LENGTHS += (65_486, 65_487, 65_500, 65_532, 65_533, 65_534, 65_535, 65_536, 70_000)


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with Smtpd(version, CONFIG, filters={"hold": HOLD}) as running:
        yield running


class Mail:
    """One message with a subject of its own, so that it is found among the others."""

    numbers = itertools.count()

    def __init__(self, smtpd: Smtpd, text: bytes, port: int = 25) -> None:
        self.smtpd = smtpd
        self.subject = b"number %d." % next(self.numbers)
        with smtpd.client("192.0.2.1", port=port, timeout=60) as client:
            try:
                self.reply = client.deliver(b"Subject: " + self.subject + b"\r\n\r\n" + text)
            except Gone:
                self.reply = Reply(500, ("connection closed",))

    def _find(self) -> list[bytes]:
        return [mail for mail in self.smtpd.maildir("bob") if self.subject in mail]

    def body(self) -> bytes:
        """The text as delivered, after the header."""
        wait_until(lambda: bool(self._find()), 20, f"{self.subject!r} was not delivered")
        return self._find()[0].partition(b"\n\n")[2]


def limit(version: str) -> int:
    return MAX_PAYLOAD_OLD if version == "6.8" else MAX_PAYLOAD


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("first", [b"x", b"."], ids=["plain", "dotted"])
def test_a_line_arrives_whole_or_is_refused(smtpd: Smtpd, length: int, first: bytes) -> None:
    line = first * min(length, 1) + b"y" * (length - 1)
    on_the_wire = length + (1 if line.startswith(b".") else 0)  # dot-stuffed, RFC 5321 section 4.5.2
    mail = Mail(smtpd, b"before\r\n" + line + b"\r\nafter\r\n")
    if on_the_wire <= limit(smtpd.version):
        assert mail.reply.code == 250
        assert mail.body() == b"before\n" + line + b"\nafter\n"
    elif on_the_wire <= LONGEST_OF_SMTPD:
        assert str(mail.reply).startswith("550 5.6.0")
    else:
        assert mail.reply.code == 500, "smtpd itself refuses it"
    assert smtpd.alive(), smtpd.log()
    assert Mail(smtpd, b"next").reply.code == 250, "the next mail goes through"


ODD = [b"\r", b"a\rb", b"\x00", b"\xff\xfe\x85", b"\x0b\x0c\x1c\x1d\x1e", b"|", b"a|b|c", b" ", b"\t"]


@pytest.mark.parametrize("text", ODD)
def test_any_byte_passes_as_it_does_without_a_filter(smtpd: Smtpd, text: bytes) -> None:
    filtered, plain = (Mail(smtpd, b"<" + text + b">", port) for port in (25, 2525))
    assert filtered.reply.code == plain.reply.code == 250
    assert filtered.body() == plain.body()


def test_a_message_of_many_lines_comes_back_as_it_was(smtpd: Smtpd) -> None:
    text = b"".join(b"%d %s\r\n" % (n, b"." * (n % 7)) for n in range(100_000))
    mail = Mail(smtpd, text)
    assert mail.reply.code == 250
    assert mail.body() == text.replace(b"\r\n", b"\n")
