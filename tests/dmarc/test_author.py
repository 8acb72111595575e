"""Who the author is: From fields that break the grammar, groups, and names that two readers see in two ways."""

from __future__ import annotations

import pytest

from filter_api.dmarc.author import Unusable, author_domains


@pytest.mark.parametrize(
    ("value", "domains"),
    [
        ("Team: a@example.org, b@example.org;", ["example.org"]),
        ('Team: "Doe, Jane" <jane@example.org>, Bob <bob@example.net>;', ["example.org", "example.net"]),
        ("A: a@example.org;, B: b@example.net;", ["example.org", "example.net"]),
        ("A: a@example.org;, b@example.net", ["example.org", "example.net"]),
        ("b@example.net, A: ;", ["example.net"]),
        ("Team: , a@example.org, ,;", ["example.org"]),
        ("Team: <@relay.example:a@example.org>, b@example.org;", ["example.org"]),
    ],
)
def test_the_members_of_groups_are_the_authors(value: str, domains: list[str]) -> None:
    """RFC 6854."""
    assert author_domains([value.encode()]) == domains


@pytest.mark.parametrize(
    "value",
    [
        'Team: "x@evil.example" <a@example.org>, b@example.org;',
        '"Team @ work": a@example.org, b@example.org;',
        "Team: a@example.org (c@evil.example), b@example.org;",
        "=?utf-8?q?x=40evil.example?=: a@example.org, b@example.org;",
        "J. R. (x@evil.example) Team: a@example.org, b@example.org;",
    ],
)
def test_what_a_group_and_its_members_are_called_is_no_author(value: str) -> None:
    assert author_domains([value.encode()]) == ["example.org"]


@pytest.mark.parametrize(
    "value", ["undisclosed:;", " undisclosed : (jane@example.org) ;", "A:;, B: ;", '"jane@example.org":;', "A: (x), ;"]
)
def test_groups_of_nobody_are_no_author(value: str) -> None:
    with pytest.raises(Unusable, match="no address"):
        author_domains([value.encode()])


@pytest.mark.parametrize(
    "value",
    [
        "Team: a@example.org, b@evil.example",
        "Team: a@example.org; b@evil.example",
        "Team: Other: a@example.org;, b@evil.example;",
        ": a@example.org, b@evil.example;",
        "a@example.org; b@evil.example",
        "<Team: a@example.org, b@evil.example;>",
    ],
)
def test_what_is_no_group_lends_nobody_a_name(value: str) -> None:
    assert author_domains([value.encode()]) == ["example.org", "evil.example"]


@pytest.mark.parametrize("blank", [" ", "\t", "\r\n ", "\r", " \t "])
def test_a_domain_with_a_blank_in_it_is_both_domains_that_readers_see(blank: str) -> None:
    assert author_domains([f"jane@exam{blank}ple.org".encode()]) == ["exam", "example.org"]
    assert author_domains([f"jane@Exam{blank}X.org".encode()]) == ["exam", "examx.org"]
    assert "example.org" in author_domains([f"<x@evil.example> jane@exam{blank}ple.org".encode()])


@pytest.mark.parametrize(
    "value",
    [
        "jane@example.org Jane Doe",
        "jane@example.org Jane",
        "x@example.org jane@example.org",
        "jane@example.org Jane.",
        "x@example.org j.d@example.org",
    ],
)
def test_words_behind_an_address_are_no_part_of_its_domain(value: str) -> None:
    assert author_domains([value.encode()]) == ["example.org"]


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("BU\u0308CHER.example", "xn--bcher-kva.example"),
        ("b\u00fccher\u3002example", "xn--bcher-kva.example"),
        ("stra\u00dfe.example", "xn--strae-oqa.example"),
        ("l\u00b7l.example", "xn--ll-0ea.example"),
        ("\u0915\u094d\u200d\u0937.example", "xn--11b2ezcw70k.example"),
        ("\u4f8b\u3048.example", "xn--r8jz45g.example"),
    ],
)
def test_a_u_label_is_the_a_label_it_stands_for(domain: str, name: str) -> None:
    assert author_domains([f"Jane <jane@{domain}>".encode()]) == [name]


@pytest.mark.parametrize(
    "domain",
    [
        "exam\u200bple.org",
        "exam\u00adple.org",
        "exam\u200dple.org",
        "example\u2060.org",
        "\ufeffexample.org",
        "\uff45xample.org",
        "example.o\u1d63g",
        "exam\u00a0ple.org",
        "example.org\u202e",
        "example\u2024org",
        "ex\u00e4mple.org\u0085",
    ],
)
def test_a_name_that_some_readers_take_for_another_is_no_domain(domain: str) -> None:
    """They leave out what cannot be seen, and read wide letters as plain ones (RFC 5892 §2)."""
    with pytest.raises(Unusable, match="not in a domain"):
        author_domains([f"jane@{domain}".encode()])


@pytest.mark.parametrize(
    "local",
    [
        "=?utf-8?q?jane=40example=2Eorg=3E=20=3C?=",
        "=?utf-8?Q?jane@example.org?=",
        "=?UTF-8?b?amFuZUBleGFtcGxlLm9yZw==?=",
        "x=?utf-8*en?q?=40example.org?=y",
        "=?utf-7?q?jane+AEA-example.org?=",
        "=?utf-16?b?AEAA?=",
        "=?utf-8?q?jane=00?=",
        "=?utf-8?q?jane=0D=0AFrom?=",
        "=?utf-8?b?A?=",
        "=?UTF-8?B?amFuZUBleGFtcGxlLm9yZw==?=",
    ],
)
def test_an_encoded_word_in_an_address_that_is_decoded_to_another_leaves_no_author(local: str) -> None:
    """Readers that decode first, and take apart then, see that one."""
    reason = (
        "^(an encoded word in an address of From stands for another address|an address in From is not in a domain)$"
    )
    with pytest.raises(Unusable, match=reason):
        author_domains([f"<{local}@evil.example>".encode()])
    with pytest.raises(Unusable):
        author_domains([f"Jane <{local}@evil.example>, b@example.net".encode()])


@pytest.mark.parametrize(
    "local",
    ["=?utf-8?q?jane?=", "=?utf-8*en?q?jane?=", "=?utf-8?q?j=C3=A4ne?=", "=?iso-8859-1?b?auRuZQ==?=", "a=?b", "=?="],
)
def test_one_that_is_a_local_part_does_no_harm(local: str) -> None:
    assert author_domains([f"Jane <{local}@example.org>".encode()]) == ["example.org"]


def test_an_encoded_word_in_a_display_name_is_a_display_name() -> None:
    assert author_domains([b"=?utf-8?q?jane=40example=2Eorg?= <x@evil.example>"]) == ["evil.example"]
