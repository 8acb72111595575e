"""What the library itself answers: where a message cannot be taken, where a hook failed, where nothing else works."""

from __future__ import annotations

from typing import Final

from filter_api.decision import Disconnect, Reject
from filter_api.message.message import HeaderTooLong, TooManyFields
from filter_api.message.spool import SpoolError


def _refused(reason: str) -> dict[str, object]:
    return {"result": "refused", "reason": reason}


LINE_TOO_LONG: Final = Reject(550, "5.6.0", "line too long", facts=_refused("line-too-long"))
HEADER_TOO_LONG: Final = Reject(550, "5.6.0", "header too long", facts=_refused("header-too-long"))
TOO_MANY_FIELDS: Final = Reject(550, "5.6.0", "too many header fields", facts=_refused("too-many-fields"))
NO_SPACE: Final = Reject(452, "4.3.1", "insufficient system storage", facts={"result": "failed", "reason": "spool"})
LOST: Final = Reject(451, "4.3.0", "temporary local problem", facts={"result": "failed", "reason": "lost"})

DEADLINE: Final = "deadline exceeded"
"""The reason of `Failed` where a hook did not answer in time."""

_NO_ANSWER: Final = {"result": "failed", "reason": "no answer could be made"}
_COME_AGAIN: Final = Reject(451, "4.3.0", "temporary local problem", facts=_NO_ANSWER)
_HANG_UP: Final = Disconnect(451, "4.3.0", "temporary local problem", facts=_NO_ANSWER)


class Failed:
    """What stands for a result when a hook gave none: the failure policy answers.

    refusal: the answer in place of the policy's, where a message could not be read. for_all: those who would be asked
    next have no time either. The exception itself is not kept: it holds the frames it went through, which hold this,
    and such circles are collected rarely.
    """

    __slots__ = ("for_all", "reason", "refusal")

    def __init__(self, reason: str, refusal: Reject | None = None, *, for_all: bool = False) -> None:
        self.reason = reason
        self.refusal = refusal
        self.for_all = for_all


def refusal_of(error: BaseException) -> Reject | None:
    """How a message is refused that could not be read, whatever the failure policy says; None for other errors.

    Of a group, the first that says so. Never raises.
    """
    try:
        waiting = [error]
        while waiting:
            each = waiting.pop()
            if isinstance(each, TooManyFields):
                return TOO_MANY_FIELDS
            if isinstance(each, HeaderTooLong):
                return HEADER_TOO_LONG
            if isinstance(each, SpoolError):
                return NO_SPACE
            if isinstance(each, BaseExceptionGroup):
                waiting.extend(reversed(each.exceptions))
    except BaseException:  # noqa: BLE001 - an exception that cannot be looked at is none of ours
        return None
    return None


def last_resort(phase: bytes) -> Reject | Disconnect:
    """The answer where even the failure policy fails: come again later. At connect a client would hang on."""
    return _HANG_UP if phase == b"connect" else _COME_AGAIN
