"""filterctl asks filters that run: what it prints is what they did, and its exit status says what it found."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from filter_api.control import place
from filter_api.control.client import ask
from filterctl.__main__ import main
from filterctl.live import monitor, trace
from tests.support.filter_process import FilterProcess, wait_until
from tests.support.metrics import samples

SOURCE = """
import asyncio
from filter_api import *
from filter_api.files.tables import AddressTable
table = AddressTable(sys.argv.pop(1))
class Judging(Filter):
    name = "filter-judging"
    def on_mail_from(self, session, sender):
        self.log.debug(session, "thinking")
        return Reject(550, "5.7.1", "no") if sender in table else Proceed()
main(Judging())
"""
SESSION = "00000000000000aa"
HEAD = b"filter|0.7|1.1|smtp-in|mail-from|00000000000000aa|80|"
CONNECT = b"report|0.7|1.1|smtp-in|link-connect|00000000000000aa|mx|pass|192.0.2.1:1|192.0.2.2:25\n"


class Running:
    """A filter that refuses who is in a table, with its socket in a usual place."""

    def __init__(self, directory: Path) -> None:
        self.own = directory / "u"
        self.own.mkdir(mode=0o755)
        self.path = f"{self.own}/filter-judging.sock"
        self.table = directory / "table"
        self.table.write_text("bad@example.net\n")
        words = ["-c", "import sys\n" + SOURCE, str(self.table), "-C", self.path]
        self.smtpd = FilterProcess(words)

    def mail(self, sender: bytes) -> bytes:
        self.smtpd.write(HEAD + sender + b"\n")
        return self.smtpd.line().rpartition(b"80|")[2]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        monkeypatch.setattr(place, "PLACES", (directory,))
        made = Running(Path(directory))
        with made.smtpd:
            made.smtpd.handshake()
            assert wait_until(lambda: ask([made.path], "/ready")[0].done)
            made.smtpd.write(CONNECT)
            assert made.mail(b"good@example.net") == b"proceed"
            assert made.mail(b"bad@example.net") == b"reject|550 5.7.1 no"
            yield made


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit status and both streams."""
    status = main(list(words))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_status_tells_what_runs_and_what_is_wrong(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "status")
    assert status == 0
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0].startswith("filter-judging: ready for ")
    assert f"options      filter-judging -C {running.path}" in lines
    assert "sessions     1 open, 1 since the start" in lines
    assert "filter       filter-judging: 2 decisions, 1 refused, 0 failed, 0 of them too late, 0 mistakes" in lines
    assert any(line.startswith(f"file         {running.table}: 16 bytes, written 20") for line in lines)
    running.table.write_text("bad@example.net\ngood@example.net and more\n")
    assert said(capsys, "reload", "judging")[0] == 1
    status, out, _ = said(capsys, "status", running.path)
    assert status == 1
    assert f"not in use: {running.table}:" in out


def test_status_as_json_is_the_whole_document(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "status", "-j", "filter-judging")
    (told,) = json.loads(out)
    assert status == 0
    assert (told["socket"], told["error"]) == (running.path, "")
    assert told["status"]["pid"] == running.smtpd.process.pid


def test_stats_are_lines_as_smtpctl_has_them(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "stats")
    lines = out.splitlines()
    assert status == 0
    assert "filter-judging.sessions=1" in lines
    assert "filter-judging.filter-judging.mail-from.proceed=1" in lines
    assert "filter-judging.filter-judging.mail-from.reject=1" in lines
    assert "filter-judging.filter-judging.reply.550.5.7.1=1" in lines
    assert "filter-judging.command.answers=2" in lines
    status, out, _ = said(capsys, "stats", "-j")
    assert json.loads(out)[running.path]["filter-judging.mail-from.reject"] == 1


def test_metrics_of_several_are_one_text(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "metrics")
    assert status == 0
    found = {(each.name, each.labels.get("verdict")): each for each in samples(out)}
    assert found["filter_decisions_total", "reject"].value == 1
    assert found["filter_decisions_total", "reject"].labels["process"] == "u/filter-judging"


def test_the_same_name_twice_is_told_and_left_out(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = said(capsys, "metrics", running.path, running.path)
    assert status == 1
    assert len([each for each in samples(out) if each.name == "filter_ready"]) == 1
    assert "another filter has the same name" in err


def test_monitor_shows_what_happened_in_an_interval(
    running: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(seconds: float) -> None:
        assert seconds == 7.5
        for _ in range(3):
            running.mail(b"bad@example.net")

    with monkeypatch.context() as patched:
        patched.setattr(monitor, "time", SimpleNamespace(sleep=meanwhile))
        status, out, _ = said(capsys, "monitor", "-i", "7.5", "-n", "1")
    assert status == 0
    heading, line = out.splitlines()
    assert heading.split() == ["FILTER", "SESSIONS", "DECIDED", "REFUSED", "FAILED", "P50", "P99", "HELD"]
    name, *numbers, p50, p99, held = line.split()
    assert [name, *numbers, held] == ["filter-judging", "1", "3", "3", "0", "0"]
    assert (p50[0], p99[-1]) == ("<", "s")
    status, out, _ = said(capsys, "monitor", "-j", "-i", "0.1", "-n", "2")
    first, second = (json.loads(line) for line in out.splitlines())
    assert (first["decided"], second["p50"], second["filter"]) == (0, -1.0, "filter-judging")


def test_the_log_becomes_verbose_and_brief_and_status_says_so(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "log", "verbose", "judging") == (0, "", "")
    assert "log          verbose" in said(capsys, "status")[1]
    assert said(capsys, "log", "brief") == (0, "", "")
    assert "log          brief" in said(capsys, "status")[1]
    status, _, err = said(capsys, "log", "loud")
    assert status == 1
    assert "say verbose or brief" in err


def test_reload_says_which_files_are_in_use(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    running.table.write_text("good@example.net\nworse@example.net\n")
    assert said(capsys, "reload") == (0, f"filter-judging: {running.table}: in use\n", "")
    assert running.mail(b"good@example.net") == b"reject|550 5.7.1 no"
    running.table.unlink()
    status, out, _ = said(capsys, "reload", "-j")
    assert status == 1
    assert json.loads(out)[0]["files"][0]["error"] == f"{running.table}: No such file or directory"


def test_a_session_is_traced_to_its_end(
    running: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, _ = said(capsys, "trace", "-1", SESSION)
    assert status == 0
    assert "client=192.0.2.1 rdns=mx" in out

    steps = iter([HEAD + b"bad@example.net\n", b"report|0.7|1.1|smtp-in|link-disconnect|00000000000000aa\n"])

    def meanwhile(_seconds: float) -> None:
        running.smtpd.write(next(steps, b""))

    with monkeypatch.context() as patched:
        patched.setattr(trace, "time", SimpleNamespace(sleep=meanwhile))
        status, out, _ = said(capsys, "trace", SESSION, "judging")
    assert status == 0
    lines = [line.split(": ", 1)[1] for line in out.splitlines() if line.startswith("filter-judging log: ")]
    assert [line.split()[1] for line in lines] == ["thinking", "mail-from"]
    status, out, _ = said(capsys, "trace", "-1j", SESSION)
    assert (status, json.loads(out)["session"]) == (0, None)


def test_a_session_that_nobody_knows_is_a_no_and_what_is_no_id_an_error(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "trace", "00000000000000bb") == (1, "", "filter-judging: there is no such session\n")
    status, _, err = said(capsys, "trace", "../status")
    assert status == 1
    assert "name a session" in err


def test_ready_is_for_scripts_for_relayd_and_for_nagios(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    wait = ["-t", "10000"]
    assert said(capsys, "ready", *wait) == (0, "ready\n", "")
    assert said(capsys, "ready", "-R", *wait)[0] == 1
    assert said(capsys, "ready", "-N", *wait) == (0, "FILTERS OK - 1 ready | sessions=1 filters=1\n", "")
    running.table.unlink()
    said(capsys, "reload")
    status, out, _ = said(capsys, "ready", "-N", *wait)
    assert status == 1
    assert out.startswith(f"FILTERS WARNING - filter-judging: {running.table}: No such file or directory | ")
    assert said(capsys, "ready", *wait)[0] == 0
    running.smtpd.process.send_signal(signal.SIGKILL)
    running.smtpd.process.wait()
    assert said(capsys, "ready", *wait) == (1, "filter-judging: not running: its socket was left behind\n", "")
    assert said(capsys, "ready", "-R", *wait)[0] == 0
    status, out, _ = said(capsys, "ready", "-N", *wait)
    assert status == 2
    assert out.startswith("FILTERS CRITICAL - filter-judging: not running")
    os.unlink(running.path)
    assert said(capsys, "ready", "-N")[0] == 3
    assert said(capsys, "ready", "-R")[0] == 0
    status, _, err = said(capsys, "ready")
    assert status == 1
    assert "no filter has a control socket" in err


def test_who_accepts_and_says_nothing_is_waited_for_as_long_as_was_said(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{running.own}/filter-silent.sock")
        silent.listen(5)
        status, out, _ = said(capsys, "ready", "-j", "-t", "500")
    assert status == 1
    told: dict[str, Any] = json.loads(out)
    assert (told["ready"], told["filters"]) == (False, 2)
    assert "filter-silent: it does not answer within 500 ms" in told["problems"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "it hung up"),
        (b"220 mx ESMTP\r\n", "what listens there is no filter of this suite"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", "its answer is cut short"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "it is of another version than this filterctl"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", "it is of another version than this filterctl"),
        (b"HTTP/1.1 503 x\r\nContent-Length: 3\r\n\r\n\x1b[m", "\\x1b[m"),
        (b"x" * 400_000, "what listens there is no filter of this suite"),
    ],
)
def test_what_is_no_filter_is_told_in_words(
    answer: bytes, why: str, running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"{running.own}/filter-odd.sock"
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(path)
        odd.listen(5)

        def talk() -> None:
            connection, _ = odd.accept()
            with connection:
                connection.recv(4096)
                try:
                    connection.sendall(answer)
                except BrokenPipeError:
                    return

        thread = threading.Thread(target=talk)
        thread.start()
        status, out, _ = said(capsys, "status", path)
        thread.join(20)
    assert status == 1
    assert out.startswith(f"filter-odd: {why}")
    assert "\x1b" not in out


def test_a_name_that_no_socket_has_is_told_with_those_there_are(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = said(capsys, "status", "rdns")
    assert status == 1
    assert err == "filterctl: status: no control socket of rdns: there is filter-judging\n"


def test_monitor_to_a_program_wants_an_end(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = said(capsys, "monitor", "-j")
    assert status == 1
    assert "wants -n" in err


def test_a_list_that_does_not_count_is_a_trouble(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
from filter_api import *
from filter_api.figures import gauge
class Listing(Filter):
    name = "filter-listing"
    def on_connect(self, session):
        return Proceed()
    def figures(self):
        return [gauge("list_in_use", "Of a list.", number, list=f"l{number}") for number in (0, 1)]
main(Listing())
"""
    path = str(tmp_path / "f.sock")
    with FilterProcess(["-c", "import sys\n" + source, "-C", path]) as smtpd:
        smtpd.handshake()
        assert wait_until(lambda: ask([path], "/ready")[0].done)
        status, out, _ = said(capsys, "status", path)
        assert status == 1
        text = "l0: the list does not count, as it is not known or too old"
        assert f"  trouble      filter-listing: {text}\n" in out
        assert "l1:" not in out
        assert said(capsys, "ready", "-N", "-t", "5000", path)[:2] == (
            1,
            f"FILTERS WARNING - f: {text} | sessions=0 filters=1\n",
        )
