"""What filterctl makes of an answer, whoever gives it."""

from __future__ import annotations

import pytest

from filter_api.control.client import Answer, answer_of

FOREIGN = "what listens there is no filter of this suite"


def test_an_answer() -> None:
    found = answer_of("/run/x.sock", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\n")
    assert (found.done, found.json(), found.why) == (True, {}, "{}")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it hung up"),
        (b"220 mx ESMTP\r\n", FOREIGN),
        (b"HTTP/1.1 200 OK\r\n", FOREIGN),
        (b"HTTP/1.1\r\n\r\n", FOREIGN),
        (b"HTTP/1.1 " + b"9" * 5_000 + b" OK\r\nContent-Length: 0\r\n\r\n", FOREIGN),
        (b"HTTP/1.1 +200 OK\r\nContent-Length: 0\r\n\r\n", FOREIGN),
        (b"HTTP/1.1 \xb2\xb2\xb2 OK\r\nContent-Length: 0\r\n\r\n", FOREIGN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "its answer is cut short"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "its answer is cut short"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n{}", "its answer is cut short"),
    ],
)
def test_what_is_no_answer(data: bytes, why: str) -> None:
    found = answer_of("/run/x.sock", data)
    assert (found.done, found.status, found.why) == (False, 0, why)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 200_000, b'{"a":' * 50_000, b"1" * 5_000])
def test_a_body_that_is_no_document_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the words are
        Answer("/run/x.sock", 200, body).json()
