"""Every example of docs/writing-a-filter.md is run as it stands there: filters, their tests, and the type checker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "writing-a-filter.md"
BLOCK = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples as files of one directory."""
    folder = tmp_path_factory.mktemp("examples")
    for name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python there."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def test_the_page_has_examples(examples: Path) -> None:
    names = {path.stem for path in examples.iterdir()}
    filters = {name for name in names if name.startswith("filter_")}
    assert len(filters) >= 5
    assert names - filters == {f"test_{name}" for name in filters}


def test_every_block_is_checked() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) == text.count("```python")


def test_the_tests_of_the_page_pass(examples: Path) -> None:
    done = run(examples, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(examples))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_examples_are_typed(examples: Path) -> None:
    done = run(examples, "-m", "mypy", "--strict", "--cache-dir", str(examples / "cache"), str(examples))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_examples_import_what_they_use(examples: Path) -> None:
    done = run(
        examples, "-m", "ruff", "check", "--no-cache", "--isolated", "--select", "E,F,B", "--line-length", "110", "."
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["filter_nordns", "filter_patience", "filter_mx", "filter_size", "filter_words"])
def test_they_are_programs_with_the_common_options(examples: Path, name: str) -> None:
    assert run(examples, f"{name}.py", "-V").returncode == 0
    done = run(examples, f"{name}.py", "-z")
    assert (done.returncode, "usage: " in done.stderr) == (1, True)
