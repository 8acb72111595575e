"""From recipients to names that are safe in a path, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.errors import ConfigError, UsageError
from filter_spamassassin.users import Users, parse_rules, safe_name


@pytest.mark.parametrize(
    ("recipient", "localpart", "address"),
    [
        (b"alice@example.com", "alice", "alice@example.com"),
        (b"Alice+Lists@Example.COM.", "alice", "alice@example.com"),
        (b"@relay.example:bob@example.com", "bob", "bob@example.com"),
        (b"a.b-c_9@x.example", "a.b-c_9", "a.b-c_9@x.example"),
        (b"root@example.com", "", ""),
        (b"ROOT+x@example.com", "", ""),
        (b"rooty@example.com", "rooty", "rooty@example.com"),
        (b"..@example.com", "", ""),
        (b"a..b@example.com", "", ""),
        (b"../../etc@example.com", "", ""),
        (b".hidden@example.com", "", ""),
        (b"-x@example.com", "", ""),
        (b"a|b@example.com", "", ""),
        (b"a b@example.com", "", ""),
        (b"j\xf6rg@example.com", "", ""),
        (b"x" * 64 + b"@example.com", "x" * 64, "x" * 64 + "@example.com"),
        (b"x" * 65 + b"@example.com", "", ""),
        (b"+detail@example.com", "", ""),
        (b"alice@a..b", "alice", ""),
        (b"alice@" + b"x" * 65, "alice", ""),
        (b"alice@[192.0.2.1]", "alice", ""),
        (b"postmaster", "postmaster", ""),
        (b"alice\n@example.com", "", ""),
        (b"", "", ""),
    ],
)
def test_names(recipient: bytes, localpart: str, address: str) -> None:
    assert parse_rules(["rcpt:localpart"]).of(recipient) == localpart
    assert parse_rules(["rcpt:address"]).of(recipient) == address
    assert parse_rules(["site", "rcpt:localpart"]).of(recipient) == (localpart or "site")


@pytest.mark.parametrize(
    ("recipient", "name"),
    [
        (b"alice@example.com", "alice_example.com"),
        (b"Alice+Lists@Example.COM.", "alice_example.com"),
        (b"@relay.example:a.b@mail.example.com", "a.b_mail.example.com"),
        (b"root@example.com", ""),
        (b"alice@a..b", ""),
        (b"postmaster", ""),
        (b"a/b@example.com", ""),
    ],
)
def test_names_of_user_and_domain(recipient: bytes, name: str) -> None:
    assert parse_rules(["rcpt:user_domain"]).of(recipient) == name
    assert parse_rules(["site", "rcpt:user_domain"]).of(recipient) == (name or "site")


@given(st.binary(max_size=80))
def test_a_name_is_safe_or_empty(raw: bytes) -> None:
    for rule in ("rcpt:localpart", "rcpt:address", "rcpt:user_domain"):
        name = parse_rules([rule]).of(raw)
        assert re.fullmatch(r"|[a-z0-9][a-z0-9._-]{0,63}(@[a-z0-9][a-z0-9._-]{0,63})?", name)
        assert ".." not in name
        assert name.partition("@")[0] != "root"


def test_map(tmp_path: Path) -> None:
    table = tmp_path / "users"
    table.write_text(
        "# who is whose\nsales@example.com  alice\n@example.com shared\n.example.org  bob@example.org\nadmin@ carol\n"
    )
    users = parse_rules([f"file:{table}", "site"])
    assert users.differ
    assert users.of(b"Sales+x@Example.com") == "alice"
    assert users.of(b"other@example.com") == "shared"
    assert users.of(b"x@deep.example.org") == "bob@example.org"
    assert users.of(b"admin@nowhere.example") == "carol"
    assert users.of(b"x@nowhere.example") == "site"
    assert users.of_all([b"a@example.com", b"b@example.com", b"sales@example.com"]) == ["shared", "alice"]


@pytest.mark.parametrize("name", ["root", "../x", "Alice", "a b", "x" * 65, "root@example.com"])
def test_a_map_names_its_bad_line(tmp_path: Path, name: str) -> None:
    table = tmp_path / "users"
    table.write_text(f"good@example.com alice\nbad@example.com {name}\n")
    with pytest.raises(ConfigError, match=r"users:2: .* is no user's name"):
        parse_rules([f"file:{table}"])


def test_without_a_rule() -> None:
    assert Users().of(b"alice@example.com") == ""
    assert parse_rules(["site"]).of_all([b"a@x", b"b@x"]) == ["site"]
    assert not parse_rules(["site"]).differ
    assert Users("site").of_all([]) == ["site"]


@pytest.mark.parametrize(
    "values",
    [
        [""],
        ["root"],
        ["Alice"],
        ["a b"],
        ["../x"],
        ["one", "two"],
        ["rcpt:"],
        ["rcpt:domain"],
        ["file:"],
        ["ldap:x"],
        ["rcpt:address", "rcpt:localpart"],
    ],
)
def test_bad_rules(values: list[str]) -> None:
    with pytest.raises(UsageError, match="-u"):
        parse_rules(values)


def test_safe_name() -> None:
    assert safe_name(b"alice") == "alice"
    assert safe_name(b"alice@x@y") == ""
