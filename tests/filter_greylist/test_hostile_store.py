"""A store that somebody else has written to: nothing of it reaches a firewall, a terminal or a decision."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from filter_greylist import ctl
from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Record, Timers
from filter_greylist.store.base import Question, Store
from filter_greylist.store.opening import open_spec
from filter_greylist.store.spec import parse_spec
from tests.filter_greylist.servers import RedisServer, used
from tests.filter_greylist.store.sqlite.test_sqlite_faults import a_tuple

Result = TypeVar("Result")
NOW = int(time.time())
END = NOW + 90_000
GOOD = Record(Kind.WHITE, b"192.0.2.1", Life(NOW, NOW, END, 0, 1))

HOSTS = [b"0.0.0.0/0", b"::/0", b"192.0.2.0/24", b"\x1b[2J192.0.2.7", b"192.0.2.8\n0.0.0.0/0", b"any", b"!192.0.2.1"]
LIVES = [
    (NOW, NOW, 2**62, 0, 1),
    (-5, NOW, END, 0, 1),
    (2**60, NOW, END, 0, 1),
    (NOW, NOW, END, -1, 1),
    (NOW, 2**63 - 1, END, 0, 1),
]


def with_store(spec: str, what: Callable[[Store], Awaitable[Result]]) -> Result:
    return used(lambda: open_spec(parse_spec(spec), print, alone=True), what)


async def fill(store: Store) -> None:
    await store.put([GOOD, Record(Kind.TRAPPED, b"2001:db8::/64", Life(NOW, NOW, END, 1, 0))])
    await store.attempt(a_tuple(1), NOW, Timers())


def hostile_file(path: Path) -> str:
    """A database with rows that no program of ours makes, and two that are good."""
    with_store(str(path), fill)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for kind in "wt":
            for name in HOSTS:
                row = (kind, name, NOW, NOW, END, 0, 1)
                connection.execute("INSERT OR REPLACE INTO entry VALUES (?,?,?,?,?,?,?)", row)
        for number, life in enumerate(LIVES):
            name = b"198.51.100.%d" % number
            connection.execute("INSERT INTO entry VALUES ('w',?,?,?,?,?,?)", (name, *life))
            shown = (b"\x1b[31m", b"helo", b"a@b", b"c@d")
            values = (b"%d" % number * 16, *life, *shown)
            connection.execute("INSERT INTO tuple VALUES (NULL,?,?,?,?,?,?,NULL,?,?,?,?)", values)
        for key, address in ((b"x" * 16, b"\x1b]0;x\x07"), (b"y" * 16, b""), (b"short", b"192.0.2.1")):
            shown_row = (key, NOW, NOW + 1500, END, 1, 0, address, b"\x1b[2J", b"them@example.net", b"us@example.org")
            connection.execute("INSERT INTO tuple VALUES (NULL,?,?,?,?,?,?,NULL,?,?,?,?)", shown_row)
    return str(path)


def hostile_redis(server: RedisServer, prefix: str) -> str:
    """The same in Redis, where values are text."""
    url = f"redis://127.0.0.1:{server.port}/0?prefix={prefix}:"
    with_store(url, fill)
    for kind in "wt":
        for name in HOSTS:
            server.ask("SET", f"{prefix}:{kind}:{name.decode('latin-1')}", f"{NOW} {NOW} {END} 0 1")
    values = [" ".join(map(str, life)) for life in LIVES]
    values += ["", "1 2 3", "a b c d e", f"{NOW} {NOW} 1e300 0 1", f"{NOW} {NOW} {'9' * 400} 0 1"]
    values += [f"{NOW} {NOW} {END} 0 +1", f"{NOW} {NOW} {END} 0 1_0", f"{NOW}  {NOW} {END} 0 1"]
    for number, value in enumerate(values):
        server.ask("SET", f"{prefix}:w:198.51.100.{number}", value)
        server.ask("SET", f"{prefix}:g:{number:016d}", value + " group67,4,3,3:\x1b[31mheloa@bc@d")
    tails = ["9,9,9,9:short", "-1,4,3,3:x", "0,0,0,0:more", "", "8,1,3,3:\x1b]0;x\x07xxha@bc@d", "1,1,1:abc"]
    for number, tail in enumerate(tails):
        server.ask("SET", f"{prefix}:g:x{number:015d}", f"{NOW} {NOW} {END} 1 0 sixsix{tail}")
    server.ask("SET", f"{prefix}:g:{'y' * 16}", f"{NOW} {NOW + 1500} {END} 1 0 sixsix0,4,3,3:heloa@bc@d")
    server.ask("LPUSH", f"{prefix}:w:192.0.2.66", "x")
    server.ask("SET", f"{prefix}:note:settings", "-G \x1b[31m -k 99:99")
    return url


@pytest.fixture(params=["sqlite", "redis"])
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a hostile store is."""
    if request.param == "sqlite":
        return hostile_file(tmp_path / "greylist.db")
    server: RedisServer = request.getfixturevalue("redis_server")
    return hostile_redis(server, f"hostile{request.node.name}{time.monotonic_ns()}")


def test_export_prints_addresses_and_nothing_else(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl.run(["-f", hostile, "export"]) == 0
    assert capsys.readouterr().out == "192.0.2.1\n"
    assert ctl.run(["-f", hostile, "export", "trapped"]) == 0
    assert capsys.readouterr().out == "2001:db8::/64\n"


@pytest.mark.parametrize("how", [[], ["-H"]])
def test_the_listing_is_printable(hostile: str, how: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl.run([*how, "-f", hostile]) == 0
    out = capsys.readouterr().out
    assert all(line.isprintable() and line.isascii() for line in out.splitlines())
    assert "0.0.0.0" not in out
    assert "192.0.2.1" in out
    assert "them@example.net" in out or "a@b" in out, "a tuple without an address is one all the same"


@pytest.mark.parametrize("letters", ["-aG", "-dG"])
def test_a_row_without_an_address_is_passed_over(hostile: str, letters: str) -> None:
    assert ctl.run(["-f", hostile, letters, "10.0.0.1"]) == 0, "the good one is found"
    assert ctl.run(["-f", hostile, letters, "203.0.113.9"]) == 1


def test_nobody_is_let_in_or_trapped_by_such_a_row(hostile: str) -> None:
    async def ask(store: Store) -> list[Known]:
        names = [b"198.51.100.%d" % number for number in range(len(LIVES))]
        return [await store.consult(Question(name, b"", b"", b"")) for name in (*names, GOOD.name)]

    *bad, good = with_store(hostile, ask)
    assert all(known == Known() for known in bad)
    assert good.white == GOOD.life


def test_an_attempt_on_a_damaged_tuple_begins_anew(hostile: str) -> None:
    async def ask(store: Store) -> list[Life | None]:
        odd = [a_tuple(1)._replace(key=b"%d" % number * 16) for number in range(len(LIVES))]
        return [await store.attempt(one, NOW, Timers()) for one in odd]

    assert with_store(hostile, ask) == [Life(NOW, NOW + 1500, NOW + 14400, 1, 0)] * len(LIVES)


def test_import_overwrites_it(hostile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing = tmp_path / "listing"
    listing.write_text(f"WHITE|192.0.2.1|||{NOW}|{NOW}|{END + 5}|0|3\nWHITE|198.51.100.1|||{NOW}|{NOW}|{END}|0|3\n")
    assert ctl.run(["-f", hostile, "import", str(listing)]) == 0
    capsys.readouterr()
    assert ctl.run(["-f", hostile, "export"]) == 0
    assert sorted(capsys.readouterr().out.split()) == ["192.0.2.1", "198.51.100.1"]
