"""A directory whose path is short enough for a socket."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        inner = Path(directory) / "u"
        inner.mkdir(mode=0o755)
        yield inner
