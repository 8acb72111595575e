"""Whose mail it is: the domains of the From field, whatever its grammar, and why there are none."""

from __future__ import annotations

import pytest

from filter_api.dmarc.author import Unusable, author_domains


@pytest.mark.parametrize(
    ("value", "domains"),
    [
        (b"a@example.org", ["example.org"]),
        (b' "Doe, J." <j.doe@Example.ORG.> (home)', ["example.org"]),
        (b"a@example.org (once b@old.example)", ["example.org"]),
        (b"a@example.org, b@example.org", ["example.org"]),
        (b"a@example.org, b@example.net", ["example.org", "example.net"]),
        (b"a@b\xc3\xbccher.example", ["xn--bcher-kva.example"]),
        # what the grammar does not allow: one address in brackets at the end
        (b"boss@example.org <me@example.net>", ["example.net"]),
        (b"a@b@c <me@example.net> \r\n", ["example.net"]),
        (b"<a@example.org> <b@example.net>", ["example.org", "example.net"]),
        (b"a@Example.ORG.> <b@example.NET.>", ["example.org", "example.net"]),
        (b"<me@example.net> boss@example.org x", ["example.net", "example.org"]),
        # blanks round dots, and comments
        (b"a@ example . org x@example.net", ["example.org", "example.net"]),
        (b"a@example(x).org y@example.net", ["example", "example.net", "example.org"]),
    ],
)
def test_whose_domains_are_asked(value: bytes, domains: list[str]) -> None:
    assert author_domains([value]) == domains


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([], "no From field"),
        ([b"a@example.org", b"a@example.org"], "more than one From field"),
        ([b""], "no address in From"),
        ([b"undisclosed"], "no address in From"),
        ([b"a@[192.0.2.1]"], "an address in From is not in a domain"),
        # a list with another address stands before the one in brackets: neither may be borrowed
        ([b"a@example.org, @ <me@example.net>"], "an address in From is not in a domain"),
        ([b"a@example.org; @ <me@example.net>"], "an address in From is not in a domain"),
        ([b"a@a.example, b@b.example, c@c.example, d@d.example, e@e.example"], "more than 4 domains in From"),
        ([b"x" * 16_385], "a From field of more than 16384 bytes"),
    ],
)
def test_why_a_message_has_no_author(values: list[bytes], why: str) -> None:
    with pytest.raises(Unusable) as caught:
        author_domains(values)
    assert str(caught.value) == why


def test_four_domains_and_16_kb_are_an_author() -> None:
    four = b"a@a.example, b@b.example, c@c.example, d@d.example"
    assert author_domains([four]) == ["a.example", "b.example", "c.example", "d.example"]
    long = b'"' + b"x" * (16_384 - len(b'"" <a@example.org>')) + b'" <a@example.org>'
    assert len(long) == 16_384
    assert author_domains([long]) == ["example.org"]
