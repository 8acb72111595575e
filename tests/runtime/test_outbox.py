"""What waits to be written: nothing is lost or written twice where memory runs out, and a slow reader is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from filter_api.decision import Reject
from filter_api.message.spool import Spool
from filter_api.runtime.life import DECIDED, DOT, Held
from filter_api.runtime.outbox import Outbox
from filter_api.runtime.release import Releaser
from filter_api.session import Session


def test_what_was_collected_leaves_in_one_write() -> None:
    written: list[bytes] = []
    outbox = Outbox(written.append)
    outbox.flush()
    outbox.put(b"one\n")
    outbox.extend([b"two\n", b"three\n"])
    outbox.flush()
    outbox.put(b"four\n")
    outbox.flush()
    outbox.flush()
    assert written == [b"one\ntwo\nthree\n", b"four\n"]


def test_what_is_too_much_for_one_write_leaves_in_several() -> None:
    """64 MiB two million times: more than a process can have."""
    large = bytes(1 << 26)
    count = 0

    def write(data: bytes) -> None:
        nonlocal count
        assert data is large
        count += 1

    outbox = Outbox(write)
    outbox.extend([large] * (1 << 21))
    outbox.flush()
    assert count == 1 << 21
    outbox.flush()
    assert count == 1 << 21


def test_what_was_written_before_memory_ran_out_is_not_written_again() -> None:
    written: list[int] = []
    large = bytes(1 << 26)

    def write(data: bytes) -> None:
        if len(written) == 5:
            raise MemoryError
        written.append(len(data))

    outbox = Outbox(write)
    outbox.extend([large] * (1 << 21))
    outbox.released = 7
    with pytest.raises(MemoryError):
        outbox.flush()
    assert outbox.released == 0, "what is left is counted anew"
    assert len(outbox._parts) == (1 << 21) - 5
    assert len(written) == 5


def test_a_slow_reader_is_waited_for_and_others_run() -> None:
    outbox = Outbox(lambda _: None)

    async def releases() -> list[str]:
        order: list[str] = []
        assert outbox.paused is False

        async def release(name: str) -> None:
            await outbox.drain()
            order.append(name)

        outbox.pause()
        outbox.pause()
        assert outbox.paused
        tasks = [asyncio.create_task(release(name)) for name in ("one", "two")]
        for _ in range(5):
            await asyncio.sleep(0)
        assert order == []
        outbox.resume()
        outbox.pause()  # before anybody could go on
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert order == []
        outbox.resume()
        outbox.resume()
        await asyncio.gather(*tasks)
        await release("three")
        return order

    assert asyncio.run(releases()) == ["one", "two", "three"]
    assert outbox.paused is False


# --- messages that are given back ------------------------------------------------------------------------------------

HEAD = b"filter-dataline|3c1bba49506bc31c|80bb07f5d532c2d0|"


def broken(_session: Session, error: BaseException) -> Reject:
    raise error


def test_small_messages_are_written_together_and_after_128_kilobytes_of_lines() -> None:
    written: list[bytes] = []
    outbox = Outbox(written.append)
    done: list[Held] = []
    releaser = Releaser(outbox, done.append, broken, lambda: None)

    def give_back(text: bytes) -> int:
        """How many writes there were so far."""
        held = Held(Session(b"3c1bba49506bc31c"), b"80bb07f5d532c2d0", Spool())
        held.message.append(text)
        held.on(DOT)
        held.on(DECIDED)
        releaser.give_back(held, HEAD, held.message.wire((), 65_485))
        assert done[-1] is held
        return len(written)

    half = b"x" * 65_535 + b"\n"  # the largest that is given back at once
    line = b"x" * 32_768
    assert [give_back(line) for _ in range(4)] == [0, 0, 0, 0], "128 KB may leave at once"
    assert [give_back(b"") for _ in range(2)] == [0, 0], "a line without text is none of them"
    assert [give_back(b"x"), give_back(b"y")] == [1, 1]
    outbox.flush()
    assert [give_back(line) for _ in range(4)] == [2, 2, 2, 2], "they are counted from the last write on"
    assert give_back(half[:-1]) == 3
    many = b"\n" * 1_400  # lines without text, each of which leaves with its head
    assert [give_back(many), give_back(many)] == [3, 4]
    given = [line] * 4 + [b""] * 2 + [b"x", b"y"] + [line] * 4 + [half[:-1]] + [many] * 2
    whole = b"".join(HEAD + text.replace(b"\n", b"\n" + HEAD) + b"\n" + HEAD + b".\n" for text in given)
    assert b"".join(written) == whole


def test_of_a_refused_message_nothing_but_the_dot_comes_back() -> None:
    written: list[bytes] = []
    outbox = Outbox(written.append)
    done: list[Held] = []
    held = Held(Session(b"3c1bba49506bc31c"), b"80bb07f5d532c2d0", Spool())
    held.message.append(b"x")
    Releaser(outbox, done.append, broken, lambda: None).give_back(held, HEAD, None)
    outbox.flush()
    assert done == [held]
    assert written == [HEAD + b".\n"]


def test_a_message_whose_lines_cannot_be_made_is_refused_and_told_with_its_session() -> None:
    told: list[tuple[bytes, str]] = []
    no_space = Reject(452, "4.3.1", "no space")

    def cannot(session: Session, error: BaseException) -> Reject:
        told.append((session.id, str(error)))
        return no_space

    def blocks() -> Iterator[bytes]:
        yield b"first\n"
        raise OSError("disk")

    written: list[bytes] = []
    outbox = Outbox(written.append)
    done: list[Held] = []
    held = Held(Session(b"3c1bba49506bc31c"), b"80bb07f5d532c2d0", Spool())
    Releaser(outbox, done.append, cannot, lambda: None).give_back(held, HEAD, blocks())
    outbox.flush()
    assert told == [(b"3c1bba49506bc31c", "disk")]
    assert held.decision is no_space
    assert done == [held]
    assert written[-1].endswith(HEAD + b".\n")


def test_a_message_of_one_block_is_given_back_at_once() -> None:
    outbox = Outbox(lambda _: None)
    done: list[Held] = []
    held = Held(Session(b"3c1bba49506bc31c"), b"80bb07f5d532c2d0", Spool())
    for _ in range(2):
        held.message.append(b"x" * 32_767)
    assert held.message.wire_size == 65_536
    Releaser(outbox, done.append, broken, lambda: None).give_back(held, HEAD, held.message.wire((), 65_485))
    assert done == [held]
