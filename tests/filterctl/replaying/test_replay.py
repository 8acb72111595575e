"""``filterctl replay`` of recorded traffic against real filter processes, good ones and bad ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from filterctl.programs.command import libexec_directories

TESTS = Path(__file__).parents[2]
ECHO = str(TESTS / "support" / "echo_filter.py")
C_SIGNERS = [f"{folder}/filter-dkimsign" for folder in libexec_directories()]
VERSIONS = ["6.8.0p2", "7.8.0p1"]


def replay(transcript: Path, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "filterctl", "replay", *options, str(transcript), "--", *command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60)


def rows(output: str) -> list[list[str]]:
    """phase, argument and verdict of each line of the table."""
    table = output.splitlines()[1:]
    return [
        [line[17:26].strip(), line[27:71].strip(), line[80:]] for line in table if line[:1] not in {"", "n", "s", " "}
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recorded_session_as_a_table(version: str) -> None:
    done = replay(TESTS / "transcripts" / version / "plain.txt", sys.executable, ECHO)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(done.stdout) == [
        ["connect", "localhost|127.0.0.1", "proceed"],
        ["ehlo", "client.test.local", "proceed"],
        ["mail-from", "alice@example.org", "proceed"],
        ["rcpt-to", "bob@test.local", "proceed"],
        ["data", "", "proceed"],
        ["data-line", "13 lines", "unchanged"],
        ["commit", "", "proceed"],
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["ipv6", "dsn", "smtp_out_and_bounce", "disconnect_mid_data", "rset_mid_tx", "dots"])
def test_other_recorded_sessions(version: str, name: str) -> None:
    done = replay(TESTS / "transcripts" / version / f"{name}.txt", sys.executable, ECHO)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_filter_that_refuses_leaves_the_recorded_course() -> None:
    done = replay(TESTS / "transcripts" / "7.8.0p1" / "two_mails.txt", sys.executable, ECHO, "reject=rcpt-to")
    assert done.returncode == 0
    assert [row for row in rows(done.stdout) if row[2] != "proceed"] == [
        ["rcpt-to", "bob@test.local", "reject 550 no"],
        ["rcpt-to", "dave@test.local", "reject 550 no"],
        ["rcpt-to", "erin@test.local", "reject 550 no"],
    ]
    assert "never asked at: auth commit data data-line helo starttls" in done.stdout


@pytest.mark.parametrize(
    ("way", "problem"),
    [
        ("double", "smtpd would have ended: a second answer"),
        ("silent=rcpt-to", "a client would wait for ever: session 3c1bba40e20257fe: no answer within 1 seconds"),
        ("exit=3", "smtpd would have ended: the filter ended with status 3"),
        ("die", "smtpd would have ended: the filter ended with status 137"),
    ],
)
def test_what_would_stop_smtpd_is_told_and_fails(way: str, problem: str) -> None:
    transcript = TESTS / "transcripts" / "7.8.0p1" / "plain.txt"
    done = replay(transcript, sys.executable, ECHO, way, options=("-t", "1"))
    assert done.returncode == 1
    assert f"\n{problem}" in done.stdout


def test_what_an_old_smtpd_would_cut_is_told() -> None:
    done = replay(TESTS / "transcripts" / "6.8.0p2" / "long_lines.txt", sys.executable, ECHO)
    assert done.returncode == 1
    assert "smtpd would have been misled: a line of 2048 bytes is cut at 2047" in done.stdout


def test_changed_lines_are_shown(tmp_path: Path) -> None:
    script = tmp_path / "filter"
    script.write_text(
        "import sys\n"
        "out = sys.stdout.buffer\n"
        "out.write(b'register|filter|smtp-in|data-line\\nregister|ready\\n')\n"
        "out.flush()\n"
        "for line in sys.stdin.buffer:\n"
        "    if not line.startswith(b'filter|'): continue\n"
        "    _, _, _, _, _, session, token, text = line.rstrip(b'\\n').split(b'|', 7)\n"
        "    text = text.replace(b'Subject: test', b'Subject: \\x1b[31mSPAM')\n"
        "    out.write(b'filter-dataline|%s|%s|%s\\n' % (session, token, text))\n"
        "    out.flush()\n"
    )
    done = replay(TESTS / "transcripts" / "7.8.0p1" / "plain.txt", sys.executable, str(script), options=("-v",))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 added, 1 removed\n    -Subject: test\n    +Subject: \\x1b[31mSPAM\n" in done.stdout


@pytest.mark.daemon
@pytest.mark.parametrize("version", VERSIONS)
def test_a_filter_in_c_that_is_not_ours(tmp_path: Path, version: str) -> None:
    program = next((path for path in C_SIGNERS if os.access(path, os.X_OK)), None)
    if program is None:
        pytest.skip("opensmtpd-filter-dkimsign is not installed")
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    command = (program, "-d", "example.org", "-s", "mail", "-k", str(key))
    done = replay(TESTS / "transcripts" / version / "plain.txt", *command, options=("-v",))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "+DKIM-Signature: v=1; a=rsa-sha256;" in done.stdout
    assert rows(done.stdout)[0] == ["data-line", "13 lines", "7 added, 0 removed"]


def test_a_recording_is_replayed(tmp_path: Path) -> None:
    """replay against record: what was kept of one run gives the same verdicts in another."""
    wire = tmp_path / "wire"
    recorder = [sys.executable, "-m", "filterctl", "record", str(wire), "--", sys.executable, ECHO]
    first = replay(TESTS / "transcripts" / "7.8.0p1" / "plain.txt", *recorder)
    assert first.returncode == 0, first.stdout + first.stderr
    second = replay(wire, sys.executable, ECHO)
    assert second.returncode == 0, second.stdout + second.stderr
    assert rows(second.stdout) == rows(first.stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: filterctl replay"),
        (["{plain}"], "the command stands behind --"),
        (["-t", "0", "{plain}", "--", "true"], "-t 0: seconds up to 3600"),
        (["/nonexistent", "--", "true"], "/nonexistent: No such file or directory"),
        (["{empty}", "--", "true"], "nofilter_listener.txt: no traffic in it"),
        (["{plain}", "--", "no-such-filter"], "no-such-filter: no such program"),
    ],
)
def test_what_is_wrong_is_told(arguments: list[str], message: str) -> None:
    folder = TESTS / "transcripts" / "7.8.0p1"
    names = {"{plain}": str(folder / "plain.txt"), "{empty}": str(folder / "nofilter_listener.txt")}
    command = [sys.executable, "-m", "filterctl", "replay", *(names.get(word, word) for word in arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
