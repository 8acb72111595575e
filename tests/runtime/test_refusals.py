"""How a message is refused that cannot be read, and what is answered where nothing else works."""

from __future__ import annotations

import pytest

from filter_api.decision import Disconnect, Reject
from filter_api.message.message import HeaderTooLong, TooManyFields
from filter_api.message.spool import SpoolError
from filter_api.runtime.refusals import HEADER_TOO_LONG, NO_SPACE, TOO_MANY_FIELDS, last_resort, refusal_of


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (TooManyFields("x"), TOO_MANY_FIELDS),
        (HeaderTooLong("x"), HEADER_TOO_LONG),
        (SpoolError("x"), NO_SPACE),
        (ValueError("x"), None),
        (SystemExit(), None),
        (ExceptionGroup("g", [ValueError("x")]), None),
        (ExceptionGroup("g", [ValueError("x"), SpoolError("x"), HeaderTooLong("x")]), NO_SPACE),
        (ExceptionGroup("g", [ExceptionGroup("h", [TooManyFields("x")]), SpoolError("x")]), TOO_MANY_FIELDS),
        (BaseExceptionGroup("g", [KeyboardInterrupt(), SpoolError("x")]), NO_SPACE),
    ],
)
def test_the_first_error_that_says_why_a_message_cannot_be_read_refuses_it(
    error: BaseException, refusal: Reject | None
) -> None:
    assert refusal_of(error) is refusal


def test_what_the_client_is_told_and_the_log() -> None:
    told = {refusal.reply: refusal.facts for refusal in (TOO_MANY_FIELDS, HEADER_TOO_LONG, NO_SPACE)}
    assert told == {
        "550 5.6.0 too many header fields": {"result": "refused", "reason": "too-many-fields"},
        "550 5.6.0 header too long": {"result": "refused", "reason": "header-too-long"},
        "452 4.3.1 insufficient system storage": {"result": "failed", "reason": "spool"},
    }


def test_an_exception_that_cannot_be_looked_at_is_none_of_ours() -> None:
    class Strange(ExceptionGroup[ValueError]):
        exceptions = property(lambda self: 1 / 0)  # what a library may raise

    assert refusal_of(Strange("g", [ValueError("x")])) is None


@pytest.mark.parametrize("phase", [b"connect", b"helo", b"commit"])
def test_the_last_resort_is_to_come_again_and_at_connect_to_hang_up(phase: bytes) -> None:
    answer = last_resort(phase)
    assert type(answer) is (Disconnect if phase == b"connect" else Reject)
    assert answer.reply == "451 4.3.0 temporary local problem"
    assert answer.facts == {"result": "failed", "reason": "no answer could be made"}
