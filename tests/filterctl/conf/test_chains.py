"""What the order of a chain hides."""

from __future__ import annotations

import importlib

import pytest

from filterctl.conf.chains import LETTERS, Member, remarks

RDNS = Member("rdns", [["/x/filter-rdns", "-f"]], frozenset({"helo", "ehlo", "mail-from"}))
MARKING_RDNS = Member("rdns", [["/x/filter-rdns", "-fm"]], frozenset({"helo", "ehlo", "mail-from"}))
DYNDNS = Member("dyndns", [["filter-dyndns"]], frozenset({"mail-from"}))
SCORING_DYNDNS = Member("dyndns", [["filter-dyndns", "-j", "5"]], frozenset({"mail-from"}))
SPAM = Member("spam", [["filter-spamassassin"]], frozenset({"data-line", "commit"}))
DKIM = Member("dkim", [["filter-dkimsign"]], frozenset({"data-line", "commit"}))
AUTH = Member("auth", [["filter-auth"]], frozenset({"data-line", "commit"}))
FOREIGN = Member("foreign", [["filter-other", "-m"]], frozenset({"mail-from"}))
BEHIND = "put it behind, or all of them into one filter-chain"
ONE = Member("mail", [["filter-rdns", "-m"], ["filter-dyndns"]], frozenset({"mail-from", "data-line"}))
SIGNING = Member("mail", [["filter-clamav"], ["filter-dkimsign", "-d", "x"]], frozenset({"data-line", "commit"}))


def warnings(*chain: Member, masquerade: bool = False) -> list[str]:
    return [text for severity, text in remarks(chain, masquerade=masquerade) if severity != "note"]


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ((RDNS, DYNDNS, SPAM), []),
        ((MARKING_RDNS, DYNDNS), [f"at mail-from a mark by rdns hides the client from dyndns: {BEHIND}"]),
        ((DYNDNS, MARKING_RDNS), []),
        ((SCORING_DYNDNS, RDNS), [f"at mail-from a mark by dyndns hides the client from rdns: {BEHIND}"]),
        ((FOREIGN, RDNS), []),
        ((SPAM, DKIM), []),
        ((RDNS, AUTH, SPAM), []),
        ((SPAM, AUTH), ["spam may change what auth judges: put filter-auth before"]),
        ((Member("m", [["filter-lists"], ["filter-auth"], ["filter-clamav"]], frozenset({"data-line"})),), []),
        (
            (Member("m", [["filter-clamav"], ["filter-auth"]], frozenset({"data-line"})),),
            ["filter-clamav may change what m judges: put filter-auth before"],
        ),
        ((DKIM, SPAM), ["spam may change what dkim signed: put it last"]),
        ((Member("rdns", [["filter-rdns", "-mn"]], frozenset({"mail-from"})), DYNDNS), []),
        ((Member("mail", [["filter-rdns", "-n", "-m"]], frozenset({"mail-from"})), DYNDNS), []),
        ((ONE,), []),
        ((ONE, RDNS), [f"at mail-from a mark by mail hides the client from rdns: {BEHIND}"]),
        ((ONE, SIGNING), []),
        ((SIGNING, SPAM), ["spam may change what mail signed: put it last"]),
        (
            (Member("b", (), frozenset({"connect"}), "junk"), Member("c", (), frozenset({"connect"}), "reject")),
            [f"at connect a mark by b hides the client from c: {BEHIND}"],
        ),
        ((Member("b", (), frozenset({"helo"}), "junk"), Member("c", (), frozenset({"connect"}), "reject")), []),
        ((Member("b", (), frozenset({"mail-from"}), "report"), RDNS), []),
    ],
)
def test_order(chain: tuple[Member, ...], expected: list[str]) -> None:
    assert warnings(*chain) == expected


def test_masquerade_beside_a_signer_is_an_error() -> None:
    (found,) = [remark for remark in remarks([RDNS, DKIM], masquerade=True) if remark.severity == "error"]
    assert found.text == "masquerade rewrites From after dkim signed it: every signature fails"
    assert not [remark for remark in remarks([RDNS], masquerade=True) if remark.severity == "error"]


@pytest.mark.parametrize(
    ("arguments", "where", "errors"),
    [
        (["-M", "192.0.2.2"], "0.0.0.0", 1),
        (["-oM192.0.2.2"], "0.0.0.0", 1),
        (["-M192.0.2.2"], "::", 1),
        (["-M", "192.0.2.2"], "192.0.2.2", 0),
        (["-o"], "0.0.0.0", 0),
    ],
)
def test_a_trap_for_the_low_mx_needs_an_address(arguments: list[str], where: str, errors: int) -> None:
    greylist = Member("grey", [["filter-rdns"], ["filter-greylist", *arguments]], frozenset({"rcpt-to"}))
    found = [text for severity, text in remarks([greylist], masquerade=False, where=where) if severity == "error"]
    assert len(found) == errors
    assert all(
        text == f"grey has -M, which needs listeners with an address of their own, not {where}" for text in found
    )


def test_a_bypass_and_the_order_of_refusals_are_noted() -> None:
    bypass = Member("friends", (), frozenset({"mail-from"}), "bypass")
    assert [text for severity, text in remarks([bypass, RDNS, DYNDNS], masquerade=False) if severity == "note"] == [
        "at mail-from a bypass by friends spares the client rdns, dyndns",
        "at mail-from asked in this order until one does not proceed: friends, rdns, dyndns",
    ]


@pytest.mark.parametrize("name", sorted(LETTERS))
def test_the_letters_are_those_of_the_filter(name: str) -> None:
    options = importlib.import_module(f"{name.replace('-', '_')}.options")
    assert LETTERS[name] == options.LETTERS
