"""One clamd for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clamd import running_clamd


@pytest.fixture(scope="session")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The path of its socket."""
    with running_clamd(tmp_path_factory.mktemp("clamd")) as path:
        yield path
