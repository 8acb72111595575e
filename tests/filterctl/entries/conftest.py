"""Fixtures of allow and deny."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.filterctl.entries.room import Room


@pytest.fixture
def room(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Room:
    for name in ("DOAS_USER", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("filterctl.entries.request._who", lambda: "ann")
    return Room(tmp_path, capsys)
