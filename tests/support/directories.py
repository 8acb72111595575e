"""Directories for daemons that run as another user, which pytest's own are closed to."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_directory() -> Iterator[Path]:
    """A temporary directory everybody may enter and read."""
    with tempfile.TemporaryDirectory(prefix="filters-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory
