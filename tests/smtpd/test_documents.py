"""Every command that README, manual pages and docs show is typed on a Debian with everything, and works as shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.docs.displays import ROOT, Block, Command, Kind, all_blocks, commands_of
from tests.docs.unrun import why_unrun
from tests.smtpd import record_maillog
from tests.smtpd.documents import HOME, USER, System, open_system
from tests.smtpd.documents_prepared import prepare
from tools.private_smtpd import wait_until

_QUESTION: Final = re.compile(
    r"filterctl (?:explain|(?:greylist|auth|dnsbl) explain|dkim (?:verify|check|rotate)|doctor|check|reload|status)\b"
)
"""What answers by its exit status: 1 is a no, and the output says why."""
_COMPLAINT: Final = re.compile(
    r"^(?:usage: |filterctl: |sh: |smtpctl: |grep: |Traceback|possibilities are)", re.MULTILINE
)
EXPECTED: Final = {"./filter-nordns -z": "usage: "}
"""What is shown because it fails."""
FETCHERS: Final = "filterctl lists"
"""Typed as _filterlists, who owns the directory of the lists, wherever a page has a dollar sign."""

BLOCKS: Final = [
    block for block in all_blocks(Kind.SHELL) if not all(why_unrun(each.text) for each in commands_of(block))
]


@pytest.fixture(scope="module")
def system(newest: str) -> Iterator[System]:
    with open_system(newest) as made:
        yield made


def typed(system: System, command: Command, cwd: str) -> str:
    """What it prints. Fails if it did not work."""
    text = system.here(command.text)
    user = "root" if command.user == "root" else "_filterlists" if text.startswith(FETCHERS) else USER
    code, output = system.type(text, user=user, cwd="/" if user == "_filterlists" else cwd)
    words = re.sub(r"\s+#.*", "", command.text)
    told = f"{user} types {text!r}: status {code}\n{output}"
    if words in EXPECTED:
        assert EXPECTED[words] in output, told
        return output
    assert not _COMPLAINT.search(output), told
    assert code == 0 or (code in {1, 75} and _QUESTION.match(text)), told
    assert output or not re.match(r"(?:grep|tail|cat|filterctl (?:why|report messages)) [^>|]*$", words), told
    return output


def pattern(shown: str) -> re.Pattern[str]:
    """What a page shows, for any numbers, ids and keys; between its lines there may be more, "..." stands for more."""
    parts = []
    for line in shown.splitlines():
        text = re.sub(r"[0-9a-f]{16}|\.\.\.|[A-Za-z0-9+/]{40,}=*|\d+(?:\.\d+)?|\s+", "\0\\g<0>\0", line.strip())
        parts.append("".join(_any(word) for word in text.split("\0")))
    return re.compile(r"[\s\S]*?".join(parts))


def _any(word: str) -> str:
    if re.fullmatch(r"[0-9a-f]{16}", word):
        return r"[0-9a-f]{16}"
    if re.fullmatch(r"\d+(?:\.\d+)?", word):
        return r"\d+(?:\.\d+)?"
    if word == "..." or re.fullmatch(r"[A-Za-z0-9+/]{40,}=*", word):
        return r"\S*"
    return r"\s+" if word.isspace() else re.escape(word)


def compared(command: Command, shown: str) -> str:
    """What of the shown output is compared: of what a filter tells of itself the names, as its state is another."""
    if not command.text.startswith("filterctl status"):
        return shown
    return "".join(f"{line.strip().split(' ')[0]}\n" for line in shown.splitlines())


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_what_a_page_tells_to_type_works(system: System, block: Block) -> None:
    prepare(system, block)
    cwd = HOME
    for command in commands_of(block):
        if command.text.startswith("cd "):
            cwd = command.text.removeprefix("cd ")
        elif not why_unrun(command.text):
            output = typed(system, command, cwd)
            shown = compared(command, system.here(command.output))
            assert pattern(shown).search(output), f"{block.name} shows\n{shown}\nbut it is\n{output}"


def test_the_comparison_can_fail() -> None:
    shown = "  +3  zen.example.org   127.0.0.2\n   1  accepted\n"
    assert pattern(shown).search("    +3  zen.example.org                  127.0.0.2\n     1  accepted\n")
    assert not pattern(shown).search("    +3  zen.example.com                  127.0.0.2\n     1  accepted\n")
    assert not pattern(shown).search("    +3  zen.example.org                  127.0.0.2\n")


def section(title: str) -> Block:
    """The commands under a heading of the runbook."""
    text = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    line = text[: text.index(f"### {title}")].count("\n")
    return next(block for block in all_blocks(Kind.SHELL) if block.page == "runbook.md" and block.line > line)


def told(system: System) -> str:
    """What somebody at home is told who sends a mail."""
    return record_maillog.home(system.stage).answer


def test_who_is_to_be_let_in_is_let_in_with_the_configuration_of_the_examples(system: System) -> None:
    system.reset()
    assert told(system).startswith("550 5.7.1 mail from residential")
    let_in = commands_of(section("Somebody must be let through, now"))[1]
    assert let_in.text.startswith("filterctl allow -t 7 -c ")
    typed(system, let_in, HOME)
    wait_until(lambda: told(system).startswith("250 "), 20, "still refused")


def test_who_is_to_be_kept_out_is_kept_out(system: System) -> None:
    system.reset()
    keep_out = commands_of(section("Somebody must be kept out"))[0]
    assert keep_out.text.startswith("filterctl deny -c spam 203.0.113.7 ")
    typed(system, keep_out, HOME)
    wait_until(lambda: told(system).startswith("550 5.7.1 Your address 203.0.113.7 is black"), 20, "not kept out")
