"""Which TXT records are meant to be keys, and which keys are too large to be tried."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from filter_api.dkim.fields import Signature
from filter_api.dkim.published import Keys, _check_size, is_key_text, record_name
from filter_api.dkim.results import Unfit
from filter_api.dkim.syntax import is_name
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (b"v=DKIM1; p=x", True),
        (b"v=DKIM1; nonsense", True),
        (b" v =\r\n DKIM1", True),
        (b"p=x", True),
        (b"k=rsa; p=", True),
        (b"p=x; v=DKIM1", True),
        (b"v=DKIM2; p=x", False),
        (b"v=dkim1; p=x", False),
        (b"v=spf1 -all", False),
        (b"v=DMARC1; p=none", False),
        (b"k=rsa", False),
        (b"nonsense", False),
        (b"", False),
        (b"p=x; p=y", False),
    ],
)
def test_a_record_is_meant_to_be_a_key_if_it_says_so_or_has_a_p_and_no_version(text: bytes, meant: bool) -> None:
    assert is_key_text(text) is meant


@pytest.mark.parametrize(
    ("bits", "exponent", "least", "problem"),
    [
        (1024, 65537, 1024, ""),
        (1024, 65537, 1025, "the published key has 1024 bits only (RFC 8301)"),
        (16384, 65537, 1024, ""),
        (16385, 65537, 1024, "the published key has 16385 bits, more than 16384"),
        (2048, (1 << 64) - 1, 1024, ""),
        (2048, (1 << 64) + 1, 1024, "the exponent of the published key is too large"),
    ],
)
def test_a_key_has_its_bounds(bits: int, exponent: int, least: int, problem: str) -> None:
    key = RSAPublicNumbers(exponent, (1 << (bits - 1)) + 1).public_key()
    if problem:
        with pytest.raises(Unfit) as raised:
            _check_size(key, least)
        assert (raised.value.result.value, str(raised.value)) == ("policy", problem)
    else:
        _check_size(key, least)


def test_a_key_is_published_under_a_labels() -> None:
    assert record_name("schlüssel".encode(), "bücher.example".encode()) == (
        b"xn--schlssel-95a._domainkey.xn--bcher-kva.example"
    )
    assert record_name(b"A", b"Example.ORG") == b"a._domainkey.example.org"


def test_a_key_that_was_fetched_is_not_asked_for_again_and_nor_is_one_that_is_not_there() -> None:
    zone = FakeZone({("s._domainkey.example.org", "TXT"): ["v=DKIM1; p=x"]}, ttl=0)
    there = Signature(b"DKIM-Signature: s=s; d=example.org\r\n")
    same = Signature(b"DKIM-Signature: s=S; d=Example.ORG; x=1\r\n")
    gone = Signature(b"DKIM-Signature: s=gone; d=example.org\r\n")
    late = Signature(b"DKIM-Signature: s=late; d=example.org\r\n")

    async def inside() -> None:
        keys = Keys(Resolver(backend=zone))
        await keys.fetch([there, same, gone])
        names = ["gone._domainkey.example.org", "s._domainkey.example.org"]
        assert sorted(name for name, _ in zone.asked) == names
        assert await keys.of(there) == await keys.of(same) == (b"v=DKIM1; p=x",)
        for _ in range(2):
            with pytest.raises(Unfit, match=r"^no key is published at gone\._domainkey\.example\.org$"):
                await keys.of(gone)
        assert len(zone.asked) == 2
        with pytest.raises(Unfit, match=r"^no key is published at late\."):
            await keys.of(late)
        assert len(zone.asked) == 3, "what was not fetched is asked for"

    asyncio.run(inside())


def test_a_name_has_253_characters_at_most() -> None:
    longest = b".".join([b"x" * 63] * 3 + [b"y" * 61])
    assert is_name(longest)
    assert not is_name(longest + b"y")
