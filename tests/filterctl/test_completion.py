"""Completion of filterctl, in the shells it is for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from filterctl.__main__ import main

BASH = """
{script}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_filterctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

#: zsh without a line to edit: what is handed to _describe is printed.
ZSH = """
compdef() {{ :; }}
_describe() {{ local one; for one in "${{(@P)2}}"; do print -r -- "${{one%%:*}}"; done }}
_files() {{ print files }}
{script}
words=({words}); CURRENT=$#words
_filterctl
"""


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def run_in(shell: str, text: str) -> list[str]:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    words = {"bash": ["--norc"], "zsh": ["-f"], "mksh": []}[shell]
    done = subprocess.run([path, *words], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


CASES = [
    ('filterctl "qua"', ["quarantine"]),
    ('filterctl "re"', ["ready", "record", "reload", "replay", "report"]),
    ('filterctl dkim "key"', ["keygen"]),
    ('filterctl dkim keygen "-"', ["-a", "-b", "-d", "-s"]),
    ('filterctl quarantine -q /tmp/q release "-"', ["-a", "-f", "-m", "-n", "-s", "-t"]),
    ('filterctl report messages -m from=x "-k"', ["-k"]),
    ('filterctl nonsense "x"', []),
]


@pytest.mark.parametrize(("words", "found"), CASES)
def test_bash(words: str, found: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_in("bash", BASH.format(script=script("bash", capsys), words=words)) == found


def test_bash_completes_filterctl_by_it_and_files_where_nothing_fits(capsys: pytest.CaptureFixture[str]) -> None:
    told = run_in("bash", script("bash", capsys) + "\ncomplete -p filterctl\n")
    assert told == ["complete", "-o", "bashdefault", "-o", "default", "-F", "_filterctl", "filterctl"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ('filterctl ""', {"why", "report", "quarantine"}),
        ('filterctl dkim ""', {"keygen", "rotate"}),
        ('filterctl dkim keygen ""', {"-a", "-b", "-d", "-s"}),
        ('filterctl quarantine -q /tmp/q release ""', {"-m", "-t"}),
    ],
)
def test_zsh(words: str, found: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert found <= set(run_in("zsh", ZSH.format(script=script("zsh", capsys), words=words)))


def test_zsh_takes_it_from_a_directory_of_fpath(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "_filterctl").write_text(script("zsh", capsys))
    text = f"fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -D -u; print $_comps[filterctl]\n"
    assert run_in("zsh", text) == ["_filterctl"]


def test_ksh(capsys: pytest.CaptureFixture[str]) -> None:
    text = script("ksh", capsys)
    told = run_in("mksh", text + '\nprint -r -- "${complete_filterctl_1[*]}"\nprint -r -- "${complete_filterctl_2[*]}"')
    assert {"why", "dkim", "quarantine", "keygen", "messages"} <= set(told)
    assert "" not in told
    assert not any(word.startswith("-") for word in told)


def test_an_unknown_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 1
    assert "unknown verb fish: bash, ksh, zsh" in capsys.readouterr().err
