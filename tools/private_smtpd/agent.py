"""The first process inside the namespaces: mounts, sockets and processes on demand, and nothing else.

Started by `namespace.Namespace` as `unshare … python3 -I -S agent.py FD SYSTEM`, it builds a private view of the
folder SYSTEM (read-only, with tmpfs wherever a daemon writes), then serves requests from FD, a SOCK_SEQPACKET
socket: one JSON object per packet, one JSON answer each, descriptors as SCM_RIGHTS. It is process 1 of its process
namespace, so when the other end of FD closes, for whatever reason, it exits and the kernel ends everything in there.

Standard library only: it runs under whatever Python the caller has, with `-S`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

SYSTEM = Path("/run/system")
"""Where the folder of the daemon's system appears inside the mount namespace."""
DAEMONS = Path("/run/daemons")
"""One folder with one name in both file trees, for the sockets of scanners run with the machine's own tree."""
WRITABLE = ("run", "tmp", "home", "opt", "mnt", "var/lib", "var/spool", "var/mail", "var/tmp", "dev")
COPIED = ("etc", "usr/libexec/opensmtpd", "var/lib/opensmtpd")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
OWN_ADDRESS, OWN_ADDRESS6 = "203.0.113.25/32", "2001:db8:25::25/128"
BINARY_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def command(*arguments: str | Path) -> None:
    subprocess.run([str(a) for a in arguments], check=True, stdin=subprocess.DEVNULL)


def mount_tmpfs(target: Path, mode: str = "0755") -> None:
    command("mount", "-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", target)


def change_in_memory(name: str) -> None:
    """Let a directory of SYSTEM be changed, and what is changed in it end with this namespace."""
    upper, work = Path("/run/changed") / name, Path("/run/working") / name
    for folder in (upper, work):
        folder.mkdir(parents=True)
    lower = SYSTEM / name
    command("mount", "-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay", lower)


def build_system(folder: Path) -> None:
    """Mount `folder` read-only at SYSTEM, with room to write where daemons write.

    The machine's own /run is hidden as well: nothing in here can reach a socket of a daemon outside.
    """
    mount_tmpfs(Path("/run"))
    SYSTEM.mkdir()
    command("mount", "--bind", folder, SYSTEM)
    command("mount", "-o", "remount,bind,ro", SYSTEM)
    change_in_memory("var")  # an administrator makes directories there
    for name in WRITABLE:
        mount_tmpfs(SYSTEM / name, "1777" if name in {"tmp", "var/tmp", "var/mail"} else "0755")
    for name in COPIED:
        if not (folder / name).exists():
            continue  # a system of another mail server
        (SYSTEM / name).mkdir(parents=True, exist_ok=True)  # below a tmpfs it is not there yet
        mount_tmpfs(SYSTEM / name)
        command("cp", "-a", f"{folder / name}/.", SYSTEM / name)
    for name in DEVICES:
        (SYSTEM / "dev" / name).touch()
        command("mount", "--bind", f"/dev/{name}", SYSTEM / "dev" / name)
    command("mount", "-t", "proc", "proc", SYSTEM / "proc")
    DAEMONS.mkdir()
    (SYSTEM / "run/daemons").mkdir()
    command("mount", "--bind", DAEMONS, SYSTEM / "run/daemons")


def build_network() -> None:
    """Bring loopback up and make every address a local one (ip-route(8), type local).

    So a client can be bound to any address, and whatever a daemon connects to ends up in here.
    """
    command("ip", "link", "set", "lo", "up")
    command("ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo")
    # smtpd looks up where to relay to with AI_ADDRCONFIG: only families with an address beside 127.0.0.1 and ::1
    command("ip", "addr", "add", OWN_ADDRESS, "dev", "lo")
    try:
        command("ip", "addr", "add", OWN_ADDRESS6, "dev", "lo", "nodad")
        command("ip", "-6", "route", "add", "local", "::/0", "dev", "lo")
        # bind(2) asks for an address of an interface in IPv6, whatever the routes say
        Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1")
    except (OSError, subprocess.CalledProcessError):
        print("agent: no IPv6 on this machine", file=sys.stderr)


class Agent:
    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.exited: dict[int, int] = {}

    def serve(self) -> None:
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        while True:
            ready = poller.poll(200)
            self.reap()
            if not ready:
                continue
            packet, descriptors, _, _ = socket.recv_fds(self.control, 1 << 20, 8)
            if not packet:
                return
            self.answer(packet, descriptors)

    def answer(self, packet: bytes, received: list[int]) -> None:
        request: dict[str, Any] = json.loads(packet)
        operation = getattr(self, "do_" + request.pop("do"))
        answer: dict[str, Any] = {}
        given: list[int] = []
        try:
            result = operation(received, **request)
            if isinstance(result, socket.socket):
                given.append(result.detach())
            else:
                answer["result"] = result
        except (OSError, subprocess.SubprocessError) as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        socket.send_fds(self.control, [json.dumps(answer).encode()], given)
        for descriptor in given + received:
            os.close(descriptor)

    def reap(self) -> None:
        """Collect every child, adopted ones too, keeping how it ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.exited[pid] = os.waitstatus_to_exitcode(status)

    def do_socket(
        self, received: list[int], family: int, kind: int, bind: list[Any] | None, backlog: int | None
    ) -> socket.socket:
        del received
        made = socket.socket(family, kind)
        if bind is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((bind[0], bind[1]))
        if backlog is not None:
            made.listen(backlog)
        return made

    def do_spawn(self, received: list[int], argv: list[str], env: dict[str, str], inside: bool, cwd: str) -> int:
        """Start a process; the received descriptors become its 0, 1 and 2. Return its process id in here."""
        pid = os.fork()
        if pid:
            return pid
        try:
            for number, descriptor in enumerate(received):
                os.dup2(descriptor, number)
            os.closerange(3, 256)
            os.setsid()
            if inside:
                os.chroot(SYSTEM)
            os.chdir(cwd)
            os.execvpe(argv[0], argv, {"PATH": BINARY_PATH, "LC_ALL": "C", **env})
        except OSError as error:
            os.write(2, f"{argv[0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def do_exit_code(self, received: list[int], pid: int) -> int | None:
        del received
        self.reap()
        return self.exited.get(pid)

    def do_kill(self, received: list[int], pid: int, signal_number: int) -> None:
        del received
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return


def run(control: socket.socket, folder: Path, hostname: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller, whose end of the socket then closes
    os.umask(0o022)
    try:
        socket.sethostname(hostname)
        build_system(folder)
        build_network()
    except (OSError, subprocess.SubprocessError) as error:
        control.send(json.dumps({"error": str(error)}).encode())
        return
    control.send(json.dumps({"result": "ready"}).encode())
    Agent(control).serve()


if __name__ == "__main__":
    run(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]), sys.argv[3])
