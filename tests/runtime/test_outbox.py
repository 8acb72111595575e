"""What waits to be written: nothing is lost or written twice where memory runs out, and a slow reader is waited for."""

from __future__ import annotations

import asyncio

import pytest

from filter_api.runtime.outbox import Outbox


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
    with pytest.raises(MemoryError):
        outbox.flush()
    assert len(outbox._parts) == (1 << 21) - 5
    assert len(written) == 5


def test_a_slow_reader_is_waited_for_and_others_run() -> None:
    outbox = Outbox(lambda _: None)

    async def releases() -> list[str]:
        order: list[str] = []

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
    assert not outbox.paused
