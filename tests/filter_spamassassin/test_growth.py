"""What spamd answers, and what a message brings to its header, costs no more than in proportion to its size."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from filter_api.bounds import MAX_FIELDS, MAX_HEADER_LINES, MAX_SCANNER_ANSWER
from filter_api.message.header import Field, edit_header, parse_header
from filter_api.message.message import Message
from filter_api.net.conversation import BadAnswer
from filter_spamassassin import headers
from filter_spamassassin.policy import Judgement
from filter_spamassassin.spamd import check
from filter_spamassassin.text import Copy
from tests.support.growth import grows_in_proportion

SYMBOLS = check(lambda: (), 0)
HEADERS = check(lambda: (), 0, header_size=262_144)
SPAM = Judgement(True, 15.0, 5.0, ("A",))

SHAPES = [
    b"A,",
    b",",
    b"\n",
    b"\r\n",
    b"A b,",
    b"a:\n",
    b"X-Spam-A: b\n",
    b" x\n",
    b"=",
    b"\xff",
    b"X-Spam-Status: No, tests=",
]


def answer(body: bytes) -> bytes:
    return b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: True ; 15.0 / 5.0\r\n\r\n" % len(body) + body


@pytest.mark.timed
@pytest.mark.parametrize("shape", SHAPES)
def test_reading_an_answer(shape: bytes) -> None:
    def work(size: int) -> Callable[[], object]:
        reply = answer((shape * (size // len(shape)))[: 10 * MAX_HEADER_LINES])

        def run() -> None:
            assert SYMBOLS.finished(reply)
            SYMBOLS.read(reply)
            read_or_refused(reply)

        return run

    assert grows_in_proportion(work, MAX_SCANNER_ANSWER // 10)


def read_or_refused(reply: bytes) -> None:
    try:
        HEADERS.read(reply)
    except BadAnswer as error:
        assert "lines" in str(error)  # noqa: PT017 - either is right, by the size


@pytest.mark.timed
@pytest.mark.parametrize("shape", [b"A,", b"\n", b"\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte(shape: bytes) -> None:
    """It is looked at after each: what is there already is not gone through again."""

    def work(size: int) -> Callable[[], object]:
        reply = answer(shape * (size // len(shape)))

        def run() -> None:
            arrived = bytearray()
            for byte in reply:
                arrived.append(byte)
                if SYMBOLS.finished(arrived):
                    break
            assert len(arrived) == len(reply)

        return run

    assert grows_in_proportion(work, MAX_SCANNER_ANSWER // 10)


@pytest.mark.parametrize("head", [b"S" * 100_000, b"SPAMD/1.1 0 EX_OK\r\nX: " + b"y" * 100_000])
def test_a_head_without_an_end_is_no_answer(head: bytes) -> None:
    with pytest.raises(BadAnswer):
        SYMBOLS.finished(head)


@pytest.mark.timed
def test_no_answer_holds_up_the_loop() -> None:
    for shape in SHAPES:
        reply = answer(shape * ((MAX_SCANNER_ANSWER + 262_144 - 200) // len(shape)))
        before = time.process_time()
        SYMBOLS.read(reply)
        between = time.process_time()
        read_or_refused(reply)
        assert max(between - before, time.process_time() - between) < 0.05


@pytest.mark.timed
@pytest.mark.parametrize("name", [b"Subject", b"X-Spam-Prev-Subject", b"X-Spam-Report"])
def test_the_fields_of_a_header(name: bytes) -> None:
    """All edits together, with every option: what is added, taken over, tagged and removed."""

    def work(count: int) -> Callable[[], object]:
        lines = [name + b": x"] * count
        theirs = [Field([b"X-Spam-Report%d: y" % number]) for number in range(count)]

        def run() -> None:
            view = parse_header(lines)
            edits = [*headers.checked(SPAM, "mx"), *headers.taken_over(theirs, view), *headers.tag_subject(view, "[S]")]
            edits += headers.spamds_subject(view, [*theirs, Field([b"Subject: [S] x"])])
            edit_header(view, edits)

        return run

    assert grows_in_proportion(work, MAX_FIELDS // 10)


@pytest.mark.timed
@pytest.mark.parametrize("name", [b"Subject", b"Return-Path", b"X-Envelope-From"])
def test_the_copy_for_spamd(name: bytes) -> None:
    def work(count: int) -> Callable[[], object]:
        message = Message()
        message.append(b"\n".join([name + b": x"] * count + [b"", *[b"body"] * count]))

        def run() -> None:
            copy = Copy(message, b"a@example.org")
            assert sum(map(len, copy.blocks())) == copy.size

        return run

    assert grows_in_proportion(work, MAX_FIELDS // 10)
