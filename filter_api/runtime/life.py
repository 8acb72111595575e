"""The life of a held message as a table: what happens to it, and what it is then.

::

    COLLECTING ──dot──▶ DECIDING ──decided──▶ RELEASING ──released──▶ ENDED ──answered──▶ OVER
        │ refused          ▲
        ▼                  │ dot
     REFUSING ─────────────┘                 dropped, from anywhere ──▶ OVER

What is not in the table has no place any more, as a verdict on a message whose session is gone, and is ignored.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum, auto
from typing import Final

from filter_api.decision import Decision, Reject
from filter_api.message.message import Message
from filter_api.message.spool import Spool
from filter_api.protocol.events import Request
from filter_api.runtime.refusals import LOST
from filter_api.session import Session


class State(IntEnum):
    """What a held message is waiting for."""

    COLLECTING = auto()  # for more lines, or the dot
    REFUSING = auto()  # for the dot; its lines are not kept, as the answer is certain
    DECIDING = auto()  # for the verdict
    RELEASING = auto()  # until its lines are given back
    ENDED = auto()  # our dot is out: for the commit request
    OVER = auto()  # for nothing


class Event(IntEnum):
    """What happens to one."""

    REFUSED = auto()
    DOT = auto()
    DECIDED = auto()
    RELEASED = auto()
    ANSWERED = auto()
    DROPPED = auto()


COLLECTING, REFUSING, DECIDING, RELEASING, ENDED, OVER = State  # by name: found faster than in their class
REFUSED, DOT, DECIDED, RELEASED, ANSWERED, DROPPED = Event

TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    COLLECTING: {REFUSED: REFUSING, DOT: DECIDING, DROPPED: OVER},
    REFUSING: {DOT: DECIDING, DROPPED: OVER},
    DECIDING: {DECIDED: RELEASING, DROPPED: OVER},
    RELEASING: {RELEASED: ENDED, DROPPED: OVER},
    ENDED: {ANSWERED: OVER, DROPPED: OVER},
    OVER: {},
}


class Held:
    """One message. refusal: why it cannot be taken, whatever the filters say. commits: requests that came early.

    began: when its dot came.

    message: as the member sees it whose turn it is, which must have answered by `due`; until: when the last of them
    must. ahead: what members beside it have returned already, by their turn, or the question if they have not. logged:
    the decision the log knows; another one may follow, if the lines cannot be given back.
    """

    __slots__ = (
        "ahead",
        "began",
        "commits",
        "decision",
        "due",
        "logged",
        "message",
        "refusal",
        "session",
        "state",
        "task",
        "token",
        "turn",
        "until",
    )

    def __init__(self, session: Session, token: bytes, spool: Spool) -> None:
        self.session = session
        self.token = token
        self.message = Message(spool)
        self.state: State = COLLECTING
        self.turn = 0
        self.began = 0.0
        self.due = 0.0
        self.until = 0.0
        self.ahead: dict[int, object] = {}
        self.refusal: Reject | None = None
        self.decision: Decision = LOST
        self.logged: Decision | None = None
        self.commits: tuple[Request, ...] = ()
        self.task: asyncio.Task[None] | None = None

    def on(self, event: Event) -> bool:
        """Whether this has a place in the life of the message; it is then what the table says."""
        after = TRANSITIONS[self.state].get(event)
        if after is None:
            return False
        self.state = after
        return True
