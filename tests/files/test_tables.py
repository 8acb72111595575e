"""Domain, address and key-value tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.errors import ConfigError
from filter_api.files.tables import AddressTable, DomainTable, KeyValueTable, Line, LineError, Rules


def table(tmp_path: Path, text: str) -> str:
    path = tmp_path / "table"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("domain", "entry"),
    [
        (b"example.org", b"example.org"),
        (b"EXAMPLE.org.", b"example.org"),
        (b"www.example.org", None),
        (b"example.net", b".Example.NET"),
        (b"a.b.example.net", b".Example.NET"),
        (b"badexample.net", None),
        (b"mail.special.example.net", b".special.example.net"),
        (b"", None),
        (b"." * 300, None),
        (b"a" * 300, None),
    ],
)
def test_domains(tmp_path: Path, domain: bytes, entry: bytes | None) -> None:
    domains = DomainTable(table(tmp_path, "example.org\n.Example.NET\n.special.example.net\n"))
    found = domains.find(domain)
    assert (found.entry if found else None) == entry
    assert (domain in domains) is (entry is not None)


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        (b"alice@example.org", b"alice@example.org"),
        (b"ALICE@Example.Org", b"alice@example.org"),
        (b"bob@example.org", None),
        (b"bob@example.net", b"@example.net"),
        (b"bob@sub.example.net", None),
        (b"bob@example.com", b"example.com"),
        (b"x@deep.example.edu", b".example.edu"),
        (b"news@anywhere.test", b"news@"),
        (b"news", b"news@"),
        (b"alice", None),
        (b"", None),
        (b"a|b@example.org", None),
        (b"u@[192.0.2.1]", b"u@[192.0.2.1]"),
        (b"trap@example.test", b"<trap@example.test>"),
        (b"<trap@example.test>", None),
    ],
)
def test_addresses(tmp_path: Path, address: bytes, entry: bytes | None) -> None:
    text = (
        "alice@example.org\n@example.net\nexample.com\n.example.edu\nnews@\nu@[192.0.2.1]\n"
        "<trap@example.test> ; as spamdb prints it\n"
    )
    addresses = AddressTable(table(tmp_path, text))
    found = addresses.find(address)
    assert (found.entry if found else None) == entry
    assert (address in addresses) is (entry is not None)


def test_the_most_specific_entry_wins_wherever_it_stands(tmp_path: Path) -> None:
    text = ". 0\n.example.org 1\nexample.org 2\nbob@ 2.5\nalice@example.org 3\n.sub.example.org 4\n"
    scores = KeyValueTable(table(tmp_path, text), float)
    expected = {
        b"x@other.test": 0.0,
        b"x@www.example.org": 1.0,
        b"x@example.org": 2.0,
        b"bob@example.org": 2.5,
        b"alice@example.org": 3.0,
        b"x@a.sub.example.org": 4.0,
    }
    for address, value in expected.items():
        found = scores.find_address(address)
        assert found is not None
        assert found.value == value


def test_a_match_names_its_line(tmp_path: Path) -> None:
    scores = KeyValueTable(table(tmp_path, "# scores\n\nexample.org   5 points\n"), bytes)
    assert scores.find_domain(b"example.org") == (b"example.org", 3, b"5 points")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ok.example\nnot a domain\n", r":2: \"not a domain\" is neither"),
        ("-x-.example\n", ":1: "),
        ("user@.example.org\n", ":1: "),
        ("a..b\n", ":1: "),
        ("@\n", ":1: "),
        ("\xe9.example\n", ":1: "),
        ("x" * 64 + ".example\n", ":1: "),
    ],
)
def test_a_bad_pattern_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match="/table" + message):
        AddressTable(table(tmp_path, text))


def test_an_address_in_a_domain_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/table:2: \"a@b.example\" is an address"):
        DomainTable(table(tmp_path, "b.example\na@b.example\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("example.org\n", r":1: \"example.org\" has no value"),
        ("example.org five\n", ":1: could not convert"),
        ("example.org 1\nEXAMPLE.org 2\n", r":2: \"EXAMPLE.org\" has another value in line 1 already"),
    ],
)
def test_a_bad_pair_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match="/table" + message):
        KeyValueTable(table(tmp_path, text), float)


def test_a_table_follows_its_file(tmp_path: Path) -> None:
    now = [0.0]
    path = table(tmp_path, "example.org\n")
    addresses = AddressTable(path, clock=lambda: now[0])
    assert b"a@example.org" in addresses
    Path(path).write_text("example.com\nexample.net\n")
    now[0] += 1
    assert b"a@example.org" not in addresses
    assert [match.entry for match in addresses] == [b"example.com", b"example.net"]


@given(st.binary(max_size=60), st.binary(max_size=300))
def test_no_pattern_and_no_question_raises_anything_unexpected(pattern: bytes, question: bytes) -> None:
    try:
        rules = Rules([(Line(1, pattern), None)])
    except LineError:
        rules = Rules()
    rules.find_address(question)
    rules.find_domain(question)
