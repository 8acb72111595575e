"""From fields: the one address, or none where there is doubt."""

from __future__ import annotations

import time
from email.headerregistry import Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.dkim.mailboxes import parse_mailboxes


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b" a@example.org", [b"a@example.org"]),
        (b"A. Lice <a@example.org>", [b"a@example.org"]),
        (b'"Lice, A. <x@y>" <a@example.org>', [b"a@example.org"]),
        (b'"\\"a\\\\" <a@Example.ORG>', [b"a@Example.ORG"]),
        (b"a (the (inner) one \\) @x) @ (c) example . org", [b"a@example.org"]),
        (b"\r\n\tAlice\r\n <a@example.org>\r\n", [b"a@example.org"]),
        (b"Al\xc3\xadce <a@example.org>", [b"a@example.org"]),
        (b"=?utf-8?q?Al=C3=ADce?= <a@example.org>", [b"a@example.org"]),
        (b'"a b"@example.org', [b'"a b"@example.org']),
        (b"<@relay.example,@other.example:a@example.org>", [b"a@example.org"]),
        (b"a@[192.0.2.1]", [b"a@[192.0.2.1]"]),
        (b"  Two  Words   <a@example.org> ", [b"a@example.org"]),
        (b'"Q. U, oted" <a.b@example.org>\r\n', [b"a.b@example.org"]),
        (b"Dr. A. B. Lice <a@example.org>", [b"a@example.org"]),
        (b'"\\"Acme, Inc.\\"" <a@example.org>', [b"a@example.org"]),
        (b"a@example.org <a@example.org>", [b"a@example.org"]),
        (b"Alice a@EXAMPLE.org via b@example.org <a@example.org>", [b"a@example.org"]),
        ("a@bücher.example <b@xn--bcher-kva.example>".encode(), [b"b@xn--bcher-kva.example"]),
        (b"a@example.org.evil.example <a@example.org>", None),
        (b"a@example.or g <a@example.org>", None),
        (b"@example.org <a@example.org>", [b"a@example.org"]),
        (b"a@ <a@example.org>", None),
        (b"boss@example.net, a@example.org <a@example.org>", [b"boss@example.net", b"a@example.org"]),
        (b"<boss@example.net> <a@example.org>", None),
        (b"Alice [Acme] <a@example.org>", [b"a@example.org"]),
        (b"[Acme] a@example.net <a@example.org>", None),
        (b"=?utf-8?Q?a@b.example?= <a@example.org>", [b"a@example.org"]),
        (b"=?utf-8?Q?a?=\r\n =?utf-8?B?Yg==?= <a@example.org>", [b"a@example.org"]),
        (b"=?utf-8?Q?Acme,_Inc.?= <a@example.org>", None),
        (b"=?utf-8?Q?<b@example.net>?= <a@example.org>", None),
        (b"Staff: a@example.org;", [b"a@example.org"]),
        (b'"Our Staff": Alice <a@example.org> ;', [b"a@example.org"]),
        (b"Staff: (just her) a@example.org; (x)", [b"a@example.org"]),
        (b"Staff:;", None),
        (b"Staff: Inner: a@example.org;;", None),
        (b": a@example.org;", None),
        (b"a@example.net: a@example.org;", None),
        (b"a@example.org;", None),
        (b"Staff: a@example.org", None),
        (b"a@example.org.", [b"a@example.org"]),
        (b"a@example.org..", None),
        (b"a@.", None),
        (b"a@x.", [b"a@x"]),
        (b"<a:b@example.org>", None),
        (b"a@x" + b" " * 65_533, [b"a@x"]),
        (b"a@x" + b" " * 65_534, None),
        (b"(x) Alice (y) <(z) a (c) @example.org> (d)", [b"a@example.org"]),
        (b'"a@b"@example.org', [b'"a@b"@example.org']),
        (b'"a"."b"@example.org', [b'"a"."b"@example.org']),
        (b"a@x" + b" " * 70_000, None),
        (b"a..b@example.org", None),
        (b"x <a@example..org>", None),
        (b"a@x, b@y", [b"a@x", b"b@y"]),
        (b",a@x,,", [b"a@x"]),
        (b"", []),
        (b" (nobody) ", []),
        (b"<>", None),
        (b"alice", None),
        (b"<alice>", None),
        (b"boss@example.net <a@example.org>", None),
        (b"a@example.org <b@example.org", None),
        (b"a@example.org> <b@example.org>", None),
        (b"<a@example.org> x", None),
        (b"a@b@c", None),
        (b"a@example.org b@example.org", None),
        (b"Staff: a@example.org, b@example.org;", None),
        (b'"open <a@example.org>', None),
        (b"(open a@example.org", None),
        (b"a@example.org)", None),
        (b"a@.org", None),
        (b".a@example.org", None),
        (b"a@", None),
        (b"@a", None),
        (b"a\\@b@c", None),
        (b"a@example.org\x00", None),
        (b'a@"example.org"', None),
    ],
)
def test_reading(value: bytes, addresses: list[bytes] | None) -> None:
    assert parse_mailboxes(value) == addresses


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b"Staff: a@b.example, c@d.example;", [b"a@b.example", b"c@d.example"]),
        (b"Staff:;", []),
        (b"Staff: Alice <a@x>, b@y;, Others: c@z;", [b"a@x", b"b@y", b"c@z"]),
        (b"a@x, Staff: b@y; , c@z", [b"a@x", b"b@y", b"c@z"]),
        (b"Dr. Staff: a@x;", [b"a@x"]),
        (b"<@relay.example,@other.example:a@x>, b@y", [b"a@x", b"b@y"]),
        (b"Staff: <@relay.example,@other.example:a@x>;", [b"a@x"]),
        (b"Staff: a@x; b@y", None),
        (b"Staff: a@x; Others: b@y;", None),
        (b"Staff: Inner: a@x;;", None),
        (b"Staff: a@x", None),
        (b"Staff: a@x;;", None),
        (b"a@x;", None),
        (b": a@x;", None),
        (b"<a@x>: b@y;", None),
        (b"Staff: a@x b@y;", None),
    ],
)
def test_groups_are_taken_where_they_are_asked_for(value: bytes, addresses: list[bytes] | None) -> None:
    assert parse_mailboxes(value, groups=True) == addresses


@pytest.mark.parametrize(("labels", "taken"), [(2, True), (60, True), (128, True), (129, False)])
def test_a_name_that_is_an_address_is_compared_up_to_the_labels_a_domain_can_have(labels: int, taken: bool) -> None:
    domain = b".".join([b"x"] * labels)
    assert parse_mailboxes(b"a@%b (b) <c@%b>" % (domain, domain)) == ([b"c@" + domain] if taken else None)


@given(st.binary(max_size=200))
def test_total(value: bytes) -> None:
    found = parse_mailboxes(value)
    assert found is None or all(b"@" in address for address in found)


@given(
    name=st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    user=st.text(st.sampled_from('abc"\\ ,<>@()'), min_size=1),
)
def test_what_the_standard_library_writes(name: str, user: str) -> None:
    written = str(Address(display_name=name, username=user, domain="example.org"))
    found = parse_mailboxes(written.encode())
    assert found is not None
    assert [address.rpartition(b"@")[2] for address in found] == [b"example.org"]


@pytest.mark.timed
@pytest.mark.parametrize(
    "value",
    [
        b" " * 60000,
        b"a " * 30000,
        b" a" * 30000,
        b"\t" * 60000,
        b"(" * 60000,
        b'"' * 60000,
        b"\\" * 60000,
        b"a." * 30000,
        b"<" * 60000,
        b"(\\" * 30000,
        b"a," * 30000,
        b"@a." * 20000 + b"<a@b>",
        b"@." * 30000 + b"<a@b>",
        b"=?a?q?" * 10000,
        b"=?a?q?" + b"@=?a?q?" * 8000,
        b"x:" * 30000 + b";",
        b"[" * 60000,
        b"[]" * 30000 + b"<a@b>",
    ],
)
def test_hostile_values_take_no_time(value: bytes) -> None:
    began = time.perf_counter()
    parse_mailboxes(value)
    assert time.perf_counter() - began < 1.0
