"""Lists that a program prints, and what is left when the updating program itself is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from filter_api.files.compiled import read_compiled
from tests.filter_lists.tool.updating import LIST, Lists
from tests.filter_lists.web import Web, text


def script(path: Path, lines: str) -> str:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return f"exec:{path}"


def test_a_program_is_started_from_its_words(lists: Lists, tmp_path: Path) -> None:
    source = script(tmp_path / "list", 'echo "$1"; test "$2" = ";reboot"')
    assert lists.update(f'{source}" 203.0.113.2 \\;reboot"') == 0
    assert lists.holds("203.0.113.2")
    assert not lists.holds("203.0.113.4")


def still_running(group: str) -> list[str]:
    """What runs in a group of processes when those that were killed have had time to end."""
    until = time.monotonic() + 10
    while (found := running(group)) and time.monotonic() < until:
        time.sleep(0.01)
    return found


def running(group: str) -> list[str]:
    """What still runs in a group of processes; who ended and was not waited for does not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of_group = path.read_text().rpartition(") ")[2].split()[:3]
            if of_group == group and state != "Z":
                found.append(path.parent.name)
    return found


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("echo 203.0.113.6; exit 3", "ended with status 3"),
        ("echo 203.0.113.6; sleep 60 & wait", "not done within 1 seconds"),
        ("yes 203.0.113.6", "more than"),
        ("echo '<html>'; sleep 60", "web page"),
    ],
)
def test_a_program_that_fails_changes_nothing_and_is_ended(
    lists: Lists, tmp_path: Path, lines: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filter_lists.tool.published.MAX_LIST_ENTRIES", 10_000)
    good = script(tmp_path / "good", "echo 203.0.113.2")
    assert lists.update(good) == 0
    lists.told  # noqa: B018
    monkeypatch.setattr("filter_lists.tool.update.LIST_SECONDS", 1 if "wait" in lines else 60)
    assert lists.update(script(tmp_path / "bad", f"echo $$ >{tmp_path}/pid\n{lines}")) == 1
    assert message in lists.told
    assert lists.holds("203.0.113.2")
    assert not still_running((tmp_path / "pid").read_text().strip())


def test_a_program_that_is_not_there(lists: Lists, tmp_path: Path) -> None:
    assert lists.update(f"exec:{tmp_path}/nothing") == 1
    assert "nothing: No such file" in lists.told


ENDLESS = """
import sys
from filter_api.files.compiled import write_compiled
from filter_api.files.ranges import RangeBuilder
versions = []
for kind in range(2):
    builder = RangeBuilder()
    for number in range(20_000):
        builder.add(4, 0x0b000000 + 4 * number + kind, 0x0b000000 + 4 * number + kind)
    versions.append(builder.build().ranges)
write_compiled(sys.argv[1], versions[0])
print("ready", flush=True)
while True:
    for version in versions:
        write_compiled(sys.argv[1], version)
"""


def test_whoever_kills_it_leaves_a_whole_list(lists: Lists, server: Web) -> None:
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(lists.ranges)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    for _ in range(20):  # stopped anywhere, it is as good as killed for whoever reads
        time.sleep(0.003)
        process.send_signal(signal.SIGSTOP)
        assert len(read_compiled(str(lists.ranges))) == 20_000
        process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGSTOP)
    process.kill()
    process.communicate()
    assert len(read_compiled(str(lists.ranges))) == 20_000
    (lists.path / ".new-left").write_bytes(b"half")
    server.answers["/list"] = text(LIST)
    assert lists.update(server.url("/list")) == 0
    assert sorted(os.listdir(lists.path)) == [".lock", "pub.json", "pub.ranges"]
