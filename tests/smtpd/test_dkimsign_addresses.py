"""The forecast of filter_dkimsign.rewrite, held against what real daemons do to addresses."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from filter_dkimsign.rewrite import Unsettled, qualify, releases_of
from tests.filter_dkimsign.test_rewrite import HOST, SETTLED, UNTOUCHED
from tools.private_smtpd import Smtpd

CONFIG = """
listen on 0.0.0.0 hostname mx.test.local
action "local" maildir
match from any for domain "example.org" action "local"
"""
PIECES = [
    b"a",
    b"bob",
    b" ",
    b",",
    b", ",
    b"<",
    b">",
    b"<x>",
    b"@",
    b"c@d",
    b'"',
    b'"q"',
    b"\\",
    b"(",
    b")",
    b"(c)",
    b":",
    b";",
    b"\t",
]


def values() -> list[bytes]:
    """The examples of the unit tests, then random mixtures."""
    mixture = random.Random(822)
    mixed = [b" " + b"".join(mixture.choices(PIECES, k=mixture.randrange(1, 9))) for _ in range(400)]
    return [*(value for value, _ in SETTLED), *UNTOUCHED, *mixed]


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with Smtpd(version, CONFIG) as daemon:
        yield daemon


#: What the daemons say of themselves.
VERSIONS = {"6.8": "6.8.0p2", "7": "7.6.0-portable"}

ESCAPED = [
    b' "\\"Acme, Inc.\\"" <a@example.org>',
    b' "Smith \\"Jr\\", John" <a@example.org>',
    b' "a\\", b" <c>, d@e',
    b' "x\\\\", c@d',
    b' "a\\" b" <c>',
]


@pytest.mark.parametrize("known", [False, True])
def test_smtpd_does_what_was_forecast(smtpd: Smtpd, version: str, known: bool) -> None:
    sent = [*values(), *ESCAPED]
    releases = releases_of(VERSIONS.get(version, "") if known else "")
    fields = b"".join(b"To:" + value + b"\r\n" for value in sent)
    with smtpd.client() as client:
        assert client.deliver(b"From: a@example.org\r\n" + fields + b"\r\nx\r\n").code == 250
    header = smtpd.wait_mail("bob", 1 + known)[-1].partition(b"\n\n")[0]
    got = header.replace(b"\n\t", b"\r\n\t").replace(b"\n ", b"\r\n ").split(b"\nTo:")[1:]
    got[-1] = got[-1].partition(b"\nDate:")[0]
    assert len(got) == len(sent)
    settled = 0
    for value, made in zip(sent, got, strict=True):
        try:
            forecast = qualify(value, HOST, releases)
        except Unsettled:
            continue
        settled += 1
        assert made == forecast, value
    assert settled > 300
