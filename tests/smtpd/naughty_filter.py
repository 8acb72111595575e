"""A filter on the library whose hooks do what a filter must never do, chosen by the local part of the sender.

The real smtpd runs it in test_guards.py: whatever happens in here, smtpd must live, and this client gets an answer.
Local parts that name no fault are let through. "count@" answers with what the filter knows of itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn, cast

from filter_api import AddHeader, Decision, Filter, Junk, Message, Proceed, Reject, Session, Verdict, main


def local_part(address: bytes) -> str:
    return address.partition(b"@")[0].decode("ascii", "replace")


def recurse() -> Decision:
    return recurse()


def leave() -> NoReturn:
    raise SystemExit(0)


def interrupt() -> NoReturn:
    raise KeyboardInterrupt


def print_much() -> Decision:
    sys.stdout.write("x" * 70_000)
    sys.stdout.flush()
    return Proceed()


def write_to_fd_1() -> Decision:
    os.write(1, b"\nfilter-result|0|0|proceed\n\n")
    return Proceed()


def read_fd_0() -> Decision:
    return Reject(550, None, "read the wire") if os.read(0, 1) else Proceed()


def say_hello() -> Decision:
    print("hello world")
    sys.stdout.flush()
    return Proceed()


def fail_in_a_thread() -> Decision:
    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    return Proceed()


def fail_in_a_task() -> Decision:
    async def fail() -> None:
        raise ValueError("nobody awaits this")

    asyncio.get_running_loop().create_task(fail())
    asyncio.get_running_loop().call_soon(leave)
    return Proceed()


def sleep() -> Decision:
    time.sleep(1.5)
    return Proceed()


SYNCHRONOUS: dict[str, Callable[[], object]] = {
    "print": say_hello,
    "print-much": print_much,
    "write-fd-1": write_to_fd_1,
    "read-fd-0": read_fd_0,
    "exit": leave,
    "interrupt": interrupt,
    "recurse": recurse,
    "none": lambda: None,
    "text": lambda: "reject",
    "verdict": Verdict,
    "class": lambda: Proceed,
    "exit-in-a-thread": fail_in_a_thread,
    "fail-in-a-task": fail_in_a_task,
    "generator": lambda: (number for number in range(3)),
    "long-reply": lambda: Reject(550, None, "x" * 20_000),
    "two-line-reply": lambda: Reject(550, None, "no\nfilter-result|1|2|proceed"),
    "wrong-code": lambda: Reject(250, None, "fine"),
    "sleep": sleep,
}


async def hang() -> Decision:
    await asyncio.sleep(3600)
    return Proceed()


async def hang_and_cling() -> Decision:
    for _ in range(40):
        try:
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            continue
    return Reject(550, None, "far too late")


async def exit_later() -> Decision:
    await asyncio.sleep(0.01)
    raise SystemExit(3)


async def none_later() -> Decision:
    await asyncio.sleep(0.01)
    return cast("Decision", None)


async def a_moment() -> Decision:
    await asyncio.sleep(0.2)
    return Proceed()


ASYNCHRONOUS: dict[str, Callable[[], object]] = {
    "hang": hang,
    "hang-and-cling": hang_and_cling,
    "exit-later": exit_later,
    "none-later": none_later,
    "moment": a_moment,
    "future": asyncio.Future,
}


class Naughty(Filter):
    """Misbehaves at mail-from, or at the message for local parts that begin with "message-"."""

    name = "naughty"
    message_deadline = 1.0
    command_deadline = 1.0

    def __init__(self) -> None:
        self.open: set[bytes] = set()
        self.reloads = 0

    def saw_connect(self, session: Session) -> None:
        self.open.add(session.id)

    def saw_disconnect(self, session: Session) -> None:
        self.open.discard(session.id)

    def saw_mail(self, session: Session, result: str, sender: bytes) -> None:
        if local_part(sender) == "report":
            leave()

    def reload(self) -> None:
        self.reloads += 1
        if self.reloads % 3 == 0:
            leave()

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        name = local_part(sender)
        if name == "count":
            descriptors = len(os.listdir("/proc/self/fd"))
            return Reject(550, None, f"open={len(self.open)} reloads={self.reloads} descriptors={descriptors}")
        if name == "log-much":
            self.log.info(session, "much", text="x" * 70_000, newline="\n\x1b[2J\n")
        if name == "log-flood":
            for number in range(5000):
                self.log.info(session, "flood", number=number)
        made = {**SYNCHRONOUS, **ASYNCHRONOUS}.get(name, Proceed)()
        return cast("Decision", made)

    def on_message(self, session: Session, message: Message) -> Verdict:
        prefix, _, name = local_part(session.sender or b"").partition("message-")
        made: object = Verdict()
        if prefix:
            pass  # a fault of another phase
        elif name in SYNCHRONOUS:
            made = SYNCHRONOUS[name]()
        elif name in {"hang", "hang-and-cling", "exit-later", "none-later"}:
            made = ASYNCHRONOUS[name]()
        elif name == "junk":
            made = Verdict(cast("Proceed", Junk()))
        elif name == "long-edit":
            made = Verdict(edits=(AddHeader("X-Long", "y" * 70_000),))
        elif name == "smuggle":
            made = Verdict(edits=(AddHeader("X-Smuggle", "a\r\n.\r\nb"),))
        return cast("Verdict", made)


if __name__ == "__main__":
    main(Naughty())
