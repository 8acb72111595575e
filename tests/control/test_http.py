"""Requests as they come over a control socket, good, bad and hostile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.control.http import Request, Response, problem, request_of, response_bytes


def test_a_request_is_its_method_its_path_and_its_query() -> None:
    assert request_of(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") == Request("GET", "/metrics")
    assert request_of(b"POST /log/brief HTTP/1.0\n\n") == Request("POST", "/log/brief")
    assert request_of(b"GET /trace/00ff?12?3 HTTP/1.1\r\n\r\nbody") == Request("GET", "/trace/00ff", "12?3")


@pytest.mark.parametrize("received", [b"", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_request_that_is_not_whole_is_waited_for(received: bytes) -> None:
    assert request_of(received) is None


@pytest.mark.parametrize(
    "received",
    [
        b"status\n\n",
        b"GET /\n\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET metrics HTTP/1.1\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * 256 + b" HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"\x00\n\n",
    ],
)
def test_what_is_no_request_is_told_so_and_not_repeated(received: bytes) -> None:
    assert request_of(received) == Response(400, b"this is no request of HTTP/1\n")


def test_a_request_beyond_8_kb_is_too_long() -> None:
    assert request_of(b"GET / HTTP/1.1\r\n" + b"a" * 8_175) is None
    for too_long in (b"a" * 8_192, b"GET / HTTP/1.1\r\nx:" + b"a" * 8_192 + b"\r\n\r\n"):
        answer = request_of(too_long)
        assert isinstance(answer, Response)
        assert answer.status == 431


def test_an_answer_has_a_length_and_to_head_no_body() -> None:
    whole = response_bytes(problem(404, "no"))
    assert whole == (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 3\r\nConnection: close\r\n\r\nno\n"
    )
    assert response_bytes(problem(404, "no"), head_only=True) == whole[:-3]
    assert b"\r\nAllow: POST\r\n" in response_bytes(Response(405, allowed="POST"))


@given(st.binary(max_size=400))
def test_whatever_comes_the_answer_is_known_at_once_and_repeats_nothing(received: bytes) -> None:
    for one in (received, received + b"\r\n\r\n", b"GET /" + received + b" HTTP/1.1\r\n\r\n"):
        found = request_of(one)
        if isinstance(found, Response):
            assert found in {Response(400, b"this is no request of HTTP/1\n"), problem(431, "")}
        elif found is not None:
            assert found.path.isascii()
            assert found.path.isprintable()
