"""spamd's protocol: literals, what is no answer, and a real spamd's answers to odd messages."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.bounds import MAX_SCANNER_ANSWER
from filter_api.net.backend import Backend
from filter_api.net.conversation import BadAnswer, Question
from filter_api.net.endpoint import Endpoint
from filter_spamassassin.spamd import Scan, check
from tests.support.shapes import SHAPES
from tests.support.spamd import GTUBE

SYMBOLS = check(lambda: [b"text"], 4)
HEADERS = check(lambda: [b"text"], 4, header_size=1000)


def answer(body: bytes, *, first: bytes = b"SPAMD/1.1 0 EX_OK", spam: bytes = b"Spam: True ; 15.9 / 5.0") -> bytes:
    return first + b"\r\nContent-length: %d\r\n" % len(body) + spam + b"\r\n\r\n" + body


def test_what_is_sent() -> None:
    assert b"".join(SYMBOLS.blocks()) == b"SYMBOLS SPAMC/1.5\r\nContent-length: 4\r\n\r\ntext"
    assert SYMBOLS.half_close
    with_user = check(lambda: [b"te", b"xt"], 4, user="alice", header_size=0)
    assert b"".join(with_user.blocks()) == b"HEADERS SPAMC/1.5\r\nContent-length: 4\r\nUser: alice\r\n\r\ntext"
    assert b"".join(with_user.blocks()).endswith(b"text"), "the blocks can be had again"
    assert (SYMBOLS.limit, HEADERS.limit) == (MAX_SCANNER_ANSWER, MAX_SCANNER_ANSWER + 1000)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(b"BAYES_99,GTUBE"), Scan(True, 15.9, 5.0, ("BAYES_99", "GTUBE"))),
        (answer(b"", spam=b"Spam: False ; -0.1 / 5.0"), Scan(False, -0.1, 5.0)),
        (answer(b"none\r\n", spam=b"spam:No;0/5"), Scan(False, 0.0, 5.0)),
        (answer(b"A\r\n", first=b"SPAMD/1.5 0 EX_OK"), Scan(True, 15.9, 5.0, ("A",))),
        (answer(b"A, B,C D,E\x1b,\xe9,F\r\nX: y,,G,1H,not-a-test"), Scan(True, 15.9, 5.0, ("A", "B", "G"))),
        (answer(b"A", spam=b"X-Other: 1\r\nSpam: Yes ; 1007.5 / -3.25"), Scan(True, 1007.5, -3.25, ("A",))),
    ],
)
def test_symbols(reply: bytes, expected: Scan) -> None:
    assert SYMBOLS.read(reply) == expected
    assert SYMBOLS.finished(reply)
    assert not any(SYMBOLS.finished(reply[:end]) for end in range(len(reply)))


def test_headers() -> None:
    body = (
        b"Received: from localhost\r\n\tby vm;\r\nSubject: [spam] hi\r\n"
        b"X-Spam-Status: Yes, score=15.9 required=5.0 tests=GTUBE=1000,\r\n\tB_C, D autolearn=no\r\n\tversion=4.0.1\r\n"
        b"X-Spam-Report: \r\n\t*  1.0 A\r\n\t*  2.0 B\r\n\r\n"
    )
    scan = HEADERS.read(answer(body))
    assert scan.tests == ("GTUBE", "B_C", "D")
    assert [field.name for field in scan.fields] == [b"Received", b"Subject", b"X-Spam-Status", b"X-Spam-Report"]
    assert HEADERS.read(answer(b"Subject: x\r\n\r\n")).tests == ()


BAD = [
    b"",
    b"SPAMD/1.1 0 EX_OK\r\n",
    b"SPAMD/1.1 0 EX_OK\r\n\r\n",
    b"SPAMD/2.0 0 EX_OK\r\nContent-length: 0\r\nSpam: False ; 0 / 5\r\n\r\n",
    answer(b"", first=b"SPAMD/1.1 76 Bad header line: (EOF during headers)"),
    answer(b"", first=b"SPAMD/1.1 79 EX_TIMEOUT"),
    answer(b"", first=b"SPAMD/1.1 EX_OK"),
    answer(b"", first=b"HTTP/1.1 200 OK"),
    answer(b"", spam=b"Spam: Maybe ; 1 / 5"),
    answer(b"", spam=b"Spam: True ; nan / 5"),
    answer(b"", spam=b"Spam: True ; inf / 5"),
    answer(b"", spam=b"Spam: True ; 1e9 / 5"),
    answer(b"", spam=b"Spam: True ; 99999999 / 5"),
    answer(b"", spam=b"Spam: True ;  / "),
    answer(b"", spam=b"X: y"),
    answer(b"longer than it says")[:-1],
    answer(b"A") + b"more",
    b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 5\r\n\r\nno length",
    b"\0" * 100,
    b"stream: OK\0",
]


@pytest.mark.parametrize("reply", BAD)
@pytest.mark.parametrize("question", [SYMBOLS, HEADERS])
def test_what_is_no_answer(question: Question[Scan], reply: bytes) -> None:
    with pytest.raises(BadAnswer):
        question.read(reply)


@pytest.mark.parametrize("start", [b"2", b"SPAMX", b"HTTP/1.1", b"SPAMD/2", b"SPAMD/1.1 0 EX_OK\r\n" + b"X" * 5000])
def test_nonsense_is_noticed_at_once(start: bytes) -> None:
    with pytest.raises(BadAnswer):
        SYMBOLS.finished(start)


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_an_answer_or_none(reply: bytes, greeted: bool) -> None:
    for question in (SYMBOLS, HEADERS):
        with suppress(BadAnswer):
            question.read((b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 5\r\n" if greeted else b"") + reply)
        with suppress(BadAnswer):
            question.finished(reply)


@given(st.binary(max_size=400))
def test_any_body_is_taken(body: bytes) -> None:
    assert all(name.isidentifier() for name in SYMBOLS.read(answer(body)).tests)
    HEADERS.read(answer(body))


def ask(path: Path, text: bytes, **options: object) -> Scan:
    async def main() -> Scan:
        question = check(lambda: [text], len(text), **options)  # type: ignore[arg-type]  # passed on as they are
        return await Backend(Endpoint(path=str(path))).ask(question, asyncio.get_running_loop().time() + 30)

    return asyncio.run(main())


@pytest.mark.daemon
@pytest.mark.parametrize("name", [*SHAPES])
def test_every_shape_gets_a_score(spamd: Path, name: str) -> None:
    """Without a newline at the end, too, which is where spamd waits for more unless our side is shut down."""
    for text in (SHAPES[name], SHAPES[name].removesuffix(b"\r\n")):
        scan = ask(spamd, text)
        assert scan.required == 5.0
        assert scan.tests


@pytest.mark.daemon
def test_both_verbs_agree(spamd: Path) -> None:
    for text in (SHAPES["plain"], SHAPES["plain"] + GTUBE + b"\r\n"):
        symbols, headers = ask(spamd, text), ask(spamd, text, header_size=len(text))
        assert (symbols.spam, symbols.score, symbols.tests) == (headers.spam, headers.score, headers.tests)
        assert any(field.name == b"X-Spam-Checker-Version" for field in headers.fields)


@pytest.mark.daemon
def test_a_header_larger_than_the_answer_limit(spamd: Path) -> None:
    """spamd repeats it: that must not look like a flood, or a large header would be a way around the filter."""
    text = b"".join(b"X-Field-%d: %s\r\n" % (number, b"v" * 900) for number in range(150)) + b"\r\n" + GTUBE + b"\r\n"
    assert ask(spamd, text, header_size=len(text)).spam
