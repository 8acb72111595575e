"""One name, two spellings: U-labels and the A-labels that stand for them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.text.idn import a_labels


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("bücher.example", b"xn--bcher-kva.example"),
        ("BÜCHER.Example", b"xn--bcher-kva.example"),
        ("bu\u0308cher.example", b"xn--bcher-kva.example"),  # the same in another composition
        ("пример.рф", b"xn--e1afmkfd.xn--p1ai"),
        ("例え.テスト", b"xn--r8jz45g.xn--zckzah"),
        ("例え。テスト", b"xn--r8jz45g.xn--zckzah"),
        ("straße.de", b"xn--strae-oqa.de"),
        ("Example.ORG", b"example.org"),
        ("example.org.", b"example.org."),
        ("XN--BCHER-KVA.example", b"xn--bcher-kva.example"),
        ("", b""),
    ],
)
def test_names(written: str, expected: bytes) -> None:
    assert a_labels(written.encode()) == expected


@pytest.mark.parametrize("odd", [b"b\xfccher.example", b"\xff", b"\xed\xa0\x80.example", b"a\x80.b"])
def test_what_is_no_utf_8_stays_as_it_is(odd: bytes) -> None:
    assert a_labels(odd) == odd.lower()


@given(st.text(max_size=60))
def test_converting_twice_changes_nothing(text: str) -> None:
    done = a_labels(text.encode("utf-8", "surrogatepass"))
    assert a_labels(done) == done
    if text.isascii():
        assert done == text.lower().encode()


@given(st.binary(max_size=300))
def test_total(name: bytes) -> None:
    assert isinstance(a_labels(name), bytes)


@pytest.mark.timed
@pytest.mark.parametrize("piece", ["ü", "ü.", "я", "\u0300", "。"])
def test_long_names_cost_nothing(piece: str) -> None:
    began = time.process_time()
    for size in (500, 50_000):
        a_labels((piece * size).encode())
    assert time.process_time() - began < 0.05
