"""What a filter tells of itself, as it goes over the control socket: JSON, and `openmetrics` for what counts.

Every value of a stranger is escaped and bounded where it is put in. Times are seconds since 1970, spans are seconds,
sizes are bytes, counts are since the start of the process.
"""

from __future__ import annotations

from typing import TypedDict

from filter_api.control.classes import CLASSES


class Decided(TypedDict):
    """How often a filter decided so. verdict: ``proceed``, ``reject`` and so on; with -n ``observe-reject``.

    reason: one of `Filter.reasons`; ``failed`` where -F decided, ``other``, or ``-`` where there is none.
    """

    phase: str
    verdict: str
    reason: str
    count: int


class Replied(TypedDict):
    """How often a filter gave a reply with this code and enhanced code (``-`` where there is none)."""

    code: str
    enhanced: str
    count: int


class Figured(TypedDict):
    """What something counts or measures; see `filter_api.figures`."""

    name: str
    kind: str
    help: str
    labels: dict[str, str]
    value: float


class Member(TypedDict):
    """One filter of the process. failed: decisions that its -F made; timed_out: of them those that came too late.

    exceptions: mistakes of the filter's own, which are in the log with their tracebacks. figures: what it alone has.
    """

    name: str
    options: str
    failure: str
    observe: bool
    decisions: list[Decided]
    replies: list[Replied]
    failed: int
    timed_out: int
    exceptions: int
    figures: list[Figured]


class Answers(TypedDict):
    """How long answers took. classes: how many were in each class of `CLASSES`, and above the last. seconds: in all."""

    classes: list[int]
    seconds: float


class File(TypedDict):
    """A file as it is in use; see `filter_api.in_use.FileState`."""

    path: str
    size: int
    modified: float
    loaded: float
    error: str


class Backend(TypedDict):
    """A daemon that is asked. up: False while it is held to be down."""

    name: str
    up: bool


class Waiting(TypedDict):
    """Questions for daemons: those that wait for their turn, those that are being asked."""

    name: str
    waiting: int
    asking: int


class Status(TypedDict):
    """Everything. figures: those of the process that are no filter's."""

    process: str
    program: str
    command: str
    version: str
    pid: int
    ready: bool
    started: float
    uptime: float
    cpu_seconds: float
    smtpd: str
    confinement: str
    verbose: bool
    sessions: int
    sessions_open: int
    messages: int
    messages_held: int
    questions_open: int
    library_refusals: int
    held_bytes: int
    memory_bytes: int
    unwritten_bytes: int
    log_dropped: int
    commands: Answers
    examined: Answers
    members: list[Member]
    files: list[File]
    backends: list[Backend]
    queues: list[Waiting]
    figures: list[Figured]


def quantile(answers: Answers, share: float) -> float:
    """The time, in seconds, within which this share of the answers came: the end of the class it lies in.

    0.0 where there were none; infinity above the last class.
    """
    total = sum(answers["classes"])
    seen = 0
    if total:
        for end, count in zip((*CLASSES, float("inf")), answers["classes"], strict=True):
            seen += count
            if seen >= share * total:
                return end
    return 0.0


def refused(member: Member) -> int:
    """How many commands and messages a filter refused."""
    return sum(each["count"] for each in member["decisions"] if each["verdict"] in {"reject", "disconnect"})


def decided(member: Member) -> int:
    """How many decisions it made."""
    return sum(each["count"] for each in member["decisions"])
