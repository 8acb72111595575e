"""What may stand behind filterctl allow and deny."""

from __future__ import annotations

import pytest

from filter_api.errors import ConfigError, UsageError
from filterctl.entries.what import in_table, parse


@pytest.mark.parametrize(
    ("text", "kind", "entry"),
    [
        ("192.0.2.7", "address", "192.0.2.7"),
        (" 192.0.2.0/24 ", "address", "192.0.2.0/24"),
        ("192.0.2.1 - 192.0.2.9", "address", "192.0.2.1-192.0.2.9"),
        ("2001:db8::/32", "address", "2001:db8::/32"),
        ("ann@example.org", "from", "from:ann@example.org"),
        ("<ann@example.org>", "from", "from:ann@example.org"),
        ("@example.org", "from", "from:@example.org"),
        ("FROM:.example.org", "from", "from:.example.org"),
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
        ("192.0.2.1/24", "it has host bits set"),
        ("192.0.2.300", "is no network"),
        ("from:a b", "is neither a domain nor an address"),
        ("from:ann@ex.org # not mine", "is neither a domain nor an address"),
        ("host:m\xfcller.example", "is neither a domain nor an address"),
    ],
)
def test_what_is_no_entry_is_said_with_the_remedy(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("from:example.org", "@example.org"),
        ("from:.example.org", "@*.example.org"),
        ("from:ann@example.org", "ann@example.org"),
        ("host:mx.example.org", "mx.example.org"),
        ("host:.example.org", "*.example.org"),
    ],
)
def test_entries_in_tables_of_smtpds(text: str, entry: str) -> None:
    assert in_table(parse(text)) == entry


def test_a_range_is_none_for_smtpd() -> None:
    with pytest.raises(ConfigError, match="takes networks"):
        in_table(parse("192.0.2.1-192.0.2.9"))
