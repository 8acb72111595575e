"""The benchmarks run to their end whatever is missing."""

from __future__ import annotations

import pytest

from bench import build, mailauth, run


def test_a_missing_peer_is_told_and_the_other_parts_go_on(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "OUT", tmp_path_factory.mktemp("out"))
    monkeypatch.setenv("PATH", "")
    assert run.run(["events", "interleaved"]) == 1
    told = capsys.readouterr().out
    assert told.count("not measured: no C compiler: install gcc") == 2
    assert "## Events" in told
    assert "## Interleaved sessions" in told


def test_a_peer_of_npm_that_is_not_to_be_had_is_told(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailauth, "OUT", tmp_path_factory.mktemp("out"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(mailauth.NotMeasured, match="npm is not installed"):
        mailauth.installed()


def test_a_part_that_does_not_exist_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.run(["nosuch"]) == 2
    assert "no such part: nosuch" in capsys.readouterr().err
