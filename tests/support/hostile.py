"""What a filter should never return or raise: a catalogue, by name; `hostile_awaitables` has what it should not await.

`VALUES` are functions that make what a hook returns, `RIGHT` those of them that are right; `ERRORS` those that make
what it raises. Each is made anew, as some can be used once only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from typing import Any, Final

from filter_api import (
    AddHeader,
    CannotCheck,
    Disconnect,
    Junk,
    Proceed,
    Reject,
    RemoveHeader,
    ReplaceHeader,
    Rewrite,
    Verdict,
)
from filter_api.message.message import HeaderTooLong, TooManyFields
from filter_api.message.spool import SpoolError


class Thrown(BaseException):
    """What everything in here throws; no Exception, and it cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Shy:
    """Whoever looks at it is thrown at."""

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - anything is the point of this module
        raise Thrown

    def __eq__(self, other: object) -> bool:
        raise Thrown

    def __bool__(self) -> bool:
        raise Thrown

    def __str__(self) -> str:
        raise Thrown

    __hash__ = None  # type: ignore[assignment]  # as a list's
    __repr__ = __str__


class OddKeys(Mapping[Any, Any]):
    """A mapping that throws when it is gone through."""

    def __getitem__(self, key: object) -> object:
        raise Thrown

    def __iter__(self) -> Iterator[object]:
        raise Thrown

    def __len__(self) -> int:
        return 1


def _throwing(*names: str) -> dict[str, object]:
    def throw(_self: object) -> object:
        raise Thrown

    return {"__slots__": (), **{name: property(throw) for name in names}}


def _without(kind: type, *names: str) -> Callable[[], object]:
    """A value of a class below `kind`, of which these attributes throw; it is made as any other."""
    made: dict[type, Callable[[type], Any]] = {
        Proceed: lambda cls: cls(),
        Junk: lambda cls: cls(),
        Reject: lambda cls: cls(550, "5.7.1", "no"),
        Disconnect: lambda cls: cls(550, "5.7.1", "no"),
        Rewrite: lambda cls: cls("x@example.org"),
        Verdict: lambda cls: cls(),
        AddHeader: lambda cls: cls("X-A", "b"),
    }

    def make() -> object:
        value = made[kind](type(f"Odd{kind.__name__}", (kind,), {"__slots__": ()}))
        value.__class__ = type(f"Odd{kind.__name__}", (kind,), _throwing(*names))
        return value

    return make


def _set(make: Callable[[], Any], **values: object) -> Callable[[], object]:
    """A value that was right when it was made, and was written to since."""

    def made() -> object:
        value = make()
        for name, other in values.items():
            setattr(value, name, other)
        return value

    return made


def _edits(*makers: Callable[[], Any]) -> Callable[[], object]:
    return lambda: Verdict(edits=[make() for make in makers])


def _generator() -> Generator[object, None, None]:
    yield Proceed()


async def _async_generator() -> AsyncIterator[object]:
    yield Proceed()


async def _proceed() -> object:
    return Proceed()


def _add() -> AddHeader:
    return AddHeader("X-A", "one\n two")


def _no() -> Reject:
    return Reject(550, "5.7.1", "no")


def _deep() -> list[object]:
    deep: list[object] = []
    for _ in range(3_000):
        deep = [deep]
    return deep


RIGHT: Final[dict[str, Callable[[], object]]] = {
    "proceed": Proceed,
    "told proceed": lambda: Proceed(facts={"why": "x"}),
    "junk": Junk,
    "reject": _no,
    "421": lambda: Reject(421, None, "bye"),
    "disconnect": lambda: Disconnect(550, None, "no"),
    "rewrite": lambda: Rewrite("x@example.org"),
    "rewrite to nothing": lambda: Rewrite(b""),
    "verdict": Verdict,
    "edited": lambda: Verdict(edits=[RemoveHeader("A"), _add(), ReplaceHeader("Received", "x")]),
    "refused": lambda: Verdict(_no(), facts={"score": 3}),
    "hung up": lambda: Verdict(Disconnect(421, None, "no")),
}

VALUES: Final[dict[str, Callable[[], object]]] = {
    **RIGHT,
    "None": lambda: None,
    "a word": lambda: "proceed",
    "a class": lambda: Proceed,
    "NotImplemented": lambda: NotImplemented,
    "an error": ValueError,
    "a tuple": lambda: (Proceed(), Junk()),
    "a generator": _generator,
    "an async generator": _async_generator,
    "a coroutine in a list": lambda: [_proceed()],
    "a function": lambda: _proceed,
    "deep": _deep,
    "shy": Shy,
    "facts that are a number": _set(Proceed, facts=5),
    "facts that are None": _set(_no, facts=None),
    "facts that throw": _set(_no, facts=OddKeys()),
    "facts with shy values": lambda: Reject(550, None, "no", facts={"why": Shy()}),
    "facts with deep values": lambda: Junk(facts={"why": _deep()}),
    "facts with huge values": lambda: Junk(facts={"why": 10**5_000}),
    "a reply of two lines": _set(_no, text="no\r\nfilter-result|1|2|proceed"),
    "a reply of letters": _set(_no, text="nö"),
    "a long reply": _set(_no, text="x" * 70_000),
    "a code of a proceed": _set(_no, code=250, enhanced=None),
    "a rewrite of two lines": _set(lambda: Rewrite("x"), argument=b"x>\nregister|ready"),
    "a rewrite in brackets": _set(lambda: Rewrite("x"), argument=b"<x@example.org>"),
    "a rewrite to None": _set(lambda: Rewrite("x"), argument=None),
    "a long rewrite": _set(lambda: Rewrite("x"), argument=b"x" * 70_000),
    "a proceed without facts": _without(Proceed, "facts"),
    "a junk without word": _without(Junk, "word"),
    "a reject without reply": _without(Reject, "reply"),
    "a reject of all phases": _without(Reject, "reply", "word", "facts", "code", "text"),
    "a disconnect without facts": _without(Disconnect, "facts"),
    "a rewrite without argument": _without(Rewrite, "argument"),
    "a verdict without edits": _without(Verdict, "edits"),
    "a verdict without decision": _without(Verdict, "decision"),
    "a verdict without facts": _without(Verdict, "facts"),
    "a verdict of a word": _set(Verdict, decision="proceed"),
    "a verdict of junk": _set(Verdict, decision=Junk()),
    "a verdict of nothing": _set(Verdict, decision=None),
    "a verdict with edits that are None": _set(Verdict, edits=None),
    "a verdict with an edit": _set(Verdict, edits=_add()),
    "a verdict with shy edits": _set(Verdict, edits=(Shy(),)),
    "a verdict with used edits": _set(Verdict, edits=(edit for edit in [_add()])),
    "a verdict with facts that throw": _set(Verdict, facts=OddKeys()),
    "a verdict that is a refusal in bits": _set(Verdict, decision=_set(_no, text=5)()),
    "an edit without lines": _edits(_without(AddHeader, "lines")),
    "an edit without where": _edits(_without(AddHeader, "where")),
    "an edit with lines that are None": _edits(_set(_add, lines=None)),
    "an edit with a dot": _edits(_set(_add, lines=(b".", b".\n.", b""))),
    "an edit with a long line": _edits(_set(_add, lines=(b"x" * 70_000,))),
    "an edit of text": _edits(_set(_add, lines=("X-A: b",))),
    "an edit of a number": _edits(_set(lambda: RemoveHeader("A"), name=5)),
    "an edit of the last but one": _edits(_set(lambda: RemoveHeader("A", 0), occurrence=-7)),
    "an edit to text": _edits(_set(lambda: ReplaceHeader("A", "b"), lines=("x",))),
}


class OddGroup(BaseExceptionGroup[BaseException]):
    """A group whose members nobody can see."""

    @property
    def exceptions(self) -> Any:  # noqa: ANN401 - as above
        raise Thrown


def _circle() -> BaseException:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    return one


def _nested() -> BaseException:
    error: BaseException = SpoolError("disk")
    for _ in range(2_000):
        error = BaseExceptionGroup("again", [error])
    return error


ERRORS: Final[dict[str, Callable[[], BaseException]]] = {
    "ValueError": lambda: ValueError("bug"),
    "KeyError": lambda: KeyError(Shy),
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "GeneratorExit": GeneratorExit,
    "CannotCheck": lambda: CannotCheck("nobody is there"),
    "CannotCheck of nothing": lambda: CannotCheck(Shy()),
    "SpoolError": lambda: SpoolError("disk"),
    "HeaderTooLong": HeaderTooLong,
    "TooManyFields": TooManyFields,
    "OSError": lambda: OSError(28, "no space left on device"),
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "TimeoutError": TimeoutError,
    "CancelledError": asyncio.CancelledError,
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(1),
    "what cannot be shown": Thrown,
    "a group": lambda: BaseExceptionGroup("several", [KeyboardInterrupt(), SystemExit(), SpoolError("disk")]),
    "a deep group": _nested,
    "an odd group": lambda: OddGroup("several", [ValueError()]),
    "a circle": _circle,
}
