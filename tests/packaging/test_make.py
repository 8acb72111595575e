"""The Makefile is the same to GNU make and to BSD make: each target gives the same commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text().replace("\\\n", " ")
TARGETS = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
#: What one of the two has alone: functions and conditions of GNU make, loops and modifiers of BSD make, and the rules
#: and variables that the other reads otherwise.
OF_ONE_ALONE = re.compile(
    r"\$[({](shell|wildcard|patsubst|subst|foreach|call|eval|if|or|and|filter|filter-out|sort|word|words|firstword"
    r"|dir|notdir|basename|addprefix|addsuffix|strip|info|error|warning|realpath|abspath|origin|value|file)[ \t]"
    r"|^(ifeq|ifneq|ifdef|ifndef|else|endif|define|endef|export|unexport|override|vpath|include|-include|undefine)\b"
    r"|^\.(if|ifdef|ifndef|else|elif|endif|for|endfor|include|sinclude|undef|error|export|ONESHELL|SECONDEXPANSION"
    r"|RECIPEPREFIX|SHELLFLAGS|SHELL|DELETE_ON_ERROR|NOTPARALLEL|CURDIR|OBJDIR)\b"
    r"|\$[\^+|%]|\$[({][\^+|%<]|[$][({][A-Za-z_.]+:[^)}=\n]*[)}]|[$][({](CURDIR|MAKEFILE_LIST|MAKECMDGOALS|\.[A-Z]+)"
    r"|^[A-Za-z_]+ *(::+=|:::=|!=)|^[^\t\n#=]*%[^=\n]*:|^[^\t\n#=]+:[^=\n]*\|",
    re.MULTILINE,
)


def commands(program: str, target: str) -> list[str]:
    """What it would run, a command each, with blanks as one."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    words = [program, "-n", target, "DESTDIR=/nowhere", "VENV=/nowhere/venv"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    text = re.sub(r"\s*\\\n\s*", " ", done.stdout)
    return [" ".join(line.split()) for line in text.splitlines() if "Entering" not in line and "Leaving" not in line]


@pytest.mark.parametrize("target", TARGETS[1].split() if TARGETS else [])
def test_both_would_run_the_same(target: str) -> None:
    gnu, bsd = commands("make", target), commands("bmake", target)
    assert bsd
    # GNU make goes into a second make to tell what that would run; BSD make only names it.
    called = [line for line in bsd if line.startswith("bmake ")]
    for line in called:
        at = bsd.index(line)
        bsd[at : at + 1] = [line.replace("bmake", "make", 1), *commands("bmake", line.split()[1])]
    assert [line for line in dict.fromkeys(gnu) if not line.startswith("make")] == [
        line for line in dict.fromkeys(bsd) if not line.startswith("make")
    ]


def test_every_target_is_known() -> None:
    """All that stands before a colon is tried above, but for the file that marks what is made."""
    found = {word for line in re.findall(r"^([a-z][a-z -]*):", MAKEFILE, re.MULTILINE) for word in line.split()}
    assert TARGETS is not None
    assert found == set(TARGETS[1].split())


def test_nothing_stands_in_it_that_one_of_them_has_alone() -> None:
    assert OF_ONE_ALONE.search(MAKEFILE) is None


@pytest.mark.parametrize(
    "line",
    [
        "X = $(shell uname)",
        "X = $(wildcard man/*)",
        "ifeq ($(X),y)",
        "include other.mk",
        "export X",
        "%.o: %.c",
        "all: $^",
        "\tcc $^",
        "X = $(Y:.c=.o) ${Z:T}",
        "X != uname",
        ".for x in a b",
        ".include <bsd.port.mk>",
        "all: a | b",
        "\tcd $(CURDIR)",
        "\tcd ${.CURDIR}",
        ".ONESHELL:",
    ],
)
def test_it_would_be_seen(line: str) -> None:
    assert OF_ONE_ALONE.search(f"# comment\n{line}\n")
