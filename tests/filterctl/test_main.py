"""The verb table: usage, errors, and that no verb needs another's modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filterctl.__main__ import VERBS, load, main, usage


def filterctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "filterctl", *arguments]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_alone_it_prints_its_verbs() -> None:
    done = filterctl()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", usage())
    assert all(f"filterctl {verb} " in done.stderr for verb in VERBS)


def test_an_unknown_verb_is_named_printably() -> None:
    done = filterctl("sh\x1b[31mow")
    assert done.returncode == 1
    assert done.stderr == "filterctl: unknown verb: sh\\x1b[31mow\n" + usage()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain"], "explain: what shall be explained?"),
        (["explain", "weather"], "explain: unknown: weather (known: dnsbl, dyndns, greylist, rdns, sender-score)"),
        (["check", "/nonexistent"], "check: /nonexistent: No such file or directory"),
        (["check", "one", "two"], "usage: filterctl check"),
        (["check", "-q", "x"], "check: option -q not recognized"),
    ],
)
def test_errors_are_one_line_and_status_1(arguments: list[str], message: str) -> None:
    done = filterctl(*arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_part_that_is_not_installed_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^no-such-part is not installed$"):
        load("no_such_part.ctl", "run")


def test_a_broken_module_is_not_taken_for_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttributeError):
        load("filterctl.explain", "no_such_function")


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_is_there(verb: str) -> None:
    assert callable(load(VERBS[verb].module, VERBS[verb].function))


def test_a_reader_that_leaves_is_no_error() -> None:
    script = (
        "import sys, filterctl.__main__ as program, filterctl.explain\n"
        "def chatter(arguments):\n"
        "    print('x' * 100_000)\n"
        "    return 0\n"
        "filterctl.explain.run = chatter\n"
        "sys.argv = ['filterctl', 'explain']\n"
        "program.run()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, complaints = process.communicate(timeout=20)
    assert (process.returncode, complaints) == (0, b"")


def test_what_a_terminal_has_no_letter_for_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "exempt").write_text("192.0.2.7  # 2026-11-28 ann: \u2603\n", encoding="utf-8")
    (tmp_path / "smtpd.conf").write_text(f'filter "rdns" proc-exec "filter-rdns -W {tmp_path}/exempt"\n')
    done = subprocess.run(
        [sys.executable, "-m", "filterctl", "allow", "-l", "-f", f"{tmp_path}/smtpd.conf"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"2026-11-28 ann \\u2603\n")


def test_starting_loads_no_library_of_a_filter() -> None:
    script = "import sys, filterctl.__main__; print(sorted(set(sys.modules) & {'dns', 'redis', 'cryptography'}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_main_gives_the_status_of_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert capsys.readouterr().err == usage()
