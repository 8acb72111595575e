"""The fields written: exact for those who filter by them, and no way in for what spamd or a sender says."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filter_api.decision import Edit
from filter_api.message.header import Field, edit_header, parse_header
from filter_api.version import VERSION
from filter_spamassassin.headers import checked, spamds_subject, tag_subject, taken_over, unchecked
from filter_spamassassin.policy import Judgement

FORGED = [b"X-Spam-Flag: NO", b"x-spam-status: No", b" folded", b"X-Spam-Anything : x", b"Subject: hi", b"X-Spammy: y"]
NOTHING = parse_header([])


def apply(edits: list[Edit] | tuple[Edit, ...], lines: list[bytes]) -> list[bytes]:
    return [line for field in edit_header(parse_header(lines), edits) for line in field.split(b"\n")]


def test_ham() -> None:
    judgement = Judgement(False, -1.25, 5.0, ("A", "B"))
    assert apply(checked(judgement, "mx.test"), FORGED) == [
        b"X-Spam-Status: No, score=-1.2 required=5.0 tests=A,B",
        b"X-Spam-Score: -1.2",
        b"X-Spam-Level: ",
        b"X-Spam-Checker-Version: SpamAssassin by filter-spamassassin %s on mx.test" % VERSION.encode(),
        b"Subject: hi",
        b"X-Spammy: y",
    ]


def test_spam() -> None:
    lines = apply(checked(Judgement(True, 15.9, 5.0, ()), "mx.test"), FORGED)
    assert lines[:4] == [
        b"X-Spam-Flag: YES",  # exactly this is what `maildir junk` of smtpd looks for
        b"X-Spam-Status: Yes, score=15.9 required=5.0 tests=none",
        b"X-Spam-Score: 15.9",
        b"X-Spam-Level: ***************",
    ]


def test_stars_end_somewhere() -> None:
    assert b"X-Spam-Level: " + b"*" * 50 in apply(checked(Judgement(True, 1007.5, 5.0, ()), "x"), [])


def test_unchecked() -> None:
    assert apply(unchecked("why"), FORGED) == [
        b"X-Spam-Status: Unknown, not checked (why)",
        b"Subject: hi",
        b"X-Spammy: y",
    ]


@given(st.lists(st.from_regex(r"[A-Z_]{1,100}", fullmatch=True), max_size=60))
def test_folds(tests: list[str]) -> None:
    lines = apply(checked(Judgement(False, 1.0, 5.0, tuple(tests)), "x"), [])
    (status,) = [field for field in parse_header(lines).fields if field.name == b"X-Spam-Status"]
    assert all(len(line) <= 78 or line.count(b",") <= 1 for line in status.lines)
    listed = b"".join(line.strip() for line in status.lines).partition(b"tests=")[2].decode()
    assert listed.split(",") == (tests or ["none"])


def fields(*raw: list[bytes]) -> list[Field]:
    return [Field(lines) for lines in raw]


def test_what_is_taken_over() -> None:
    edits = taken_over(
        fields(
            [b"X-Spam-Report: ", b"\t*  1.0 A", b"\t*  2.0 B"],
            [b"x-spam-relay: here"],
            [b"X-Spam-Flag: NO"],
            [b"X-Spam-Status: No"],
            [b"X-Spam-Score: 0"],
            [b"X-Spam-Level: "],
            [b"X-Spam-Checker-Version: other"],
            [b"Bcc: all@example.com"],
            [b"Subject: x"],
            [b"X-Spam-\xe9: x"],
            [b"X-Spam-A b: x"],
            [b"X-Spam-" + b"x" * 61 + b": x"],
            [b"X-Spam-Bit: caf\xe9"],
            [b"X-Spam-Esc: \x1b[31m"],
            [b"X-Spam-Nul: a\0b"],
            [b"X-Spam-Cr: a\rBcc: x@y"],
            [b"X-Spam-Empty:"],
            [b"X-Spam-Blank: x", b"  ", b" y"],
            [b"X-Spam-Long: " + b"x" * 999],
        ),
        NOTHING,
    )
    assert apply(tuple(edits), []) == [
        b"X-Spam-Report: ",
        b"\t*  1.0 A",
        b"\t*  2.0 B",
        b"x-spam-relay: here",
        b"X-Spam-Empty: ",
    ]


def test_what_spamd_leaves_of_a_forged_header_is_not_taken_over() -> None:
    """SpamAssassin keeps X-Spam-Prev-… of the sender, beside the X-Spam-Prev-Subject it writes itself."""
    sent = [b"x-spam-prev-report: harmless", b"Subject: x"]
    said = [*sent, b"X-Spam-Prev-Subject: x", b"X-Spam-Report: bad"]
    edits = taken_over(parse_header(said).fields, parse_header(sent))
    assert apply(tuple(edits), []) == [b"X-Spam-Prev-Subject: x", b"X-Spam-Report: bad"]


def test_at_most_a_hundred_lines_are_taken_over() -> None:
    many = fields(*([b"X-Spam-%d: x" % number, b" y"] for number in range(80)))
    assert len(apply(tuple(taken_over(many, NOTHING)), [])) == 100


@given(st.lists(st.lists(st.binary(min_size=1, max_size=40).map(lambda raw: raw.replace(b"\n", b"")), min_size=1)))
def test_nothing_gets_out_of_its_field(raw: list[list[bytes]]) -> None:
    hostile = fields(*([b"X-Spam-X: " + lines[0], *(b" " + line for line in lines[1:])] for lines in raw))
    for line in apply(tuple(taken_over(hostile, NOTHING)), []):
        assert line.startswith((b"X-Spam-X: ", b" "))
        assert all(byte == 9 or 32 <= byte <= 126 for byte in line)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"Subject: hi"], [b"Subject: [spam] hi"]),
        ([b"SUBJECT:hi", b" there", b"X: y"], [b"SUBJECT: [spam] hi", b" there", b"X: y"]),
        ([b"Subject:", b"\thi"], [b"Subject: [spam]", b"\thi"]),
        ([b"Subject: one", b"X: y", b"subject: two"], [b"Subject: [spam] one", b"X: y", b"subject: [spam] two"]),
        ([b"Subject: caf\xe9"], [b"Subject: [spam] caf\xe9"]),
        ([b"Subject: a\rb"], [b"Subject: [spam] a b"]),
        ([b"Subject: a", b" ", b" b"], [b"Subject: [spam] a", b" b"]),
        ([b"Subject:"], [b"Subject: [spam] "]),
        ([b"X: y"], [b"X: y", b"Subject: [spam]"]),
    ],
)
def test_tag(lines: list[bytes], expected: list[bytes]) -> None:
    assert apply(tag_subject(parse_header(lines), "[spam]"), lines) == expected


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (b"Subject: hi", b"Subject: **SPAM** hi", b"Subject: **SPAM** hi"),
        (b"Subject: caf\xe9", b"Subject: **SPAM** caf\xe9", b"Subject: **SPAM** caf\xe9"),
        (b"Subject: hi", b"Subject: hi", b"Subject: hi"),
        (b"Subject: hi", b"Subject: something else", b"Subject: hi"),
        (b"Subject: hi", b"Subject: \x1b[31m hi", b"Subject: hi"),
        (b"Subject: hi", b"Subject: " + b"x" * 101 + b" hi", b"Subject: hi"),
        (b"Subject: hi", b"X: y", b"Subject: hi"),
    ],
)
def test_spamds_own_tag(ours: bytes, theirs: bytes, expected: bytes) -> None:
    edits = spamds_subject(parse_header([ours]), fields([theirs]))
    assert apply(edits, [ours]) == [expected]


@given(
    st.lists(st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")), max_size=4),
    st.sampled_from([b"Subject:", b"subject \t:", b"Subject"]),
)
@example([b"a\rb\0c"], b"Subject:")
@example([b"", b"\0", b"\r"], b"Subject:")
@example([b"x", b": y"], b"Subject")
def test_no_subject_keeps_a_message_from_being_tagged(values: list[bytes], name: bytes) -> None:
    """What raised here would be answered by -F, and spam would pass unmarked."""
    first, *folds = values or [b""]
    header = parse_header([name + first, *(b" " + fold for fold in folds), b"X: y"])
    lines = b"\n".join(edit_header(header, tag_subject(header, "[SPAM]"))).split(b"\n")
    assert any(line.lower().startswith(b"subject") and b"[SPAM]" in line for line in lines)
    assert lines.count(b"X: y") == 1
