"""Nothing that the documentation shows is left unlooked at: each block is of a kind, and each kind has its test.

Commands, configurations and tables are run in tests/smtpd/test_documents*.py; Python in test_filter_api_page.py and
test_writing_a_filter.py. What remains is here.
"""

from __future__ import annotations

import email
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from filter_api.text.escape import parse_pairs
from filterctl.__main__ import VERBS
from tests.docs.displays import DOCUMENTS, FORMS, ROOT, TABLES, Block, Kind, all_blocks, blocks_of, commands_of, kind_of
from tests.docs.unrun import UNRUN, why_unrun

MAILLOG = (ROOT / "tests/transcripts/maillog").read_text(encoding="utf-8")
LOGGED = re.compile(r"smtpd\[\d+\]: ([a-z]+): ([0-9a-f]{16} [a-z-]+|key|confined) (.*)")


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_block_is_of_a_kind(page: Path) -> None:
    for block in blocks_of(page):
        kind_of(block)


def test_the_blocks_are_found() -> None:
    """As many as there are marks in the pages, and some of every kind."""
    for page in DOCUMENTS:
        text = page.read_text(encoding="utf-8")
        found = len(list(blocks_of(page)))
        if page.parent.name == "man":
            assert found == len(re.findall(r"^\.(?:Dl|Bd)\b", text, re.MULTILINE)), page.name
        else:
            assert found >= text.count("\n```") // 2, page.name
    for kind in Kind:
        assert all_blocks(kind), kind


def test_what_only_a_reader_could_tell_is_still_there() -> None:
    shown = {(block.page, block.first.split()[0]) for page in DOCUMENTS for block in blocks_of(page)}
    assert {*TABLES, *FORMS} <= shown


def test_a_block_of_no_kind_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"x\.8:7: what is it\? "):
        kind_of(Block("x.8", 7, "", "colourless green ideas\n"))


def lines_of_the_log(name: str, phase: str) -> list[dict[str, str]]:
    return [
        parse_pairs(rest)
        for who, what, rest in LOGGED.findall(MAILLOG)
        if what.split()[-1] == phase and name in {who, ""}
    ]


@pytest.mark.parametrize("block", all_blocks(Kind.LOG), ids=lambda block: block.name)
def test_log_lines_have_the_keys_of_real_ones(block: Block) -> None:
    """In the order in which a filter writes them, but for what only a mail of its own would show."""
    name = block.page.partition(".")[0].removeprefix("filter-")
    joined = re.sub(r"\n\s+", " ", block.text)
    lines = [line for line in joined.splitlines() if not line.startswith("key note=")]  # of a key that changes
    for line in lines:
        head, pairs = re.match(r"(?:\w+: )?((?:[0-9a-f]{16} )?[a-z-]+) (.*)", line).groups()  # type: ignore[union-attr]
        shown = list(parse_pairs(pairs.replace(" ...", "")))
        real = lines_of_the_log("" if name in {"chain", "opensmtpd-filters"} else name, head.split()[-1])
        assert any(shown == [key for key in each if key in shown] for each in real), (line, real)


def test_the_field_of_a_header_is_one() -> None:
    (block,) = all_blocks(Kind.HEADER)
    parsed = email.message_from_string(block.text)
    assert parsed.keys() == ["Authentication-Results", "X-Spam"]


def test_the_rule_of_pf_lets_in_what_filters_see() -> None:
    (block,) = all_blocks(Kind.PF)
    assert block.text.strip() == "pass in on egress proto tcp to any port { smtp submission smtps }"


@pytest.mark.parametrize(
    "command",
    [
        command.text.replace("/var/log/maillog", "maillog")
        for block in all_blocks(Kind.SHELL)
        for command in commands_of(block)
        if command.text.startswith("grep ") and "/var/log/maillog" in command.text
    ],
)
def test_what_is_looked_for_in_a_log_is_found(command: str) -> None:
    words = shlex.split(command, comments=True)
    done = subprocess.run(words, cwd=ROOT / "tests/transcripts", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


# --- commands that nobody runs ---------------------------------------------------------------------------------------

LEFT = [
    pytest.param(command.text, id=f"{block.name} {command.text[:30]}")
    for block in all_blocks(Kind.SHELL)
    for command in commands_of(block)
    if why_unrun(command.text)
]
_OPENBSD_USERADD = "bcdefGgkLmoprsuv"


def test_each_reason_is_needed() -> None:
    texts = [str(parameter.values[0]) for parameter in LEFT]
    assert [begin for begin in UNRUN if not any(re.match(begin, text) for text in texts)] == []
    assert len(texts) < 40


@pytest.mark.parametrize("command", LEFT)
def test_what_is_not_run_names_what_there_is(command: str) -> None:
    words = [word for word in re.split(r"\s{2,}|\s+#", command)[0].split() if not re.match(r"[A-Z_]+=", word)]
    if words[0] == "make":
        done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    elif words[0] in {"apt-get", "python3"}:
        played = (ROOT / "tests/packaging/test_installing.py").read_text()
        assert all(word in played for word in {"apt-get": ["dpkg -i"], "python3": ["venv", "/opt/filters"]}[words[0]])
    elif words[0] == "useradd":
        assert {word[1] for word in words if word.startswith("-")} <= set(_OPENBSD_USERADD)
    elif words[0] == "filterctl":
        assert words[1] in VERBS
    elif words[0] in {"cd", "eval"} or "=" in words[0]:
        assert all(verb in VERBS for verb in re.findall(r"filterctl (\w+)", command))
    elif words[0] == ".venv/bin/pytest":
        assert all((ROOT / word).exists() for word in words[1:])
    elif words[:2] == [".venv/bin/python", "-m"] and words[2].startswith("tools.soak"):
        done = subprocess.run(
            [sys.executable, *words[1:3], "-h"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert all(word in done.stdout for word in words[3:] if word.startswith("-")), done.stdout + done.stderr
    else:
        assert words[:3] == [".venv/bin/python", "-m", "bench.run"]
        code = f"import sys; from bench.run import PARTS; sys.exit(not set({words[4:]!r}) <= set(PARTS))"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
