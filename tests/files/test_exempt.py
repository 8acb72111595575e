"""Option -W: whom a filter never applies to, and which entries it refuses to start with."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_api.files.exempt import ExemptTable


@dataclass
class Client:
    address: IPv4Address | IPv6Address | None
    rdns: bytes | None = None
    fcrdns: str = ""


TEXT = """\
192.0.2.0/24
2001:db8::1        # one host
203.0.113.5 - 203.0.113.9 ; a pool
host:mx.example.org
host:.Example.NET
to:bob@example.com
to:@all.example.com
from:partner.example
"""


@pytest.fixture
def exempt(tmp_path: Path) -> ExemptTable:
    path = tmp_path / "exempt"
    path.write_text(TEXT)
    return ExemptTable(str(path), allow_from=True, allow_to=True)


@pytest.mark.parametrize(
    ("address", "rdns", "fcrdns", "expected"),
    [
        ("192.0.2.9", None, "fail", True),
        ("2001:db8::1", None, "", True),
        ("203.0.113.9", None, "", True),
        ("203.0.113.10", None, "", False),
        ("198.51.100.1", b"mx.example.org", "pass", True),
        ("198.51.100.1", b"MX.Example.org", "pass", True),
        ("198.51.100.1", b"mx.example.org", "fail", False),
        ("198.51.100.1", b"mx.example.org", "error", False),
        ("198.51.100.1", b"a.mx.example.org", "pass", False),
        ("198.51.100.1", b"a.example.net", "pass", True),
        ("198.51.100.1", b"example.net", "pass", True),
        ("198.51.100.1", None, "pass", False),
        (None, None, "", False),
    ],
)
def test_clients(exempt: ExemptTable, address: str | None, rdns: bytes | None, fcrdns: str, expected: bool) -> None:
    client = Client(ip_address(address) if address else None, rdns, fcrdns)
    assert exempt.client(client) is expected


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        (b"bob@example.com", True),
        (b"BOB@Example.com", True),
        (b"@relay.test:bob@example.com", True),
        (b"alice@example.com", False),
        (b"anyone@all.example.com", True),
        (b"", False),
    ],
)
def test_recipients(exempt: ExemptTable, recipient: bytes, expected: bool) -> None:
    assert exempt.recipient(recipient) is expected


def test_a_sender_counts_only_together_with_spf(exempt: ExemptTable) -> None:
    assert exempt.sender_if_spf_passes(b"x@partner.example")
    assert not exempt.sender_if_spf_passes(b"x@sub.partner.example")
    assert not exempt.client(Client(ip_address("198.51.100.1")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.1\nfrom:example.org\n", ":2: from: cannot be used here"),
        ("to:bob@example.org\n", ":1: to: cannot be used here"),
        ("host:192.0.2.1\n", r":1: \"192.0.2.1\" is no host name"),
        ("host:a@b.example\n", ":1: .* is no host name"),
        ("host:\n", ":1: .* is no host name"),
        ("mx.example.org\n", ":1: .* neither an address nor a network, nor host:"),
        ("FROM:example.org\n", ":1: from: cannot be used here"),
    ],
)
def test_an_entry_that_could_never_match_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "exempt"
    path.write_text(text)
    with pytest.raises(ConfigError, match="/exempt" + message):
        ExemptTable(str(path))


def test_the_file_is_followed(tmp_path: Path) -> None:
    now = [0.0]
    path = tmp_path / "exempt"
    path.write_text("192.0.2.1\n")
    exempt = ExemptTable(str(path), clock=lambda: now[0])
    path.write_text("198.51.100.1\nhost:mx.example.org\n")
    assert not exempt.client(Client(ip_address("198.51.100.1")))
    now[0] += 1
    assert exempt.client(Client(ip_address("198.51.100.1")))
