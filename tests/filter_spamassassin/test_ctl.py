"""filterctl explain sender-score: which line matches, and when it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterctl.__main__ import main


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "scores"
    path.write_text("# list\nbad.example 10\n.good.example -5\nfriend.example -2.5 unverified\n")
    return path


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("x@bad.example", 0, ["+10 points, by {}:2: bad.example", "counts always"]),
        ("<X@mail.good.example>", 0, ["-5 points, by {}:3: .good.example", "counts only if SPF passes strongly"]),
        ("x@friend.example", 0, ["-2.5 points, by {}:4: friend.example", "as the line says unverified"]),
        ("x@other.example", 1, ["no line of {} matches"]),
        ("x\x1b@y", 1, ["x\\x1b@y: no line"]),
    ],
)
def test_explain(table: Path, address: str, status: int, said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "sender-score", "-s", str(table), address]) == status
    text = capsys.readouterr().out
    for words in said:
        assert words.format(table) in text


def test_bad_usage(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "sender-score", "-s", str(table)]) == 1
    assert main(["explain", "sender-score", "-x"]) == 1
    assert main(["explain", "sender-score", "-s", "/nonexistent", "a@b"]) == 1
    table.write_text("bad.example much\n")
    assert main(["explain", "sender-score", "-s", str(table), "a@b"]) == 1
    assert f"{table}:1: " in capsys.readouterr().err
