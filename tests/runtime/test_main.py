"""The process: its start, its end, its signals, its descriptors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from filter_api.context import Context
from filter_api.log import Logger
from filter_api.runtime import main as runtime
from tests.support.filter_process import HANDSHAKE, FilterProcess, wait_until

ECHO = """
from filter_api import *
class Echo(Filter):
    def on_connect(self, session): return Proceed()
    def on_message(self, session, message): return Verdict()
main(Echo())
"""

TALKING = """
import os, subprocess, sys
from filter_api import *
class Talking(Filter):
    def on_connect(self, session):
        print("hello world")
        sys.stdout.write("no line end"); sys.stdout.flush()
        os.write(1, b"filter-result|x|y|proceed\\n")
        subprocess.run(["echo", "from a child"])
        return Proceed()
main(Talking())
"""

SLOW = """
import asyncio
from filter_api import *
class Slow(Filter):
    async def on_connect(self, session):
        await asyncio.sleep(100)
        return Proceed()
    async def started(self): raise SystemExit(7)
    async def stopping(self): await asyncio.sleep(100)
    def reload(self): raise SystemExit(8)
main(Slow())
"""

BROKEN = """
from filter_api import *
from filter_api import facts
def broken(session, parts):
    raise RuntimeError("a mistake of the library's own")
facts.FOLD[b"link-identify"] = broken
class Steady(Filter):
    def on_connect(self, session): return Proceed()
main(Steady())
"""

CONNECT = b"filter|0.7|1.1|smtp-in|connect|00000000000000aa|80|mx|192.0.2.1\n"


def run(source: str, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", source, *arguments], input=stdin, capture_output=True, timeout=20)


@pytest.mark.timed
def test_a_filter_serves_until_smtpd_goes() -> None:
    with FilterProcess(["-c", ECHO]) as smtpd:
        assert b"register|filter|smtp-in|data-line" in smtpd.handshake()
        smtpd.write(CONNECT)
        assert smtpd.line() == b"filter-result|00000000000000aa|80|proceed"
        began = time.monotonic()
        assert smtpd.hang_up() == 0
        assert time.monotonic() - began < 1.5


def test_nothing_but_the_protocol_reaches_smtpd() -> None:
    with FilterProcess(["-c", TALKING]) as smtpd:
        smtpd.handshake()
        smtpd.write(CONNECT)
        assert smtpd.line() == b"filter-result|00000000000000aa|80|proceed"
        smtpd.oracle.finish()
        smtpd.hang_up()
        errors = smtpd.errors()
        assert "hello world" in errors
        assert "from a child" in errors


def test_a_mistake_of_our_own_does_not_hang_up_on_smtpd() -> None:
    with FilterProcess(["-c", BROKEN]) as smtpd:
        smtpd.handshake()
        smtpd.write(CONNECT + b"report|0.7|1.1|smtp-in|link-identify|00000000000000aa|EHLO|x\n")
        assert smtpd.line() == b"filter-result|00000000000000aa|80|proceed"
        smtpd.write(CONNECT.replace(b"aa", b"bb"))
        assert smtpd.line() == b"filter-result|00000000000000bb|80|proceed"
        assert smtpd.hang_up() == 0
        errors = smtpd.errors()
        assert "library error=" in errors
        assert "a mistake of the library's own" in errors
        assert "Traceback" in errors


@pytest.mark.timed
def test_sigterm_answers_what_is_open_and_ends() -> None:
    with FilterProcess(["-c", SLOW]) as smtpd:
        smtpd.handshake()
        smtpd.write(CONNECT)
        time.sleep(0.2)
        began = time.monotonic()
        smtpd.signal(signal.SIGTERM)
        assert smtpd.line() == b"filter-result|00000000000000aa|80|disconnect|451 4.3.0 temporary local problem"
        assert smtpd.process.wait(5) == 0
        assert time.monotonic() - began < 2.2
        assert "SystemExit" in smtpd.errors()


def test_other_signals_do_not_end_it() -> None:
    with FilterProcess(["-c", SLOW]) as smtpd:
        smtpd.handshake()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE) * 5:
            smtpd.signal(number)
        time.sleep(0.3)
        assert smtpd.alive()
        assert smtpd.cpu() < 2


@pytest.mark.timed
def test_an_orphan_does_not_spin() -> None:
    with FilterProcess(["-c", SLOW]) as smtpd:
        smtpd.handshake()
        smtpd.write(CONNECT)
        before = smtpd.cpu()
        began = time.monotonic()
        assert smtpd.hang_up() == 0
        assert time.monotonic() - began < 1.5
        assert before < 2


def test_a_handshake_that_never_ends_with_ready_does_not_stop_it() -> None:
    with FilterProcess(["-c", ECHO]) as smtpd:
        smtpd.write(CONNECT)
        while smtpd.line() != b"register|ready":
            pass
        assert smtpd.line() == b"filter-result|00000000000000aa|80|proceed"


def test_pipes_and_files_work_too(tmp_path: Path) -> None:
    done = run(ECHO, stdin=HANDSHAKE + CONNECT)
    assert done.returncode == 0
    assert done.stdout.endswith(b"register|ready\nfilter-result|00000000000000aa|80|proceed\n")
    wire = tmp_path / "wire"
    wire.write_bytes(HANDSHAKE + CONNECT)
    with wire.open("rb") as source:
        again = subprocess.run([sys.executable, "-c", ECHO], stdin=source, capture_output=True, timeout=20)
    assert again.stdout == done.stdout


def test_the_end_of_input_before_the_handshake_is_no_error() -> None:
    done = run(ECHO)
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_reload_that_comes_while_files_are_read_for_the_first_time_does_not_end_the_process() -> None:
    """SIGHUP's default would, and smtpd with it: log rotation may run right behind a restart."""
    early = """
import os, signal
from filter_api import *
class Early(Filter):
    def on_connect(self, session): return Proceed()
def build(words):
    for _ in range(3): os.kill(os.getpid(), signal.SIGHUP)
    return Early()
main(build)
"""
    done = run(early, stdin=HANDSHAKE)
    assert done.returncode == 0
    assert done.stdout.endswith(b"register|ready\n")


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ("main(Plain)", "TypeError: main takes a filter, Plain(), or a function that makes one, not a class"),
        ("main(lambda words: None)", "what makes the filter gave NoneType; did a branch forget to return?"),
        ("main(lambda words: parse_options('n', words))", "ValueError: -n is a common option, which every filter has"),
    ],
)
def test_a_program_that_would_ignore_its_options_or_its_filter_does_not_start(last: str, message: str) -> None:
    done = run(f"from filter_api import *\nclass Plain(Filter): pass\n{last}\n", stdin=HANDSHAKE)
    assert (done.returncode, done.stdout) == (1, b"")
    assert message in done.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-Q"], "option -Q not recognized"),
        (["-F", "maybe"], "-F takes accept, tempfail or reject, not 'maybe'"),
        (["-T", "0"], "-T takes seconds"),
        (["-T", "nan"], "-T takes seconds"),
        (["-T"], "option -T requires argument"),
        (["extra"], "unexpected argument: extra"),
    ],
)
def test_usage_errors(arguments: list[str], message: str) -> None:
    done = run(ECHO, *arguments, stdin=HANDSHAKE)
    assert done.returncode == 1
    assert done.stdout == b""
    first, usage = done.stderr.decode().splitlines()
    assert message in first
    assert usage.startswith("usage: ")


def test_no_word_of_the_command_line_fills_smtpds_buffer() -> None:
    """A line of 64 KiB on stderr and smtpd spins (tests/smtpd/fault_table.py) where it should refuse to start."""
    done = run(ECHO, "-F", "x" * 70_000)
    assert done.returncode == 1
    assert max(map(len, done.stderr.splitlines())) < 3000


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (["\x1b[31mred"], "-c: unexpected argument: \\x1b[31mred"),
        (["a\nusage: b"], "-c: unexpected argument: a\\x0ausage: b"),
        (["-\x07"], "-c: option -\\x07 not recognized"),
        (["-F", "\x1b"], "-c: -F takes accept, tempfail or reject, not '\\x1b'"),
        (["-W", "/\x9b/\\"], "-c: /\\xc2\\x9b/\\\\: No such file or directory"),
    ],
)
def test_what_was_typed_is_told_as_one_line_of_ascii_escaped_once(arguments: list[str], first: str) -> None:
    done = run(ECHO, *arguments)
    assert done.returncode == 1
    assert done.stderr.decode("ascii").split("\n")[0] == first


def test_configuration_errors_name_file_and_line(tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text("192.0.2.1\nnonsense here\n", encoding="ascii")
    done = run(ECHO, "-W", str(table), stdin=HANDSHAKE)
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"{table}:2:" in done.stderr.decode()
    assert b"usage" not in done.stderr
    done = run(ECHO, "-N", str(tmp_path / "missing"), stdin=HANDSHAKE)
    assert done.returncode == 1
    assert "missing" in done.stderr.decode()


def test_entries_that_come_too_early_refuse_to_start(tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    for entry in ("to:a@example.org", "from:example.org"):
        table.write_text(f"# fine\n{entry}\n", encoding="ascii")
        done = run(ECHO, "-W", str(table), stdin=HANDSHAKE)
        assert done.returncode == 1
        assert f"{table}:2:" in done.stderr.decode()


def test_version() -> None:
    done = run(ECHO, "-V")
    assert done.returncode == 0
    assert done.stdout.decode().split()[-1][0].isdigit()


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_the_usage_and_a_line_for_each_letter(word: str) -> None:
    done = run(ECHO, word)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("usage: ")
    assert "  -L           log to syslog" in lines


def test_the_log_of_a_reader_that_has_gone(tmp_path: Path) -> None:
    """stderr is a socket nobody reads: lines are dropped, answers are not."""
    import socket

    ours, theirs = socket.socketpair()
    source = ECHO.replace(
        "return Proceed()", "[self.log.info(session, 'x' * 800) for _ in range(900)]; return Proceed()"
    )
    with FilterProcess(["-c", source], stderr=theirs.fileno()) as smtpd:
        theirs.close()
        smtpd.handshake()
        for _ in range(5):
            smtpd.write(CONNECT)
            assert smtpd.line().endswith(b"proceed")
        ours.close()
        smtpd.write(CONNECT)
        assert smtpd.line().endswith(b"proceed")
        assert smtpd.alive()


def test_log_lines_are_whole_short_and_clean() -> None:
    source = ECHO.replace(
        "return Proceed()", r"self.log.info(session, 'odd', a=b'\x1b[2J\n\xff', b='x' * 5000); return Proceed()"
    )
    with FilterProcess(["-c", source]) as smtpd:
        smtpd.handshake()
        smtpd.write(CONNECT)
        smtpd.line()
        smtpd.hang_up()
        (line,) = smtpd.errors().splitlines()
        assert line.startswith(r"00000000000000aa odd a=\x1b[2J\x0a\xff b=xxx")
        assert len(line) <= 900
        assert all(0x20 <= ord(char) < 0x7F for char in line)


def test_syslog_is_an_option() -> None:
    with FilterProcess(["-c", ECHO, "-L"]) as smtpd:
        smtpd.handshake()
        smtpd.write(CONNECT)
        assert smtpd.line().endswith(b"proceed")
        smtpd.hang_up()
        assert smtpd.errors() == ""


def test_no_descriptor_is_inherited_by_children() -> None:
    source = TALKING.replace('["echo", "from a child"]', '["ls", "-l", "/proc/self/fd"]')
    with FilterProcess(["-c", source]) as smtpd:
        smtpd.handshake()
        smtpd.write(CONNECT)
        smtpd.line()
        smtpd.hang_up()
        assert "socket:" not in smtpd.errors()


def test_files_it_makes_are_its_own(tmp_path: Path) -> None:
    path = tmp_path / "made"
    source = ECHO.replace("return Proceed()", f"open({str(path)!r}, 'w').close(); return Proceed()")
    with FilterProcess(["-c", source]) as smtpd:
        smtpd.handshake()
        smtpd.write(CONNECT)
        smtpd.line()
        assert wait_until(path.exists)
        assert os.stat(path).st_mode & 0o077 == 0


ESCAPING = """
import asyncio
from filter_api import *
def leave(): raise SystemExit(3)
async def interrupted(): raise KeyboardInterrupt
async def failed(): raise ValueError("nobody waits for this")
class Unprintable(Exception):
    def __str__(self): raise RuntimeError
async def unprintable(): raise Unprintable
class Escaping(Filter):
    def on_connect(self, session):
        loop = asyncio.get_running_loop()
        loop.call_soon(leave)
        for each in (interrupted, failed, unprintable): loop.create_task(each())
        return Proceed()
main(Escaping())
"""


def test_what_escapes_into_the_loop_does_not_end_the_process() -> None:
    """SystemExit leaves a loop wherever it is raised; a hook may have made callbacks and tasks of its own."""
    with FilterProcess(["-c", ESCAPING]) as smtpd:
        smtpd.handshake()
        for session in (b"aa", b"bb", b"cc"):
            smtpd.write(CONNECT.replace(b"aa", session))
            assert smtpd.line() == b"filter-result|00000000000000%b|80|proceed" % session
        time.sleep(0.2)
        assert smtpd.alive()
        assert smtpd.hang_up() == 0
        errors = smtpd.errors()
        assert 'escaped error="SystemExit: 3"' in errors
        assert 'escaped error="KeyboardInterrupt: "' in errors
        assert 'asyncio error="ValueError: nobody waits for this"' in errors


def test_what_smtpd_has_not_read_yet_is_written_before_the_end() -> None:
    with FilterProcess(["-c", ECHO], buffer=4_096) as smtpd:
        smtpd.handshake()
        head = b"filter|0.7|1.1|smtp-in|data-line|00000000000000aa|88|"
        smtpd.write(b"".join(head + b"%07d\n" % number for number in range(500)) + head + b".\n")
        time.sleep(0.3)
        smtpd.signal(signal.SIGTERM)
        lines = [smtpd.line() for _ in range(501)]
        assert lines[-1].endswith(b"|.")
        assert [line[-7:] for line in lines[:-1]] == [b"%07d" % number for number in range(500)]
        assert smtpd.process.wait(5) == 0


def test_a_loop_that_complains_to_a_log_that_throws_is_not_heard() -> None:
    def throw(_level: int, _line: str) -> None:
        raise MemoryError

    runtime._tell(Context(Logger(throw)), {"message": "x", "exception": ValueError()})
    lines: list[str] = []
    runtime._tell(Context(Logger(lambda _level, line: lines.append(line))), {"message": "odd"})
    assert lines == ["asyncio error=odd"]


@pytest.mark.parametrize(
    ("module", "package"), [("dns", "python3-dnspython"), ("cryptography", "python3-cryptography")]
)
@pytest.mark.parametrize("program", ["filter_rdns", "filter_dkimsign", "filter_chain", "filterctl"])
def test_a_missing_library_is_told_at_the_start_with_its_package(module: str, package: str, program: str) -> None:
    source = f"import sys; sys.modules[{module!r}] = None; from {program}.__main__ import run; run()"
    words = ["check", "/dev/null"] if program == "filterctl" else []
    done = subprocess.run(
        [sys.executable, "-c", source, *words], input="", capture_output=True, text=True, timeout=60, check=False
    )
    if program == "filterctl":
        assert "Traceback" not in done.stderr
    else:
        assert done.returncode == 1
        assert f"apt install {package}" in done.stderr
        assert len(done.stderr.splitlines()) == 1


LIMIT = """
import resource
from filter_api import *
class Limit(Filter):
    name = "filter-limit"
    async def started(self): self.log.info(None, "limit", files=resource.getrlimit(resource.RLIMIT_NOFILE)[0])
main(Limit())
"""


@pytest.mark.parametrize(
    ("soft", "hard", "files"),
    [(64, 512, 512), (128, 1_024, 1_024), (200, 4_096, 4_096), (256, 256, 256), (100, 8_192, 4_096)],
)
def test_it_has_as_many_descriptors_as_it_may(soft: int, hard: int, files: int) -> None:
    limits = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" "$@"'
    command = ["sh", "-c", limits, sys.executable, "-c", LIMIT]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as smtpd:
        assert smtpd.stdin is not None
        assert smtpd.stderr is not None
        smtpd.stdin.write(HANDSHAKE)
        smtpd.stdin.flush()
        assert smtpd.stderr.readline() == f"limit files={files}\n".encode()
        smtpd.stdin.close()
