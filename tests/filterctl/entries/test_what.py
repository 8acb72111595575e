"""What may stand behind filterctl allow and deny."""

from __future__ import annotations

import pytest

from filter_api.errors import UsageError
from filterctl.entries.what import parse, refuse_wide


@pytest.mark.parametrize(
    ("text", "kind", "entry"),
    [
        ("192.0.2.7", "address", "192.0.2.7"),
        (" 192.0.2.0/24 ", "address", "192.0.2.0/24"),
        ("192.0.2.1 - 192.0.2.9", "address", "192.0.2.1-192.0.2.9"),
        ("192.0.2.1-9", "address", "192.0.2.1-192.0.2.9"),
        ("192.0.2.0-192.0.2.255", "address", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "address", "192.0.2.7"),
        ("::ffff:192.0.2.0/120", "address", "192.0.2.0/24"),
        ("[2001:DB8::7]", "address", "2001:db8::7"),
        ("<192.0.2.7>", "address", "192.0.2.7"),
        ("192.0.2.7/32", "address", "192.0.2.7"),
        ("2001:db8::/32", "address", "2001:db8::/32"),
        ("ann@example.org", "from", "from:ann@example.org"),
        ("<ann@example.org>", "from", "from:ann@example.org"),
        ("@example.org", "from", "from:@example.org"),
        ("FROM:.example.org", "from", "from:.example.org"),
        ("from:<ann@example.org>", "from", "from:ann@example.org"),
        ("from:a;b@example.org", "from", "from:a;b@example.org"),
        ("ann@example.org.", "from", "from:ann@example.org"),
        ("host:mx.example.org.", "host", "host:mx.example.org"),
        ("host:mx.example.org", "host", "host:mx.example.org"),
        ("to:bob@example.net", "to", "to:bob@example.net"),
        ("dkim:example.org", "dkim", "dkim:example.org"),
    ],
)
def test_an_entry_says_its_kind(text: str, kind: str, entry: str) -> None:
    found = parse(text)
    assert (found.kind, found.text) == (kind, entry)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "an address, a network or a name is wanted"),
        ("a\nb@c.d", "an address, a network or a name is wanted"),
        ("x" * 400, "an address, a network or a name is wanted"),
        ("example.org", "write host:example.org for a client of this name, or from:example.org for senders"),
        ("192.0.2.1/24", "it has host bits set: write 192.0.2.0/24, or 192.0.2.1 for one address"),
        ("2001:db8::1/32", "it has host bits set: write 2001:db8::/32, or 2001:db8::1 for one address"),
        ("192.0.2.7,192.0.2.8", "is neither an address nor a network: give each an argument of its own"),
        ("192.0.2.7 192.0.2.8", "is neither an address nor a network"),
        ("192.0.2.7 until 2026-12-31", "is neither an address nor a network"),
        ("fe80::1%eth0", "is neither an address nor a network, nor host:, from:, to: or dkim: with a name"),
        ("mx:example.org", "is neither an address nor a network, nor host:, from:, to: or dkim: with a name"),
        ("host:192.0.2.1", 'host: "192.0.2.1" is no host name'),
        ("host:ann@example.org", 'host: "ann@example.org" is no host name'),
        ("dkim:ann@example.org", "who signs is a domain, as in dkim:example.org"),
        ("from:", "is neither a domain nor an address"),
        ("\xfcmit@example.org", "write the name as it is in the DNS, with xn--"),
        ("192.0.2.300", "is no network"),
        ("from:a b", "is neither a domain nor an address"),
        ("from:ann@ex.org # not mine", "is neither a domain nor an address"),
        ("host:m\xfcller.example", "write the name as it is in the DNS, with xn--"),
    ],
)
def test_what_is_no_entry_is_said_with_the_remedy(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["2.0.0.0/7", "0.0.0.0/0", "::/0", "2000::/18", "0.0.0.0-255.255.255.255", "::ffff:0.0.0.0/96", "from:."],
)
def test_what_stands_for_a_large_part_of_the_internet_is_a_slip_of_the_hand(text: str) -> None:
    with pytest.raises(UsageError, match="if that is meant, write it into the file by hand"):
        refuse_wide(parse(text))


@pytest.mark.parametrize("text", ["10.0.0.0/8", "2001::/19", "192.0.2.7", "from:.example.org", "host:mx.example.org"])
def test_what_is_narrower_is_taken(text: str) -> None:
    refuse_wide(parse(text))
