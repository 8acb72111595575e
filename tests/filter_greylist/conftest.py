"""Real Redis servers and stores for the tests of the greylist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.filter_greylist.servers import RedisServer, redis_missing


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server for the whole run; every test uses a prefix of its own."""
    if redis_missing():
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store_path(tmp_path: Path) -> str:
    """Where a store of SQLite may be."""
    return str(tmp_path / "greylist.db")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis server of the test's own, which forgets everything when it is killed."""
    made = RedisServer(tmp_path)
    made.start()
    yield made
    made.kill()
