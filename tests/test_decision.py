"""Values a filter answers with: what can be built, and what cannot."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import pytest

from filter_api import AddHeader, Disconnect, Junk, Proceed, Reject, RemoveHeader, ReplaceHeader, Rewrite, Verdict
from filter_api.decision import Decision


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


@pytest.mark.parametrize("argument", [b"a>b@x", b"<a@x", b"<a@x>", "x> BODY=8BITMIME", b'"a<b"@x'])
def test_a_rewrite_cannot_break_out_of_the_angle_brackets(argument: bytes | str) -> None:
    with pytest.raises(ValueError, match="angle brackets"):
        Rewrite(argument)


@pytest.mark.parametrize("argument", [b"", b"a@x", b'"a b"@x', "mx.example.org", b"\xe9@x"])
def test_a_rewrite_takes_bare_addresses_and_names(argument: bytes | str) -> None:
    assert Rewrite(argument) == Rewrite(argument)


@pytest.mark.parametrize("argument", [None, 7, ["a@x"], bytearray(b"a@x")])
def test_a_rewrite_takes_text_only(argument: object) -> None:
    with pytest.raises(TypeError):
        Rewrite(argument)  # type: ignore[arg-type]  # what a filter's author may do


@pytest.mark.parametrize("facts", [["reason"], "reason", {1: 2}, 7, ("a", "b"), None])
def test_facts_are_a_mapping_of_names(facts: object) -> None:
    for build in (
        lambda: Proceed(facts=facts),  # type: ignore[arg-type]
        lambda: Junk(facts=facts),  # type: ignore[arg-type]
        lambda: Reject(550, None, "x", facts=facts),  # type: ignore[arg-type]
        lambda: Disconnect(550, None, "x", facts=facts),  # type: ignore[arg-type]
        lambda: Rewrite(b"x", facts=facts),  # type: ignore[arg-type]
        lambda: Verdict(facts=facts),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match="facts"):
            build()


def test_edits_of_a_generator_are_kept() -> None:
    verdict = Verdict(edits=(AddHeader("X-A", value) for value in ("1", "2")))
    assert [edit.lines for edit in verdict.edits if isinstance(edit, AddHeader)] == [(b"X-A: 1",), (b"X-A: 2",)]
    with pytest.raises(ValueError, match="edits"):
        Verdict(edits=(value for value in (AddHeader("X-A", "1"), "no edit")))  # type: ignore[misc]
    with pytest.raises(TypeError):
        Verdict(edits=7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Reject(550, None, "5.7.1 x"), Reject(550, "5.7.1", "x")),
        (Disconnect(421, None, "4.3.0 x"), Disconnect(421, "4.3.0", "x")),
        (Rewrite("a@b"), Rewrite(b"a@b")),
        (Proceed(), Proceed(facts={"a": 1})),
        (Verdict(Reject(550, None, "5.7.1 x")), Verdict(Reject(550, None, "5.7.1 x"))),
    ],
)
def test_what_is_equal_has_equal_hashes(one: object, other: object) -> None:
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        (550.5, None, "x"),
        ("550", None, "x"),
        (None, None, "x"),
        (550, b"5.7.1", "x"),
        (550, (5, 7, 1), "x"),
        (550, None, b"x"),
        (550, None, None),
        (550, None, ["x"]),
    ],
)
@pytest.mark.parametrize("kind", [Reject, Disconnect])
def test_a_reply_is_a_whole_number_and_text(
    kind: type[Reject] | type[Disconnect], code: object, enhanced: object, text: object
) -> None:
    with pytest.raises(TypeError, match=r"reply|enhanced"):
        kind(code, enhanced, text)  # type: ignore[arg-type]  # what a filter's author may do


@pytest.mark.parametrize(
    "build",
    [
        lambda: AddHeader("X-A", bytearray(b"x")),  # type: ignore[arg-type]
        lambda: AddHeader("X-A", None),  # type: ignore[arg-type]
        lambda: AddHeader(b"X-A", "x"),  # type: ignore[arg-type]
        lambda: RemoveHeader(None),  # type: ignore[arg-type]
        lambda: RemoveHeader("X-A", "0"),  # type: ignore[arg-type]
        lambda: RemoveHeader("X-A", True),
        lambda: ReplaceHeader("X-A", 7),  # type: ignore[arg-type]
        lambda: ReplaceHeader("X-A", "x", 0.5),  # type: ignore[arg-type]
        lambda: ReplaceHeader("X-A", "x", None),  # type: ignore[arg-type]
    ],
)
def test_an_edit_of_other_types_cannot_be_built(build: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=r"header|occurrence"):
        build()


@pytest.mark.parametrize("where", ["middle", "TOP", b"top", None, ["top"]])
def test_a_field_is_added_on_top_or_at_the_bottom(where: object) -> None:
    with pytest.raises(ValueError, match="where"):
        AddHeader("X-A", "x", where)  # type: ignore[arg-type]  # as above


def test_facts_are_settled_when_a_decision_is_built() -> None:
    facts: dict[str, object] = {"reason": "first"}
    built: list[Decision | Verdict] = [
        Proceed(facts=facts),
        Reject(550, None, "x", facts=facts),
        Rewrite("x", facts=facts),
        Verdict(facts=facts),
    ]
    facts["reason"] = "second"
    facts[7] = "no name"  # type: ignore[index]  # what a filter's author may do
    assert [decision.facts for decision in built] == [{"reason": "first"}] * 4


def test_facts_may_be_any_mapping_of_names() -> None:
    facts = MappingProxyType({"reason": "first"})
    assert Reject(550, None, "x", facts=facts).facts == {"reason": "first"}


def test_decisions_that_say_something_else_are_not_equal() -> None:
    """Tests of filters compare decisions: one that is equal to all others would pass them all."""
    assert Rewrite("a@x") != Rewrite("b@x")
    assert Rewrite("a@x") != "a@x"
    assert Verdict(Reject(550, None, "no")) != Verdict()
    assert Verdict(edits=[AddHeader("X-A", "1")]) != Verdict(edits=[AddHeader("X-A", "2")])
    assert Verdict() != "Verdict(Proceed(), ())"
    assert Reject(550, None, "no") != Reject(550, None, "never")


def test_decisions_show_what_builds_them() -> None:
    assert repr(Proceed()) == "Proceed()"
    assert repr(Reject(550, "5.7.1", "no")) == "Reject(550, '5.7.1', 'no')"
    assert repr(Disconnect(421, None, "later")) == "Disconnect(421, None, 'later')"
    assert repr(Rewrite("a@x")) == "Rewrite(b'a@x')"
    assert repr(Verdict(Reject(550, None, "no"))) == "Verdict(Reject(550, None, 'no'), ())"


@pytest.mark.parametrize(("code", "text"), [(400, "first"), (599, "last")])
def test_replies_are_from_400_to_599(code: int, text: str) -> None:
    assert Reject(code, None, text).reply == f"{code} {text}"
    assert Reject(code, f"{code // 100}.7.1", text).reply == f"{code} {code // 100}.7.1 {text}"
    for beyond in (399, 600):
        with pytest.raises(ValueError, match=f"reply code {beyond} is not between 400 and 599"):
            Reject(beyond, None, text)


@pytest.mark.parametrize("enhanced", ["5.0.0", "5.999.999", "5.10.100"])
def test_an_enhanced_code_has_up_to_three_digits(enhanced: str) -> None:
    assert Reject(550, enhanced, "no").reply == f"550 {enhanced} no"


@pytest.mark.parametrize("enhanced", ["5.7.1.1", "5.7.", "5..1", "", "5.-7.1", "5.7.\u0661", "55.7.1", "5.7.01"])
def test_what_is_no_enhanced_code_is_refused(enhanced: str) -> None:
    with pytest.raises(ValueError, match="does not fit reply code 550"):
        Reject(550, enhanced, "no")


def test_the_longest_reply_and_the_longest_argument_are_of_500_bytes() -> None:
    assert len(Reject(550, "5.7.1", "x" * 490).reply) == 500
    with pytest.raises(ValueError, match="longer than 500 bytes"):
        Reject(550, "5.7.1", "x" * 491)
    assert Rewrite("x" * 500).argument == b"x" * 500
    with pytest.raises(ValueError, match="at most 500 bytes"):
        Rewrite("x" * 501)


@pytest.mark.parametrize("byte", [b"\0", b"\x1f", b"\x7f"])
def test_a_rewrite_has_no_control_characters_and_may_have_any_other_byte(byte: bytes) -> None:
    with pytest.raises(ValueError, match="one line"):
        Rewrite(b"a" + byte + b"@x")
    assert Rewrite(b"\x20\x7e\x80\xff").argument == b"\x20\x7e\x80\xff"


def test_text_that_is_not_ascii_is_no_rewrite() -> None:
    with pytest.raises(UnicodeEncodeError):
        Rewrite("caf\xe9@x")


def test_what_is_refused_says_what_is_wanted() -> None:
    with pytest.raises(TypeError, match=r"^a rewrite argument"):
        Rewrite(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^edits are AddHeader, RemoveHeader and ReplaceHeader$"):
        Verdict(edits=["X-A: b"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"^a reply code is int, not str$"):
        Reject("550", None, "no")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^a reply text is str, not bytes$"):
        Reject(550, None, b"no")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^an enhanced code is str, not bytes$"):
        Reject(550, b"5.7.1", "no")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^facts are a mapping of names to values, not list$"):
        Proceed(facts=["reason"])  # type: ignore[arg-type]


def test_names_of_facts_may_be_strings_of_any_class() -> None:
    class Name(str):
        __slots__ = ()

    facts: dict[str, object] = {Name("reason"): "x"}
    assert Junk(facts=facts).facts == {"reason": "x"}
