"""What filterctl doctor finds out about a store: a real file, a damaged one, a real Redis and one that is gone."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_greylist.store.opening import open_spec
from filter_greylist.store.spec import parse_spec
from filter_greylist.tool.diagnose import diagnose
from tests.filter_greylist.servers import RedisServer
from tests.support.ports import free_port


async def _make(path: str) -> None:
    store = open_spec(parse_spec(path), lambda _text: None)
    await store.open()
    await store.note("settings", b"")
    await store.close()


def remarks(store: str) -> list[tuple[str, str]]:
    return diagnose(["-o", "-f", store], largest_message=1)


def test_a_sound_store(store_path: str) -> None:
    asyncio.run(_make(store_path))
    before = set(os.listdir(os.path.dirname(store_path)))
    assert remarks(store_path) == [("ok", f"{store_path}: sound, 0 tuples")]
    assert set(os.listdir(os.path.dirname(store_path))) - before <= {"greylist.db-shm", "greylist.db-wal"}


def test_a_store_that_is_not_there_yet(store_path: str) -> None:
    ((severity, text),) = remarks(store_path)
    assert (severity, text) == ("note", f"{store_path}: not there yet, the filter makes it")
    assert not os.path.exists(store_path)


def test_a_damaged_store_and_what_was_set_aside(store_path: str) -> None:
    Path(store_path).write_bytes(b"this is no database, not at all" * 300)
    Path(f"{store_path}.corrupt-1700000000").touch()
    assert remarks(store_path) == [
        ("warning", f"{store_path}.corrupt-1700000000: set aside because it was damaged"),
        ("error", f"{store_path}: file is not a database"),
    ]


@pytest.mark.daemon
def test_a_redis_that_answers(redis_server: RedisServer) -> None:
    found = dict(remarks(f"redis://127.0.0.1:{redis_server.port}"))
    assert "version " in found["ok"]
    assert "error" not in found


def test_a_redis_that_is_gone() -> None:
    port = free_port()
    ((severity, text),) = remarks(f"redis://127.0.0.1:{port}")
    assert severity == "error"
    assert text.startswith(f"redis://127.0.0.1:{port}: ")


def test_a_store_the_filter_would_not_take() -> None:
    with pytest.raises(ConfigError, match="not an absolute path"):
        remarks("greylist.db")
