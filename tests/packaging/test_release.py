"""What a release ends with when something needed is vulnerable, or nobody can be asked; its tools are played."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
WELL: list[dict[str, Any]] = [
    {"name": "dnspython", "version": "2.9.2", "vulns": []},
    {"name": "typing-extensions", "version": "4.1", "vulns": []},
]
BAD = {"name": "dnspython", "version": "2.9.2", "vulns": [{"id": "CVE-2023-29483", "fix_versions": ["2.6.0"]}]}
SKIPPED = {
    "name": "dnspython",
    "skip_reason": "Dependency not found on PyPI and could not be audited",
}

#: By name: what the tools do that build and list.
TOOLS = {
    "python": """case "$*" in
"-m hatchling version") echo 1.0.0 ;;
"-m hatchling build -d "*) mkdir -p "$5"; echo wheel >"$5/x-1.0.0-py3-none-any.whl"; echo sdist >"$5/x-1.0.0.tar.gz" ;;
"-m venv --without-pip "*) mkdir -p "$4/bin" ;;
-\\ *) exec {python} "$@" ;;
*) exit 9 ;;
esac""",
    "pip": """case "$*" in
*freeze*) echo dnspython==2.9.2; echo typing_extensions==4.1 ;;
esac""",
    "cyclonedx-py": """while [ "$1" != -o ]; do shift; done; echo '{{}}' >"$2" """,
}


class Released(NamedTuple):
    """status and text of the recipe; files: what it left, without hidden ones."""

    status: int
    told: str
    files: set[str]


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def released(folder: Path, answer: list[dict[str, Any]] | None, status: int, *variables: str) -> Released:
    """A release of a small project. answer: what pip-audit finds and then ends with a status; None: it cannot ask."""
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools/release", folder / "tools")
    (folder / ".gitignore").write_text("build\n")
    (folder / "pyproject.toml").write_text('[project]\ndynamic = ["version"]\n')
    tools = folder / "build/release-tools/bin"
    tools.mkdir(parents=True)
    for name, text in TOOLS.items():
        program(tools / name, text.format(python=sys.executable))
    write = "" if answer is None else f"cat >\"$5\" <<'END'\n{json.dumps({'dependencies': answer})}\nEND\n"
    program(tools / "pip-audit", f"shift\n{write}echo what pip-audit says >&2\nexit {status}")
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    environment = {**os.environ, "PYTHON": str(tools / "python")} | dict(each.split("=") for each in variables)
    done = subprocess.run(
        ["sh", "tools/release"], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    out = folder / "build/release"
    return Released(done.returncode, done.stdout + done.stderr, {path.name for path in out.iterdir()})


def test_what_is_known_to_be_well_is_released(tmp_path: Path) -> None:
    made = released(tmp_path, WELL, 0)
    assert made.status == 0, made.told
    assert made.files == {"x-1.0.0-py3-none-any.whl", "x-1.0.0.tar.gz", "sbom.json", "runtime.txt", "SHA256"}
    listed = [line.split()[1] for line in (tmp_path / "build/release/SHA256").read_text().splitlines()]
    assert listed == ["./x-1.0.0-py3-none-any.whl", "./x-1.0.0.tar.gz", "sbom.json"]


@pytest.mark.parametrize("variables", [[], ["UNAUDITED=yes"]])
def test_what_is_vulnerable_is_not_released_whatever_was_said(variables: list[str], tmp_path: Path) -> None:
    made = released(tmp_path, [BAD, WELL[1]], 1, *variables)
    assert made.status == 1
    assert "dnspython==2.9.2 vulnerable: CVE-2023-29483\n" in made.told
    assert "SHA256" not in made.files


@pytest.mark.parametrize(
    ("answer", "status"), [([SKIPPED, WELL[1]], 0), ([WELL[1]], 0), (None, 1)], ids=["skipped", "left out", "silent"]
)
def test_a_release_without_an_audit_does_not_pass_silently(
    answer: list[dict[str, Any]] | None, status: int, tmp_path: Path
) -> None:
    made = released(tmp_path, answer, status)
    assert made.status == 2, made.told
    assert "dnspython==2.9.2 not audited\n" in made.told
    assert ("typing-extensions==4.1 not audited" in made.told) is (answer is None)
    assert ("what pip-audit says" in made.told) is (answer is None)
    assert "make release UNAUDITED=yes" in made.told
    assert "SHA256" not in made.files


def test_taken_as_it_is_it_says_in_a_file_what_was_not_audited(tmp_path: Path) -> None:
    made = released(tmp_path, [SKIPPED, WELL[1]], 0, "UNAUDITED=yes")
    assert made.status == 0, made.told
    assert "release: taken without an audit" in made.told
    assert (tmp_path / "build/release/UNAUDITED").read_text() == "dnspython==2.9.2 not audited\n"
    assert (tmp_path / "build/release/SHA256").read_text().endswith("  UNAUDITED\n")
