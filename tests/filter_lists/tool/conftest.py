"""A web server, and a list to update, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.filter_lists.tool.updating import Lists
from tests.filter_lists.web import Web, web


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as running:
        yield running


@pytest.fixture
def lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lists:
    folder = tmp_path / "lists"
    folder.mkdir()
    return Lists(folder, capsys)
