"""Values a filter answers with: what can be built, and what cannot."""

from __future__ import annotations

import pytest

from filter_api import AddHeader, Disconnect, Junk, Proceed, Reject, RemoveHeader, ReplaceHeader, Rewrite, Verdict


def test_replies() -> None:
    assert Reject(550, "5.7.1", "no").reply == "550 5.7.1 no"
    assert Disconnect(421, None, "later").reply == "421 later"
    assert Reject(550, None, "no").permanent
    assert not Reject(451, None, "later").permanent


@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        (250, None, "ok"),
        (354, None, "go on"),
        (600, None, "no"),
        (550, "4.7.1", "mixed"),
        (550, "5.7", "short"),
        (550, "5.07.1", "zero"),
        (550, "5.7.1000", "long"),
        (550, None, ""),
        (550, None, "  "),
        (550, None, "two\nlines"),
        (550, None, "cr\r"),
        (550, None, "caf\xe9"),
        (550, None, "nul\0"),
        (550, None, "x" * 500),
    ],
)
@pytest.mark.parametrize("kind", [Reject, Disconnect])
def test_an_impossible_reply_cannot_be_built(
    kind: type[Reject] | type[Disconnect], code: int, enhanced: str | None, text: str
) -> None:
    with pytest.raises(ValueError, match=r"reply|enhanced"):
        kind(code, enhanced, text)


def test_decisions_compare_by_what_they_say() -> None:
    assert Proceed() == Proceed(facts={"a": 1})
    assert Proceed() != Junk()
    assert Reject(550, None, "no") == Reject(550, None, "no")
    assert Reject(550, None, "no") != Disconnect(550, None, "no")
    assert len({Proceed(), Proceed(), Junk(), Reject(550, None, "no"), Rewrite("a"), Rewrite(b"a")}) == 4


@pytest.mark.parametrize("argument", ["a\nb", "a\rb", b"a\0b", "x" * 600])
def test_a_rewrite_is_one_line(argument: str | bytes) -> None:
    with pytest.raises(ValueError, match="one line"):
        Rewrite(argument)


def test_header_values_fold() -> None:
    assert AddHeader("X-A", "one").lines == (b"X-A: one",)
    assert AddHeader("X-A", "one\r\n two\n\tthree").lines == (b"X-A: one", b" two", b"\tthree")
    assert ReplaceHeader("X-A", "one").lines == (b" one",)
    assert ReplaceHeader("X-A", "\n one").lines == (b"", b" one")


@pytest.mark.parametrize("value", ["a\nBcc: x", "a\r\nb", "a\rb", "a\0b", "a\n \nb", "a\n ", b"a\n\n"])
def test_a_header_value_cannot_break_out(value: str | bytes) -> None:
    for build in (AddHeader, ReplaceHeader):
        with pytest.raises(ValueError, match="header"):
            build("X-A", value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "caf\xe9"])
def test_names_are_header_names(name: str) -> None:
    for build in (lambda: AddHeader(name, "x"), lambda: RemoveHeader(name), lambda: ReplaceHeader(name, "x")):
        with pytest.raises(ValueError, match="header"):
            build()


def test_a_verdict_takes_what_commit_takes() -> None:
    assert Verdict() == Verdict(Proceed())
    assert Verdict(Reject(554, None, "no")).decision.word == "reject"
    with pytest.raises(ValueError, match="commit"):
        Verdict(Junk())  # type: ignore[arg-type]  # what a filter without a type checker would do
    with pytest.raises(ValueError, match="edits"):
        Verdict(edits=["X-A: b"])  # type: ignore[list-item]  # as above
