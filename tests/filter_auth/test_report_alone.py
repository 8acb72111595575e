"""Two runs of ``filterctl auth report`` at the same time: each report goes once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_auth.reports.row import Row
from filter_auth.reports.store import open_store
from filter_auth.tool.alone import alone
from tests.filter_auth.test_report_trouble import FACTS
from tests.filter_auth.test_reports import TODAY, listed, sent_to
from tests.support.smtp_sink import SmtpSink

RECORD = "v=DMARC1; p=none; rua=mailto:d@example.org"
HOLD = (
    "import sys; from filter_auth.tool.alone import alone\nwith alone(sys.argv[1]): print('held', flush=True); input()"
)


class Held(list[bytes]):
    """Keeps whoever adds something waiting until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.here, self.go = threading.Event(), threading.Event()

    def append(self, text: bytes) -> None:
        """Add it, later."""
        self.here.set()
        assert self.go.wait(60)
        super().append(text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder with a store that has one report to send."""
    with closing(open_store(str(tmp_path / "store"))) as opened:
        opened.add(TODAY, Row("example.org", RECORD, FACTS, plain=True), 1)
        opened.commit()
    return tmp_path


def test_of_two_runs_at_the_same_time_one_sends_and_the_other_says_which(path: Path) -> None:
    texts = Held()
    with SmtpSink() as sink:
        sink.texts = texts
        first = threading.Thread(target=sent_to, args=(path, {}, sink))
        first.start()
        assert texts.here.wait(60)
        with pytest.raises(ConfigError, match=f"/store: process {os.getpid()} sends its reports, wait until"):
            sent_to(path, {}, sink)
        texts.go.set()
        first.join()
        assert sent_to(path, {}, sink) == 0, "the lock is gone with the run"
        assert len(texts) == 1


def test_listing_what_would_be_sent_and_writing_it_to_files_wait_for_nobody(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with alone(str(path / "store")):
        assert listed(path, {}) == 0
        assert "example.org to d@example.org: 1 messages" in capsys.readouterr().out
        assert listed(path, {}, "-o", str(path)) == 0


def test_the_lock_of_a_run_that_was_killed_is_gone(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path / "store")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=f"process {other.pid} sends"), alone(str(path / "store")):
            pass
        other.kill()
        other.wait()
        with alone(str(path / "store")):
            assert (path / "store.lock").read_text() == f"{os.getpid()}\n"


def test_a_store_has_one_lock_by_whatever_name_it_is_called(path: Path) -> None:
    (path / "other").symlink_to(path / "store")
    with alone(str(path / "store")), pytest.raises(ConfigError, match="other: process"), alone(str(path / "other")):
        pass


def test_only_the_owner_of_the_store_can_hold_its_lock(path: Path) -> None:
    """Whoever made the file: root may have been the first."""
    if os.geteuid() == 0:
        os.chown(path / "store", 12345, 12345)
    with alone(str(path / "store")):
        made, store = (path / "store.lock").stat(), (path / "store").stat()
        assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (store.st_uid, store.st_gid, 0o600)


@pytest.mark.parametrize("how", ["symbolic", "hard"])
def test_nothing_is_written_through_a_link(path: Path, how: str) -> None:
    """The directory is the filter's: what it puts there must not make root write elsewhere."""
    (path / "precious").write_text("keep me")
    if how == "hard":
        (path / "store.lock").hardlink_to(path / "precious")
    else:
        (path / "store.lock").symlink_to(path / "precious")
    with pytest.raises(ConfigError, match=r"store\.lock: "), alone(str(path / "store")):
        pass
    assert (path / "precious").read_text() == "keep me"
