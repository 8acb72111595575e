"""A process that has confined itself on this kernel: what it can still do, in every thread."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filter_api.confinement import landlock, linux
from filter_api.confinement.confined import Confined
from filter_api.confinement.kernel import Kernel
from filter_api.confinement.needs import Needs
from filter_api.confinement.syscalls import MACHINES

VERSION = landlock.abi(Kernel()) if sys.platform == "linux" else 0

needs_landlock = pytest.mark.skipif(VERSION < 1, reason="this kernel has no Landlock")
needs_tcp_rules = pytest.mark.skipif(VERSION < 4, reason="Landlock of this kernel knows no TCP")
needs_scopes = pytest.mark.skipif(VERSION < 6, reason="Landlock of this kernel knows no scopes")

ATTEMPT = """
import errno, json, os, socket, sys, threading, time
import ctypes, subprocess, resource
from filter_api.confinement.needs import Needs
from filter_api.confinement.system import confine
{before}
confined = confine(Needs({needs}))
def attempt():
    try:
        result = {code}
        return result if isinstance(result, int | str | list) or result is None else str(result)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
here = attempt()
others = []
thread = threading.Thread(target=lambda: others.append(attempt()))
thread.start()
thread.join()
print(json.dumps([confined.missing, here, others[0]]))
"""


def tried(code: str, needs: str = "", before: str = "", **environment: str) -> Any:  # noqa: ANN401 - what it gave
    """What an expression gives in a confined process, in its main thread and in one it starts: the same."""
    program = ATTEMPT.format(needs=needs, code=code, before=before)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )
    assert done.returncode == 0, done.stderr
    missing, here, there = json.loads(done.stdout)
    assert missing == []
    assert here == there
    return here


@pytest.fixture
def listener() -> Iterator[int]:
    """A port somebody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``kept`` and ``other``, with a file in each."""
    for name in ("kept", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    return tmp_path


@needs_landlock
@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("open('{kept}/file').read()", "kept"),
        ("open('{kept}/new', 'w').write('x')", 1),
        ("os.rename('{kept}/file', '{kept}/' + str(time.monotonic_ns())) or open('{kept}/file', 'w').close()", None),
        ("os.listdir('{kept}')[0]", "file"),
        ("open('{other}/file').read()", "EACCES"),
        ("open('{other}/new', 'w')", "EACCES"),
        ("open('{other}/file', 'a')", "EACCES"),
        ("os.listdir('{other}')", "EACCES"),
        ("os.unlink('{other}/file')", "EACCES"),
        ("os.mkdir('{other}/new')", "EACCES"),
        ("os.mkdir('{kept}/new')", "EACCES"),
        ("os.symlink('{other}', '{kept}/link')", "EACCES"),
        ("os.rename('{kept}/file', '{other}/moved')", "EACCES"),
        ("os.link('{other}/file', '{kept}/linked')", "EXDEV"),
        ("os.mkfifo('{kept}/fifo')", "EACCES"),
        ("os.truncate('{other}/file', 0)", "EPERM"),
        ("os.chmod('{other}/file', 0o666)", "EPERM"),
        ("os.chown('{kept}/file', 1, 1)", "EPERM"),
        ("os.setxattr('{kept}/file', 'user.x', b'1')", "EPERM"),
        ("open('/etc/passwd').read()", "EACCES"),
        ("os.listdir('/')", "EACCES"),
        ("open('/proc/1/environ').read()", "EACCES"),
        ("len(open(os.__file__).read()) > 1000", True),
        ("open('/dev/null', 'w').write('x')", 1),
    ],
)
def test_files(folder: Path, code: str, wanted: object) -> None:
    kept, other = folder / "kept", folder / "other"
    assert tried(code.format(kept=kept, other=other), f"keeps=frozenset({{'{kept}'}})") == wanted


@needs_landlock
def test_a_table_can_be_replaced_and_read_and_not_written(folder: Path) -> None:
    table = folder / "kept/file"
    needs = f"reads=frozenset({{'{table}'}})"
    assert tried(f"open('{table}', 'w')", needs) == "EACCES"
    program = ATTEMPT.format(before="", needs=needs, code=f"(sys.stdin.readline(), open('{table}').read())[1]")
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        (folder / "new").write_text("new version")
        (folder / "new").rename(table)
        answer, _ = process.communicate("\n\n", timeout=60)
    assert json.loads(answer)[1:] == ["new version", "new version"]


@needs_landlock
@pytest.mark.parametrize(
    "code",
    [
        "os.execv('/bin/sh', ['sh', '-c', 'true'])",
        "os.execve('/bin/true', ['true'], dict())",
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], dict())",
        "subprocess.run(['/bin/true']).returncode",
    ],
)
def test_no_program_is_started_and_no_process(code: str) -> None:
    assert tried(code) in {"EPERM", "EACCES"}


@needs_landlock
def test_no_process_gets_a_terminal_of_its_own() -> None:
    """Where there are several threads, Python 3.14 warns of that first, and then no longer knows why it failed."""
    refused = "def refused(call):\n    try: call()\n    except OSError: return True\n"
    assert tried("refused(os.forkpty)", before=refused) is True


@needs_landlock
def test_a_shell_by_system_of_the_c_library_does_not_run(tmp_path: Path) -> None:
    assert tried(f"os.system('touch {tmp_path}/made')") != 0
    assert os.listdir(tmp_path) == []


@needs_tcp_rules
def test_only_the_ports_that_are_needed_are_connected_to(listener: int) -> None:
    code = f"socket.create_connection(('127.0.0.1', {listener}), 5).getpeername()[0]"
    assert tried(code, f"ports=frozenset({{{listener}}})") == "127.0.0.1"
    assert tried(code, "any_port=True") == "127.0.0.1"
    assert tried(code, "dns=True") == "EACCES"
    assert tried(code, "ports=frozenset({783})") == "EACCES"
    assert tried(code) == "EAFNOSUPPORT"


@needs_tcp_rules
@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("socket.socket().listen()", "EPERM"),
        ("socket.create_server(('127.0.0.1', 0))", "EACCES"),
        ("socket.socket(socket.AF_UNIX)", "EAFNOSUPPORT"),
        ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "EAFNOSUPPORT"),
        ("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "EPERM"),
        ("socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)", "EPERM"),
        ("socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', 9))", "EPERM"),
        ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))", 1),
    ],
)
def test_sockets_of_a_filter_that_asks_the_dns(code: str, wanted: object) -> None:
    assert tried(code, "dns=True") == wanted


@needs_landlock
def test_a_control_socket_is_listened_at_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "control/socket"
    path.parent.mkdir()
    needs = f"listens=frozenset({{'{path}'}})"
    code = "[(s.bind('{0}'), s.listen(), os.chmod('{0}', 0o600), os.unlink('{0}')) for s in [socket.socket(1)]] and 1"
    assert tried(code.format(path), needs) == 1
    assert tried(code.format(tmp_path / "elsewhere"), needs) == "EACCES"
    assert tried("socket.socket(socket.AF_INET)", needs) == "EAFNOSUPPORT"


@needs_landlock
@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("os.kill(os.getppid(), 0)", "EPERM"),
        ("os.kill(os.getpid(), 0)", None),
        ("os.setuid(0)", "EPERM"),
        ("resource.getrlimit(resource.RLIMIT_CORE)[0]", 0),
        ("ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)", 0),  # PR_GET_DUMPABLE
        ("ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)", 1),  # PR_GET_NO_NEW_PRIVS
        ("ctypes.CDLL(None).prctl(21, 0, 0, 0, 0)", 2),  # PR_GET_SECCOMP: a filter
        ("ctypes.CDLL(None).unshare(0x10000000)", -1),
        ("ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)", -1),
        ("ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, 0)", -1),
    ],
)
def test_privileges(code: str, wanted: object) -> None:
    assert tried(code) == wanted


@needs_scopes
def test_sockets_without_a_path_are_out_of_reach() -> None:
    name = f"\0confined-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        assert tried(f"socket.socket(socket.AF_UNIX).connect({name!r})", "sockets=frozenset({'/x'})") == "EPERM"


def test_a_process_that_has_threads_already_is_not_confined_and_says_so() -> None:
    before = "threading.Thread(target=time.sleep, args=(3,), daemon=True).start()"
    program = ATTEMPT.format(before=before, needs="", code="1")
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert json.loads(done.stdout)[0] == ["no landlock: it has more than one thread already"]


# --- kernels that are not this one ---------------------------------------------------------------------------------


class NotedKernel(Kernel):
    """A kernel of a version of Landlock; it notes what it is asked, and opens a pipe for a set of rules."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.calls: list[tuple[int, ...] | tuple[int | bytes | None, ...]] = []
        self.options: list[tuple[int, int]] = []

    def syscall(self, number: int, *arguments: int | bytes | None) -> int:
        self.calls.append((number, *arguments))
        if number != landlock.CREATE_RULESET:
            return 0
        if arguments[0] is None:
            if not self.version:
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")
            return self.version
        return os.open(os.devnull, os.O_RDONLY)

    def prctl(self, option: int, value: int) -> int:
        self.options.append((option, value))
        return 0

    def made(self, number: int) -> list[tuple[int | bytes | None, ...]]:
        return [call[1:] for call in self.calls if call[0] == number]


@pytest.mark.parametrize(
    ("version", "files", "rest"),
    [
        (1, 0x1FFF, b""),
        (2, 0x3FFF, b""),
        (3, 0x7FFF, b""),
        (4, 0x7FFF, (3).to_bytes(8, "little")),
        (5, 0xFFFF, (3).to_bytes(8, "little")),
        (6, 0xFFFF, (3).to_bytes(8, "little") * 2),
        (9, 0xFFFF, (3).to_bytes(8, "little") * 2),
    ],
)
def test_each_version_of_landlock_is_told_what_it_knows(version: int, files: int, rest: bytes, tmp_path: Path) -> None:
    kernel = NotedKernel(version)
    rules = {str(tmp_path): landlock.READ_FILE | landlock.TRUNCATE, "/nowhere": landlock.READ_FILE}
    landlock.restrict(kernel, version, rules, {783})
    whole = files.to_bytes(8, "little") + rest
    assert kernel.made(444) == [(whole, len(whole), 0)]
    beneath, *ports = kernel.made(445)
    assert isinstance(beneath[2], bytes)
    assert beneath[1] == 1
    assert int.from_bytes(beneath[2][:8], "little") == (0x4004 if version >= 3 else 0x4)
    assert [port[1:3] for port in ports] == ([(2, b"\2" + b"\0" * 7 + b"\x0f\3" + b"\0" * 6)] if version >= 4 else [])
    assert len(kernel.made(446)) == 1


def test_a_rule_for_a_file_asks_for_nothing_that_only_directories_have(tmp_path: Path) -> None:
    kernel = NotedKernel(6)
    (tmp_path / "file").touch()
    landlock.restrict(kernel, 6, {str(tmp_path / "file"): 0xFFFF}, None)
    (rule,) = kernel.made(445)
    assert isinstance(rule[2], bytes)
    assert int.from_bytes(rule[2][:8], "little") == 0xC007


def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the limits of the test's own process alone."""
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)


@pytest.mark.parametrize(
    ("version", "needs", "summary"),
    [
        (7, Needs(), "no new privileges, landlock 7: files tcp signals, seccomp"),
        (6, Needs(any_port=True), "no new privileges, landlock 6: files signals, seccomp"),
        (4, Needs(), "no new privileges, landlock 4: files tcp, seccomp"),
        (2, Needs(), "no new privileges, landlock 2: files, seccomp"),
        (0, Needs(), "no new privileges, seccomp (no landlock: the kernel has none)"),
    ],
)
def test_the_summary_tells_what_the_kernel_has(
    version: int, needs: Needs, summary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet(monkeypatch)
    monkeypatch.setattr(os, "listdir", lambda _: ["1"])
    monkeypatch.setattr(linux, "machine", lambda: MACHINES["aarch64"])
    kernel = NotedKernel(version)
    assert linux.confine(needs, kernel).summary() == summary
    assert kernel.options == [(38, 1), (4, 0)]
    assert len(kernel.made(277)) == 1


def test_a_machine_that_is_not_known_has_no_seccomp(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    monkeypatch.setattr(os, "listdir", lambda _: ["1"])
    monkeypatch.setattr(linux, "machine", lambda: None)
    found = linux.confine(Needs(reads=frozenset({"/etc/exempt"})), NotedKernel(6))
    assert found.missing == (f"no seccomp: unknown machine {os.uname().machine}",)
    assert found.notes == (
        "/etc/exempt: a new file in its place will not be read: keep it in a directory of its own, or write into it",
    )


def test_without_landlock_nothing_has_to_be_said_of_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    assert linux.confine(Needs(reads=frozenset({"/etc/exempt"})), NotedKernel(0)).notes == ()


def test_what_could_be_in_force_is_told_without_doing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel: Kernel = NotedKernel(3)
    monkeypatch.setattr(linux, "machine", lambda: MACHINES["x86_64"])
    monkeypatch.setattr(os.path, "exists", lambda _: True)
    assert linux.offer(kernel) == Confined(("landlock 3: files", "seccomp"))
    assert linux.offer(NotedKernel(0)).summary().startswith("seccomp (no landlock: the kernel has none")
    monkeypatch.setattr(linux, "machine", lambda: None)
    assert linux.offer(kernel).missing == ("no seccomp",)


def test_name_servers_that_are_not_known_yet_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    monkeypatch.setattr(os, "listdir", lambda _: ["1"])
    monkeypatch.setattr(linux, "NAME_SERVERS", str(tmp_path / "resolv.conf"))
    found = linux.confine(Needs(dns=True), NotedKernel(6))
    assert found.notes == (
        f"{tmp_path}/resolv.conf: is not there, and will not be read when it is: restart smtpd then",
    )
    (tmp_path / "resolv.conf").touch()
    assert linux.confine(Needs(dns=True), NotedKernel(6)).notes == ()
