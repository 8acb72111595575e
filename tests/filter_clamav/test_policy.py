"""What becomes of what was found, without a scanner."""

from __future__ import annotations

import pytest

from filter_api.decision import AddHeader, Edit, RemoveHeader
from filter_api.errors import UsageError
from filter_clamav.options import parse
from filter_clamav.policy import Action, Actions, Policy, scanned, unscanned


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Win.Test.EICAR", Action.REJECT),
        ("Heuristics.Phishing.Email", Action.MARK),
        ("Heuristics.Limits.Exceeded.MaxFileSize", Action.REJECT),
        ("PUA.Win.Packer", Action.ACCEPT),
        ("pua.win.packer", Action.REJECT),
        ("X.Heuristics.", Action.REJECT),
    ],
)
def test_the_longest_prefix_decides(name: str, expected: Action) -> None:
    actions = Actions(
        {"Heuristics.": Action.MARK, "Heuristics.Limits.": Action.REJECT, "PUA.": Action.ACCEPT, "P": Action.REJECT}
    )
    assert actions.of(name) is expected


def test_refusal() -> None:
    assert Policy().refusal("Eicar").reply == "554 5.7.1 virus found: Eicar"
    assert Policy(text="no %v, no %v").refusal("x").reply == "554 5.7.1 no x, no x"
    assert len(Policy(text="%v" * 200).refusal("x" * 100).reply) < 400


def lines(edits: tuple[Edit, ...]) -> list[bytes]:
    return [line for edit in edits if isinstance(edit, AddHeader) for line in edit.lines]


def test_headers() -> None:
    assert lines(scanned("Clean", None, "mx")) == []
    assert lines(scanned("Clean", "ClamAV 1.4.6/1/x", "mx")) == [
        b"X-Virus-Scanned: ClamAV 1.4.6/1/x on mx",
        b"X-Virus-Status: Clean",
    ]
    assert lines(scanned("Clean", "", "mx"))[0] == b"X-Virus-Scanned: ClamAV on mx"
    assert lines(scanned("Infected (X)", None, "mx")) == [b"X-Virus-Status: Infected (X)"]
    assert lines(unscanned("exempt")) == [b"X-Virus-Status: Unknown, not scanned (exempt)"]


@pytest.mark.parametrize("value", ["", "x", "=mark", "x=", "x=drop", "x=Mark", "a b=mark", "x\n=mark", "\xe9=mark"])
def test_bad_rules(value: str) -> None:
    with pytest.raises(UsageError, match="-i takes prefix=action"):
        parse(["-i", value])


def test_options() -> None:
    own, common = parse(
        [
            "-h",
            "-a",
            "/run/a",
            "-a",
            "[::1]:99",
            "-b",
            "20m",
            "-i",
            "PUA.=mark",
            "-i",
            "a=b=accept",
            "-P",
            "3",
            "-r",
            "no %v",
        ]
    )
    assert own.headers
    assert [str(backend.endpoint) for backend in own.scan.backends.backends] == ["/run/a", "[::1]:99"]
    assert own.scan.size_limit == 20 << 20
    assert own.policy.actions.of("PUA.x") is Action.MARK
    assert own.policy.actions.of("a=b.c") is Action.ACCEPT
    assert own.policy.text == "no %v"
    assert own.scan.keeper is None
    assert not common.observe


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-a", "nowhere:"], "-a: not a port"),
        (["-a", "/run/"], "-a: not the path"),
        (["-b", "many"], "-b: not a number of bytes"),
        (["-P", "0"], "-P takes a number"),
        (["-P", "1001"], "-P takes a number"),
        (["-Q", "1g:30"], "-Q needs -q"),
        (["-q", "/nonexistent", "-Q", "1g"], "-Q takes bytes:days"),
        (["-r", "two\nlines"], "-r: reply text"),
        (["-r", "x" * 490], "-r: reply is longer"),
        (["-x"], "option -x not recognized"),
        (["clamd"], "unexpected argument"),
    ],
)
def test_bad_options(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(arguments)


def test_the_text_of_a_refusal_is_cut_at_350_characters() -> None:
    assert Policy(text="%v" * 5).refusal("x" * 100).reply == "554 5.7.1 " + "x" * 350


def test_whatever_the_sender_wrote_as_a_scanner_is_removed_first() -> None:
    for edits in (scanned("Clean", None, "mx"), scanned("Clean", "", "mx"), unscanned("exempt")):
        assert repr(edits[0]) == "RemoveHeader('X-Virus-*')"
        assert not any(isinstance(edit, RemoveHeader) for edit in edits[1:])
