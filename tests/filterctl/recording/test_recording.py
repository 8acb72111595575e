"""The transcript on disk: turned over at a size, readable by its owner alone, and harmless when the disk is not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_api.testing.transcript import Transcript, Wire
from filterctl.recording import recording
from filterctl.recording.recording import Recorder, RotatingFile


def wires(path: Path) -> list[list[Wire]]:
    return Transcript.read(path).wires()


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "wire"
    path.touch(0o644)
    RotatingFile(str(path), 10_000, 1).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_lines_are_put_together_from_chunks(tmp_path: Path) -> None:
    path = tmp_path / "wire"
    recorder = Recorder(RotatingFile(str(path), 10_000, 1))
    recorder.take(True, b"config|re")
    recorder.take(False, b"register|ready\nfilter-result|1|2|pro")
    recorder.take(True, b"ady\nreport|x\r\n")
    recorder.take(False, b"ceed\nno end")
    recorder.finish()
    assert wires(path) == [
        [
            Wire(False, b"register|ready"),
            Wire(True, b"config|ready"),
            Wire(True, b"report|x\r"),
            Wire(False, b"filter-result|1|2|proceed"),
            Wire(False, b"no end"),
        ]
    ]


def test_a_restarted_filter_begins_a_new_section(tmp_path: Path) -> None:
    path = tmp_path / "wire"
    for line in (b"config|first\n", b"config|second\n"):
        recorder = Recorder(RotatingFile(str(path), 10_000, 1))
        recorder.take(True, line)
        recorder.finish()
    assert wires(path) == [[Wire(True, b"config|first")], [Wire(True, b"config|second")]]


def test_files_turn_over_and_each_begins_with_the_handshake(tmp_path: Path) -> None:
    path = tmp_path / "wire"
    recorder = Recorder(RotatingFile(str(path), 5000, 2))
    recorder.take(True, b"config|ready\n")
    recorder.take(False, b"register|ready\n")
    for number in range(40):
        recorder.take(True, b"report|%03d|" % number + b"x" * 500 + b"\n")
    recorder.finish()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["wire", "wire.1", "wire.2"]
    handshake = [Wire(True, b"config|ready"), Wire(False, b"register|ready")]
    kept = []
    for file in (tmp_path / "wire.2", tmp_path / "wire.1", path):
        (wire,) = wires(file)
        assert wire[:2] == handshake
        assert file.stat().st_size <= 5000
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        kept += [line[7:10] for _, line in wire[2:]]
    assert kept == [b"%03d" % number for number in range(40 - len(kept), 40)]


def test_none_kept_starts_afresh(tmp_path: Path) -> None:
    path = tmp_path / "wire"
    file = RotatingFile(str(path), 5000, 0)
    for _ in range(30):
        file.write(b"> " + b"x" * 500 + b"\n")
    file.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["wire"]
    assert path.stat().st_size <= 5000


@pytest.mark.parametrize("kind", ["directory", "symlink", "fifo", "missing folder"])
def test_what_cannot_be_recorded_to_is_an_error_at_start(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "wire"
    if kind == "directory":
        path.mkdir()
    elif kind == "symlink":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = tmp_path / "none" / "wire"
    with pytest.raises(ConfigError, match=f"^{path}: "):
        RotatingFile(str(path), 5000, 1)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_is_told_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wire"
    now = [1000.0]
    monkeypatch.setattr("filterctl.recording.recording.time.monotonic", lambda: now[0])
    file = RotatingFile(str(path), 100_000, 1)
    file.write(b"< config|ready\n", b"< config|ready\n")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file._descriptor)
    os.close(full)
    for _ in range(3):
        file.write(b"< lost\n")
    assert capsys.readouterr().err == f"filterctl record: {path}: No space left on device: not recording\n"
    now[0] += recording.RETRY_SECONDS
    file.write(b"< found\n")
    file.close()
    assert wires(path) == [[Wire(True, b"config|ready")], [Wire(True, b"config|ready"), Wire(True, b"found")]]


def test_after_a_gap_the_rest_of_the_cut_line_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_QUEUED", 50)
    path = tmp_path / "wire"
    recorder = Recorder(RotatingFile(str(path), 100_000, 1))
    recorder.take(True, b"whole\nbeginning of ")
    recorder.take(True, b"x" * 60)
    recorder.take(True, b"half a secret\nnext\n")
    recorder.finish()
    assert wires(path) == [[Wire(True, b"whole"), Wire(True, b"next")]]
    assert b"# traffic was left out here\n" in path.read_bytes()
