"""The account of what is held, and the file it goes to."""

from __future__ import annotations

import os
import stat
import tracemalloc
from pathlib import Path

import pytest

from filter_api.bounds import BLOCK, MAX_IN_MEMORY, SPOOL_ABOVE
from filter_api.message.spool import HeldLines, Spool, SpoolError

_UNUSED = 32_768
"""Bytes reserved for one message that another one cannot have."""

RUN = b"\n".join([b"x" * 73] * 50)


def fill(held: HeldLines, size: int) -> int:
    """Hold at least so many bytes; give how many."""
    while held.size < size:
        held.append(RUN)
    return held.size


def fill_both(one: HeldLines, other: HeldLines, line: bytes) -> None:
    """Hold the line in turns until that fails."""
    while True:
        one.append(line)
        other.append(line)


def test_the_account_is_never_less_than_what_is_held() -> None:
    spool = Spool()
    one, other = HeldLines(spool), HeldLines(spool)
    fill(one, 3 * BLOCK)
    fill(other, 100)
    assert one.size + other.size <= spool.held < one.size + other.size + BLOCK
    one.close()
    assert other.size <= spool.held < other.size + BLOCK
    other.close()
    assert spool.held == 0


def test_the_limit_is_met_to_the_byte() -> None:
    held = HeldLines(Spool(limit=100))
    held.append(b"x" * 49)
    held.append(b"x" * 49)
    with pytest.raises(SpoolError, match="limit"):
        held.append(b"")
    assert held.size == 100
    assert b"".join(held.blocks()) == (b"x" * 49 + b"\n") * 2


def test_one_message_gives_room_to_the_next() -> None:
    spool = Spool(limit=BLOCK)
    held = HeldLines(spool)
    with pytest.raises(SpoolError):
        fill(held, 2 * BLOCK)
    held.close()
    after = HeldLines(spool)
    assert fill(after, BLOCK // 2) >= BLOCK // 2


@pytest.mark.parametrize("can_be_nameless", [True, False])
def test_the_file_has_no_name_and_no_other_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_be_nameless: bool
) -> None:
    if not can_be_nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    held = HeldLines(Spool(directory=str(tmp_path)))
    fill(held, SPOOL_ABOVE + 2 * BLOCK)
    assert list(tmp_path.iterdir()) == []
    assert held._file is not None
    facts = os.fstat(held._file.fileno())
    assert facts.st_nlink == 0
    assert stat.S_IMODE(facts.st_mode) == 0o600
    assert b"".join(held.blocks()) == (RUN + b"\n") * (held.size // (len(RUN) + 1))
    held.close()


def test_the_file_is_where_tmpdir_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    held = HeldLines(Spool())
    with pytest.raises(SpoolError, match="missing"):
        fill(held, SPOOL_ABOVE + BLOCK)
    held.close()


@pytest.mark.parametrize("line", [b"", b"a", b"ab", b".." * 20, b"x" * 998], ids=len)
@pytest.mark.parametrize("messages", [1, 100])
def test_what_is_counted_is_what_is_held(line: bytes, messages: int) -> None:
    """Lines that arrive singly are objects of their own: memory is bounded by the account, not by their number."""
    spool = Spool()
    tracemalloc.start()
    try:
        held = [HeldLines(spool) for _ in range(messages)]
        for one in held:
            for _ in range(600_000 // messages // (len(line) + 1)):
                one.append(bytes(bytearray(line)))
                if spool.held > 4 << 20:
                    break
        memory = tracemalloc.get_traced_memory()[0]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert memory <= 1.5 * spool.held + 1024 * messages
    assert peak <= 3 * spool.held + 65_536
    for one in held:
        assert b"".join(one.blocks()) == (line + b"\n") * (one.size // (len(line) + 1))
        one.close()
    assert spool.held == 0


@pytest.mark.parametrize("line", [b"", b"a", b"x" * 70])
def test_the_limit_holds_for_lines_that_arrive_singly(line: bytes) -> None:
    spool = Spool(limit=3 * BLOCK)
    one, other = HeldLines(spool), HeldLines(spool)
    with pytest.raises(SpoolError, match="limit"):
        fill_both(one, other, line)
    assert spool.held == spool.limit
    assert 3 * BLOCK - _UNUSED <= one.size + other.size <= 3 * BLOCK
    one.close()
    other.append(line)
    other.close()
    assert spool.held == 0


def test_many_small_messages_are_not_in_memory_for_that() -> None:
    """A hundred messages of 1 MB wait for a scanner that hangs: none of them is large, and together they are."""
    spool = Spool()
    held = [HeldLines(spool) for _ in range(150)]
    for one in held:
        fill(one, SPOOL_ABOVE - 2 * BLOCK)
    assert all(one.size <= SPOOL_ABOVE for one in held)
    in_files = sum(one._file is not None for one in held)
    assert in_files > 60
    assert sum(one.size for one in held) <= spool.held
    assert spool.in_memory <= MAX_IN_MEMORY + (in_files + 1) * 2 * BLOCK
    for one in held[::-1]:
        assert b"".join(one.blocks()) == (RUN + b"\n") * (one.size // (len(RUN) + 1))
        one.close()
        one.close()
    assert (spool.held, spool.in_memory) == (0, 0)


def test_messages_that_come_and_go_are_in_memory_as_before() -> None:
    spool = Spool()
    for _ in range(150):
        held = HeldLines(spool)
        fill(held, SPOOL_ABOVE - 2 * BLOCK)
        assert held._file is None
        held.close()
    assert spool.in_memory == 0


def test_messages_that_grow_in_turns_share_the_memory() -> None:
    spool = Spool()
    held = [HeldLines(spool) for _ in range(80)]
    most = 0
    while held[0].size < SPOOL_ABOVE:
        for one in held:
            one.append(RUN)
        most = max(most, spool.in_memory)
    assert MAX_IN_MEMORY / 2 < most < MAX_IN_MEMORY + 2 * 80 * 16_384
    for one in held:
        one.close()
    assert (spool.held, spool.in_memory) == (0, 0)


def test_what_got_half_into_the_file_is_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle of a step, and whoever holds the message asks for it all the same."""
    held = HeldLines(Spool())
    fill(held, SPOOL_ABOVE // 2)
    writes = iter((b"some", b"none"))

    def full(file: object, data: bytes) -> None:
        if next(writes, None) is None:
            raise MemoryError

    monkeypatch.setattr("filter_api.message.spool._write_all", full)
    with pytest.raises(MemoryError):
        fill(held, 2 * SPOOL_ABOVE)
    with pytest.raises(SpoolError, match="damaged"):
        next(held.blocks())
    with pytest.raises(SpoolError, match="damaged"):
        fill(held, 3 * SPOOL_ABOVE)
    held.close()
    assert held._spool.held == held._spool.in_memory == 0
