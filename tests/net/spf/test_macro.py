"""Macro strings: the grammar, the expansion, and how far it goes."""

from __future__ import annotations

import pytest

from filter_api.net.dns import canonical_name
from filter_api.net.spf.macro import SpfSyntaxError, parse_domain_spec, parse_macro_string, shorten


@pytest.mark.parametrize(
    ("text", "value", "expanded"),
    [
        ("%{d}", "a.b.c", "a.b.c"),
        ("%{d2}", "a.b.c", "b.c"),
        ("%{d9}", "a.b.c", "a.b.c"),
        ("%{d99999999999}", "a.b.c", "a.b.c"),
        ("%{dr}", "a.b.c", "c.b.a"),
        ("%{d1r}", "a.b.c", "a"),
        ("%{dr-}", "a-b-c", "c.b.a"),
        ("%{d+,}", "a+b,c.d", "a.b.c.d"),
        ("%{D}", "a b&c", "a%20b%26c"),
        ("x%%%_%-y.%{D2R}", "a.b", "x% %20y.b.a"),
    ],
)
def test_macros(text: str, value: str, expanded: str) -> None:
    assert parse_domain_spec(text).expand({"d": value}) == expanded


BAD = """% %{ %{d %{} %{x}.org %{d0} %{d00r} %{c} %{r} %{t} %(d) org org. a.-b a.b- a.1 a.. %{d}org a.org/24 a.o:g"""


@pytest.mark.parametrize("text", [*BAD.split(), "", "a. b", "caf\xe9.org"])
def test_what_is_no_domain_spec(text: str) -> None:
    with pytest.raises(SpfSyntaxError):
        parse_domain_spec(text)


def test_a_macro_string_may_be_empty_and_have_the_letters_of_explanations() -> None:
    assert parse_macro_string("").expand({}) == ""
    assert parse_macro_string("%{c}%{R}%{t}").expand({"c": "1", "r": "2", "t": "3"}) == "123"


def test_a_name_too_long_loses_labels_on_the_left() -> None:
    name = ".".join(["abcdefghi"] * 30)
    assert len(shorten(name)) == 249
    assert name.endswith(shorten(name))


def test_an_expansion_is_built_no_further_than_a_name_is_long() -> None:
    spec = parse_domain_spec("%{s}" * 60 + ".example.org")
    text = spec.expand({"s": "joe@" + "a." * 300 + "evil.example"})
    assert len(text) < 1_500
    assert shorten(text).endswith(".evil.example.example.org")
    assert len(shorten(text)) <= 253


@pytest.mark.parametrize("count", [1, 10, 63, 64])
def test_so_many_pieces_a_domain_may_have(count: int) -> None:
    assert len(parse_domain_spec("%{d}" * count).pieces) == count
    assert parse_macro_string("%{d}" * count).expand({"d": "a"}) == "a" * count


@pytest.mark.parametrize("text", ["%{d}" * 65, "%%" * 65, "%{d}a." * 33 + "org", "%_" * 500 + "%{i}"])
def test_and_no_more(text: str) -> None:
    with pytest.raises(SpfSyntaxError, match="64"):
        parse_domain_spec(text)


def naive(name: str) -> str:
    """Labels cut one by one, as RFC 7208 §7.3 says it."""
    name = name.removesuffix(".")
    while len(name) > 253 and "." in name:
        name = name.partition(".")[2]
    return name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a" * 253,
        "a" * 254,
        "a" * 253 + ".",
        "a." * 126 + "a",
        "a." * 126 + "bb",
        "a." * 127 + "a.",
        "." * 300,
        "a" * 300 + "." + "b" * 252,
        "a" * 300 + "." + "b" * 253,
        "a" * 300 + "." + "b" * 254,
        "x" * 50 + "." + "a." * 126 + "a..",
    ],
)
def test_a_name_is_cut_as_if_label_by_label(name: str) -> None:
    assert canonical_name(shorten(name)) == canonical_name(naive(name))
    assert len(naive(name)) > 253 or shorten(name) == naive(name)
