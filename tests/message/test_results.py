"""Authentication-Results: what is read of others', and that what is written is read back by another reader."""

from __future__ import annotations

import re

import authres
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_api.message.results import Said, parse_results, same_id, write_results


@pytest.mark.parametrize(
    "value",
    [
        b"mx.us; dmarc=pass",
        b" MX.US; dmarc=pass",
        b'"mx.us"; dmarc=pass',
        b"(c (n)) mx.us; dmarc=pass",
        b"\r\n\tmx.us; dmarc=pass",
        b"mx.us 1; dmarc=pass",
        b"mx.us.; dmarc=pass",
        b"mx.us(c); (;) dmarc (x) = (y) pass",
    ],
)
def test_an_id_is_read_however_it_is_written(value: bytes) -> None:
    found = parse_results(value)
    assert found is not None
    assert same_id(found.id, b"mx.us")
    assert found.version == b"1"
    assert [(each.method, each.result) for each in found.results] == [(b"dmarc", b"pass")]


@pytest.mark.parametrize("name", [b"evil.mx.us", b"mx.us.evil.example", b"xmx.us", b"other.example"])
def test_a_name_that_looks_like_an_id_is_another(name: bytes) -> None:
    found = parse_results(name + b"; spf=pass")
    assert found is not None
    assert not same_id(found.id, b"mx.us")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"; dmarc=pass",
        b"spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org",
        b"mx.us (dmarc=pass",
        b'"mx.us; dmarc=pass',
        b"mx.us ) ; dmarc=pass",
        b"mx.us one two; dmarc=pass",
        b"mx.us; " + b"a" * 70_000,
    ],
)
def test_what_has_no_id_or_no_end_is_not_read(value: bytes) -> None:
    assert parse_results(value) is None


def test_results_are_read_with_their_properties_quoted_or_not() -> None:
    found = parse_results(
        b"mx.us; dkim/1=pass (2048-bit key) header.d=example.org header.b=a/b+c= header.s=s1;"
        b' spf=pass smtp.mailfrom=joe@example.org; dmarc=pass (p=reject) header.from="example.org"; none'
    )
    assert found is not None
    assert found.of(b"dkim")[0].properties[b"header.s"] == b"s1"
    assert found.of(b"spf")[0].properties == {b"smtp.mailfrom": b"joe@example.org"}
    assert found.of(b"dmarc")[0].properties == {b"header.from": b"example.org"}
    assert found.of(b"iprev") == []


def test_version_2_is_told() -> None:
    found = parse_results(b"mx.us 2; spf=pass")
    assert found is not None
    assert found.version == b"2"


def test_a_field_is_written_in_folded_lines() -> None:
    written = write_results(
        "mx.us",
        [
            Said("spf", "pass", {"smtp.mailfrom": "esp.example"}),
            Said("dmarc", "fail", {"header.from": "example.com", "policy.dmarc": "reject"}, "p=reject, marked"),
        ],
    )
    assert written == (
        "mx.us;\n\tspf=pass smtp.mailfrom=esp.example;\n"
        '\tdmarc=fail reason="p=reject, marked" header.from=example.com\n\tpolicy.dmarc=reject'
    )
    assert write_results("mx.us", []) == "mx.us; none"


def read_by_another(written: str) -> authres.AuthenticationResultsHeader:
    return authres.AuthenticationResultsHeader.parse("Authentication-Results: " + written.replace("\n", "\r\n"))


def test_an_ipv6_address_is_quoted() -> None:
    written = write_results("mx.us", [Said("iprev", "pass", {"policy.iprev": "2001:db8::1"})])
    assert written.endswith('policy.iprev="2001:db8::1"')
    assert read_by_another(written).results[0].properties[0].value == "2001:db8::1"


VALUES = st.text(max_size=300)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=10))
def test_another_reader_finds_what_was_written_and_no_more(pairs: list[tuple[str, str]]) -> None:
    written = write_results(
        "mx.us", [Said("dkim", "fail", {"header.s": "s", "header.b": value}, reason) for value, reason in pairs]
    )
    assert written.isascii()
    assert all(line.isprintable() and len(line) < 998 for line in written.replace("\t", " ").split("\n"))
    read = read_by_another(written)
    assert [(each.method, each.result) for each in read.results] == [("dkim", "fail")] * len(pairs)
    for result, (value, _) in zip(read.results, pairs, strict=True):
        assert [re.sub(r"\\(.)", r"\1", each.value) for each in result.properties] == [
            "s",
            *["".join(char if " " <= char <= "~" else "?" for char in value[:253])][: len(value)],
        ]


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='a.=;"()\\ \t\r\n/@1', max_size=60).map(str.encode)))
def test_nothing_makes_the_reader_raise(value: bytes) -> None:
    parse_results(value)
