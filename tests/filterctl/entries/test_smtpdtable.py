"""Entries in tables of smtpd's: what tests/smtpd/test_allow.py shows that smtpd makes of them."""

from __future__ import annotations

import pytest

from filter_api.errors import ConfigError
from filterctl.entries.smtpdtable import covers, in_table
from filterctl.entries.what import parse


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("192.0.2.0/24", ["192.0.2.0/24"]),
        ("[::ffff:192.0.2.7]", ["192.0.2.7"]),
        ("from:example.org", ["@example.org"]),
        ("from:.example.org", ["@example.org", "@*.example.org"]),
        ("from:ann@example.org", ["ann@example.org"]),
        ("from:ann@", ["ann@"]),
        ("@example.org", ["@example.org"]),
        ("host:mx.example.org.", ["mx.example.org"]),
        ("host:.example.org", ["example.org", "*.example.org"]),
    ],
)
def test_entries_as_smtpd_reads_them(text: str, entries: list[str]) -> None:
    assert in_table(parse(text)) == entries


def test_a_range_is_none_for_smtpd() -> None:
    with pytest.raises(ConfigError, match="takes networks"):
        in_table(parse("192.0.2.1-192.0.2.9"))
    assert in_table(parse("192.0.2.0-192.0.2.7")) == ["192.0.2.0/29"]


@pytest.mark.parametrize(
    ("entry", "text", "hit"),
    [
        ("192.0.2.0/24", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.1-9", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8::/32", "192.0.2.8", False),
        ("not an address", "192.0.2.8", False),
        ("@example.org", "ann@example.org", True),
        ("@*.Example.org", "ann@mail.example.org", True),
        ("@*.example.org", "from:.mail.example.org", True),
        ("ann@example.org", "from:example.org", False),
        ("bob@example.org", "ann@example.org", False),
        ("*.example.org", "host:mx.example.org", True),
        ("mx.example.org", "host:mx2.example.org", False),
    ],
)
def test_who_is_let_in_elsewhere_and_turned_away_here_is_found(entry: str, text: str, hit: bool) -> None:
    assert covers(entry, parse(text)) is hit
