"""``filterctl record`` with real processes on a real socketpair: every byte passes, and it ends as its filter does."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filter_api.testing.transcript import Transcript, Wire

ECHO = str(Path(__file__).parents[2] / "support" / "echo_filter.py")
Start = Callable[..., tuple[subprocess.Popen[bytes], socket.socket]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start ``filterctl record tmp/wire -- command`` as smtpd would: one socket for fd 0 and 1."""
    running: list[tuple[subprocess.Popen[bytes], socket.socket]] = []

    def begin(*command: str, options: tuple[str, ...] = ()) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        ours.settimeout(20)
        arguments = [sys.executable, "-m", "filterctl", "record", *options, str(tmp_path / "wire"), "--", *command]
        process = subprocess.Popen(arguments, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE)
        theirs.close()
        running.append((process, ours))
        return process, ours

    yield begin
    for process, ours in running:
        ours.close()
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def receive(end: socket.socket, until: bytes) -> bytes:
    data = b""
    while not data.endswith(until):
        piece = end.recv(65536)
        assert piece, data[-200:]
        data += piece
    return data


def request(phase: str, text: str = "") -> bytes:
    return f"filter|0.7|1795162006.59|smtp-in|{phase}|3c1bba40e20257fe|80bb07f5d532c2d0|{text}\n".encode()


def wire(tmp_path: Path) -> list[Wire]:
    (only,) = Transcript.read(tmp_path / "wire").wires()
    return only


def test_a_dialogue_passes_and_is_kept(start: Start, tmp_path: Path) -> None:
    process, smtpd = start(sys.executable, ECHO)
    smtpd.sendall(b"config|ready\n")
    receive(smtpd, b"register|ready\n")
    smtpd.sendall(request("auth", "PLAIN AHVzZXIAc2VjcmV0"))
    assert receive(smtpd, b"\n") == b"filter-result|3c1bba40e20257fe|80bb07f5d532c2d0|proceed\n"
    smtpd.shutdown(socket.SHUT_WR)
    assert smtpd.recv(1) == b""
    assert process.wait(10) == 0
    kept = wire(tmp_path)
    assert kept[0].to_filter
    assert kept[-2] == Wire(True, request("auth", "PLAIN ********").removesuffix(b"\n"))
    assert kept[-1] == Wire(False, b"filter-result|3c1bba40e20257fe|80bb07f5d532c2d0|proceed")


def test_every_byte_of_a_large_message_passes_both_ways(start: Start, tmp_path: Path) -> None:
    process, smtpd = start(sys.executable, ECHO, options=("-s", "1m", "-k", "2"))
    receive(smtpd, b"register|ready\n")
    lines = [os.urandom(400).replace(b"\n", b"\r") for _ in range(8000)]
    head = request("data-line").removesuffix(b"\n")
    sender = threading.Thread(target=lambda: smtpd.sendall(b"".join(head + line + b"\n" for line in [*lines, b"."])))
    sender.start()
    answers = receive(smtpd, b"80bb07f5d532c2d0|.\n")
    sender.join()
    expected = b"".join(b"filter-dataline|3c1bba40e20257fe|80bb07f5d532c2d0|%s\n" % line for line in [*lines, b"."])
    assert hashlib.sha256(answers).digest() == hashlib.sha256(expected).digest()
    smtpd.shutdown(socket.SHUT_WR)
    assert process.wait(10) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wire", "wire.1", "wire.2"]


def test_neither_side_waits_for_the_other_to_read(start: Start) -> None:
    """Both buffers full: smtpd keeps writing while it does not read, the filter answers more than it is asked."""
    process, smtpd = start(sys.executable, ECHO)
    receive(smtpd, b"register|ready\n")
    question = request("data-line", "x" * 1000)
    sender = threading.Thread(target=lambda: smtpd.sendall(question * 8000))
    sender.start()
    time.sleep(0.5)
    received = 0
    while received < 8000 * 1050:
        received += len(smtpd.recv(65536))
    sender.join(20)
    assert not sender.is_alive()
    assert process.poll() is None


@pytest.mark.parametrize(
    ("way", "phase", "status"), [("exit=3", "commit", 3), ("die", "connect", 128 + signal.SIGKILL)]
)
def test_it_ends_when_the_filter_ends_with_its_status(start: Start, way: str, phase: str, status: int) -> None:
    process, smtpd = start(sys.executable, ECHO, way)
    receive(smtpd, b"register|ready\n")
    smtpd.sendall(request(phase))
    assert smtpd.recv(100) == b""
    assert process.wait(10) == status


def test_a_filter_whose_child_keeps_the_socket_has_ended_all_the_same(start: Start) -> None:
    script = "import subprocess; subprocess.Popen(['sleep', '30']); print('last words', flush=True)"
    process, smtpd = start(sys.executable, "-c", script)
    assert receive(smtpd, b"\n") == b"last words\n"
    assert process.wait(5) == 0


@pytest.mark.timed
def test_a_filter_that_ignores_the_end_of_smtpd_is_ended(start: Start) -> None:
    process, smtpd = start("/bin/sleep", "60")
    time.sleep(0.5)
    began = time.monotonic()
    smtpd.close()
    assert process.wait(30) == 128 + signal.SIGTERM
    assert 4 < time.monotonic() - began < 12


def test_an_smtpd_that_does_not_read_keeps_nothing_alive(start: Start) -> None:
    script = "import os\nos.write(1, b'x' * 4_000_000)\n"
    process, smtpd = start(sys.executable, "-c", script)
    receive(smtpd, b"x")
    process.send_signal(signal.SIGTERM)  # ends the filter, which is stuck in its write
    assert process.wait(20) == 128 + signal.SIGTERM


def test_signals_are_for_the_filter(start: Start) -> None:
    script = (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})\n"
        "print('ready', flush=True)\n"
        "while signal.sigwait({signal.SIGHUP}):\n"
        "    print('reload', flush=True)\n"
    )
    process, smtpd = start(sys.executable, "-c", script)
    receive(smtpd, b"ready\n")
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
        assert receive(smtpd, b"\n") == b"reload\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM


def test_a_full_disk_stops_no_mail(start: Start, tmp_path: Path) -> None:
    """The transcript's file system fills up (here: a file size limit on the recorder); the traffic goes on."""
    limited = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
    limited += "import filterctl.__main__ as m; sys.exit(m.main(sys.argv[1:]))\n"
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    command = [sys.executable, "-c", limited, "record", str(tmp_path / "wire"), "--", sys.executable, ECHO]
    with subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE) as process:
        theirs.close()
        receive(ours, b"register|ready\n")
        for _ in range(100):
            ours.sendall(request("mail-from", "x" * 1000))
            assert receive(ours, b"\n").endswith(b"|proceed\n")
        ours.close()
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read().count(b"not recording") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: filterctl record"),
        (["file"], "the command stands behind --"),
        (["--", "true"], "the file stands before --"),
        (["-s", "12q", "file", "--", "true"], "-s|not a number of bytes, like 512000, 500k, 25m or 1g: 12q"),
        (["-s", "1", "file", "--", "true"], "at least 65536 bytes"),
        (["-k", "x", "file", "--", "true"], "a number of files"),
        (["-z", "file", "--", "true"], "option -z not recognized"),
        (["/nonexistent/wire", "--", "true"], "/nonexistent/wire: No such file or directory"),
        (["{tmp}/wire", "--", "no-such-filter"], "no-such-filter: no such program"),
    ],
)
def test_what_is_wrong_is_told_and_smtpd_does_not_start(tmp_path: Path, arguments: list[str], message: str) -> None:
    command = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "filterctl", "record", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert message.rpartition("|")[2] in done.stderr
    assert "Traceback" not in done.stderr
