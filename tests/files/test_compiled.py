"""Compiled lists: written whole, refused when cut or foreign, and read by others while they are replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_api.errors import ConfigError
from filter_api.files.compiled import CompiledFile, read_compiled, write_compiled
from filter_api.files.ranges import RangeBuilder, Ranges
from tests.support.growth import best


def ranges(*texts: str) -> Ranges:
    builder = RangeBuilder()
    for text in texts:
        builder.add_text(text)
    return builder.build().ranges


SAMPLE = ("192.0.2.1", "192.0.2.7", "198.51.100.0/24", "203.0.113.5-203.0.113.9", "2001:db8::/32", "2001:db9::1")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "drop.ranges"
    write_compiled(str(path), ranges(*SAMPLE))
    found = read_compiled(str(path))
    assert len(found) == 6
    for inside in ("192.0.2.1", "192.0.2.7", "198.51.100.255", "203.0.113.9", "2001:db8:ffff::1", "2001:db9::1"):
        assert ip_address(inside) in found
    for outside in ("192.0.2.2", "198.51.101.0", "203.0.113.10", "2001:dba::", "2001:db9::2", "0.0.0.0", "::"):
        assert ip_address(outside) not in found
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["drop.ranges"]


def test_an_empty_list_is_a_list(tmp_path: Path) -> None:
    path = str(tmp_path / "none.ranges")
    write_compiled(path, Ranges())
    assert len(read_compiled(path)) == 0


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 255))
def test_a_file_cut_or_changed_at_any_byte_is_refused(at: int, byte: int) -> None:
    data = _file_of(*SAMPLE)
    for bad in (data[: at % len(data)], data[: at % len(data)] + bytes([byte]) + data[at % len(data) + 1 :]):
        if bad == data:
            continue
        with pytest.raises(ConfigError):
            _read(bad)


_FOLDER: list[Path] = []


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    _FOLDER[:] = [tmp_path]


def _file_of(*texts: str) -> bytes:
    path = _FOLDER[0] / "written"
    write_compiled(str(path), ranges(*texts))
    return path.read_bytes()


def _read(data: bytes) -> Ranges:
    path = _FOLDER[0] / "read"
    path.write_bytes(data)
    return read_compiled(str(path))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a compiled list"),
        (b"192.0.2.1\n" * 10, "not a compiled list"),
        (b"ADDRSET\n" + (0x04030201).to_bytes(4, sys.byteorder) + b"\0" * 100, "not a compiled list of this machine"),
    ],
)
def test_a_foreign_file_says_so_and_what_to_do(data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        _read(data)
    assert "filterctl lists update" in str(caught.value)


def test_a_list_that_is_too_large_is_neither_written_nor_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "drop.ranges"
    write_compiled(str(path), ranges(*SAMPLE))
    before = path.read_bytes()
    monkeypatch.setattr("filter_api.files.compiled.MAX_COMPILED", len(before) - 56)
    write_compiled(str(path), ranges(*SAMPLE))
    read_compiled(str(path))
    monkeypatch.setattr("filter_api.files.compiled.MAX_COMPILED", len(before) - 57)
    with pytest.raises(ConfigError, match="would take more than"):
        write_compiled(str(path), ranges(*SAMPLE))
    with pytest.raises(ConfigError, match="larger than"):
        read_compiled(str(path))


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, message in (("fifo", "not a regular file"), ("nothing", "No such file")):
        with pytest.raises(ConfigError, match=message):
            read_compiled(str(tmp_path / name))


def test_a_bad_version_keeps_the_old_one_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, now = tmp_path / "drop.ranges", [0.0]
    write_compiled(str(path), ranges("192.0.2.1"))
    subject = CompiledFile(str(path), clock=lambda: now[0])
    good = path.read_bytes()
    for version in (b"nonsense", good[:-1]):
        path.unlink()
        path.write_bytes(version)
        for _ in range(3):
            now[0] += 1
            assert ip_address("192.0.2.1") in (subject.current() or Ranges())
    path.unlink()
    now[0] += 1
    assert ip_address("192.0.2.1") in (subject.current() or Ranges())
    assert [record.message.partition(": ")[2].partition(";")[0] for record in caplog.records] == [
        "not a compiled list of this machine",
        "cut short",
        "No such file or directory",
    ]
    write_compiled(str(path), ranges("192.0.2.2"))
    now[0] += 1
    assert ip_address("192.0.2.2") in (subject.current() or Ranges())
    assert ip_address("192.0.2.1") not in (subject.current() or Ranges())


def test_a_list_that_is_not_there_yet_is_found_when_it_comes(tmp_path: Path) -> None:
    path, now = tmp_path / "drop.ranges", [0.0]
    subject = CompiledFile(str(path), clock=lambda: now[0])
    assert subject.current() is None
    assert subject.confirmed == 0
    write_compiled(str(path), ranges("192.0.2.1"))
    assert subject.current() is None  # looked at once a second
    now[0] += 1
    assert ip_address("192.0.2.1") in (subject.current() or Ranges())


def test_a_list_that_was_confirmed_is_younger_and_not_read_again(tmp_path: Path) -> None:
    path, now = tmp_path / "drop.ranges", [0.0]
    write_compiled(str(path), ranges("192.0.2.1"))
    os.utime(path, (1_000, 1_000))
    subject = CompiledFile(str(path), clock=lambda: now[0])
    before = subject.current()
    assert subject.confirmed == 1_000
    os.utime(path, (2_000, 2_000))
    now[0] += 1
    assert subject.current() is before
    assert subject.confirmed == 2_000


def test_a_file_cut_short_in_place_harms_nobody_who_has_read_it(tmp_path: Path) -> None:
    """A mapping of the file itself would end the process here."""
    path = tmp_path / "drop.ranges"
    builder = RangeBuilder()
    for number in range(50_000):
        builder.add(4, 0x0B000000 + 2 * number, 0x0B000000 + 2 * number)
    write_compiled(str(path), builder.build().ranges)
    subject = CompiledFile(str(path), clock=lambda: 0.0)
    os.truncate(path, 10)
    found = subject.current()
    assert found is not None
    assert IPv4Address(0x0B000000 + 2 * 49_999) in found
    assert IPv4Address(0x0B000001) not in found


def test_an_address_costs_four_bytes_and_a_question_costs_the_same_among_many(tmp_path: Path) -> None:
    def listed(count: int) -> Ranges:
        builder = RangeBuilder()
        for number in range(count):
            builder.add(4, 0x0B000000 + 2 * number, 0x0B000000 + 2 * number)
        write_compiled(str(tmp_path / "many"), builder.build().ranges)
        assert (tmp_path / "many").stat().st_size == 56 + 4 * count
        return read_compiled(str(tmp_path / "many"))

    def work(count: int) -> Callable[[], object]:
        subject, address = listed(count), IPv4Address(0x0B000000 + count)

        def ask() -> None:
            for _ in range(2_000):
                assert (address in subject) is (count % 2 == 0)

        return ask

    few, many = work(20_000), work(200_000)
    assert any(best(many) < 3 * best(few) for _ in range(3))


READER = """
import sys
from ipaddress import IPv4Address
from filter_api.files.compiled import CompiledFile

class Impatient:
    now = 0
    def __call__(self):
        self.now += 2
        return self.now

BASE = 0xC6120000
subject = CompiledFile(sys.argv[1], clock=Impatient())
print("ready", flush=True)
seen, last = set(), -1
while last != 999:
    ranges = subject.current()
    version = [n for n in range(4) if IPv4Address(BASE + n) in ranges]
    assert len(version) == 1, version
    mine = [IPv4Address(BASE + 4 * n + version[0]) in ranges for n in range(1000)]
    assert all(mine) and len(ranges) == 1001, (version, sum(mine), len(ranges))
    last = ranges.columns[6][0] - 1000  # the mark stands before all others
    seen.add(last)
print(len(seen))
"""


def test_no_reader_sees_half_a_list_while_it_is_replaced_a_thousand_times(tmp_path: Path) -> None:
    path = str(tmp_path / "drop.ranges")
    versions = []
    for kind in range(4):
        builder = RangeBuilder()
        for number in range(1000):
            builder.add(4, 0xC6120000 + 4 * number + kind, 0xC6120000 + 4 * number + kind)
        versions.append(builder)

    def write(number: int) -> None:
        base = versions[number % 4].build().ranges
        base.columns[6].insert(0, 1000 + number)  # type: ignore[union-attr]
        write_compiled(path, base)

    write(0)
    command = [sys.executable, "-c", READER, path]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for number in range(1, 1000):
        write(number)
    for reader in readers:
        told, complaints = reader.communicate(timeout=60)
        assert (reader.returncode, complaints) == (0, "")
        assert int(told) > 5
