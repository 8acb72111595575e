"""What the documentation shows, block by block, and what each block is: so that each can be run or read by a test.

Blocks are fences and indented lines of Markdown, and displays (``.Dl``, ``.Bd``) of manual pages. `kind_of` tells what
a block is from its words, or from `TABLES` and `FORMS`, which name the few that only a reader could tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENTS: Final = sorted(
    [
        *(ROOT / "man").glob("*.[1-9]"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "debian/opensmtpd-filters.README.Debian",
    ]
)


class Kind(Enum):
    """What a block is, and so what is done with it."""

    PYTHON = "run"
    CONF = "lines of smtpd.conf: smtpd and filterctl check take them"
    CHAIN = "members of filter-chain: filterctl check takes them"
    SHELL = "commands, with or without what they print: run, and compared"
    CRON = "lines of a crontab: their commands are run"
    TABLE = "a file that an option names: its filter starts with it"
    LOG = "lines of a filter: the readers of logs find their keys"
    HEADER = "a field that a filter writes"
    PF = "a rule of pf.conf, which only OpenBSD can read: looked at"
    FORM = "a grammar, a formula, a way: nothing to run"


class Block(NamedTuple):
    """One block as a reader sees it. language: the word behind a fence."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def first(self) -> str:
        """The first line that is no comment."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        return next((line for line in lines if not line.startswith("# ") or is_command(line)), lines[0])


#: Programs that a block of commands may begin with.
PROGRAMS: Final = frozenset(
    [
        "apt-get",
        "cat",
        "chgrp",
        "chmod",
        "cd",
        "crontab",
        "curl",
        "echo",
        "eval",
        "filterctl",
        "grep",
        "install",
        "make",
        "pfctl",
        "pip",
        "pkg_add",
        "python3",
        "rcctl",
        "smtpctl",
        "smtpd",
        "spamassassin",
        "spamdb",
        "systemctl",
        "tail",
        "useradd",
    ]
)
MEMBERS: Final = {path.parent.name.removeprefix("filter_") for path in ROOT.glob("filters/filter_*/options.py")}

#: (page, first word): the command that reads such a file, which stands for {}.
TABLES: Final[dict[tuple[str, str], str]] = {
    ("filter-auth.8", "host:.forwarder.example.net"): "filter-auth -l {}",
    ("filter-dkimsign.8", "alice"): "filter-dkimsign -m {} -K /etc/mail/dkim/keys",
    ("filter-dkimsign.8", "example.org"): "filter-dkimsign -K {}",
    ("filter-dnsbl.8", "zen.example.org=127.0.0.[2..9]*3"): "filter-dnsbl -f {}",
    ("filter-dyndns.8", "5"): "filter-dyndns -f {}",
    ("filter-spamassassin.8", "alice@example.org"): "filter-spamassassin -r file:{}",
    ("filter-spamassassin.8", "bad.example.com"): "filter-spamassassin -s {}",
    ("lists.conf.5", "order"): "",
    ("lists.conf.5", "drop"): "filterctl lists check -c {}",
    ("lists.conf.5", "xx"): "filterctl lists check -c {}",
    ("spamd.md", "xx"): "filterctl lists check -c {}",
}

#: (page, first word): what it shows that nobody can run.
FORMS: Final[dict[tuple[str, str], str]] = {
    ("lists.conf.5", "name"): "the grammar of a line",
    ("filterctl.8", "GREY|ip|helo|<from>|<to>|first|pass|expire|block|pass"): "the columns of the listing",
    ("design.md", "stdin"): "the way of the data",
    ("design.md", "filters/filter_X/"): "the tree",
    ("two-servers.md", "SELECT"): "questions to a panel's database",
    ("smarthost.md", "pf"): "the way of a message",
    ("smarthost.md", "smtpd"): "the way of a message",
    ("scaling.md", "tuples"): "formulas",
    ("runbook.md", "header"): "SpamAssassin's own configuration",
}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n(?:\n(?= {4}))?)+", re.MULTILINE)
_LINE_OF = re.compile(r"^\.Dl (.*)$", re.MULTILINE)
_DISPLAY = re.compile(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", re.MULTILINE)
_ESCAPES: Final = {r"\e": "\\", r"\(dq": '"', r"\(aq": "'", r"\&": "", r"\-": "-"}
_ESCAPE = re.compile(r"\\(?:\(..|[e&-])")

PROMPTS: Final = ("# ", "$ ")
_CONF = re.compile(r"(?:filter|proc|listen|action|match|table|pki|srs|smtp) ")
_CRON = re.compile(r"(?:[\d*,/-]+ ){5}")
_LOG = re.compile(r"(?:[\w-]+: )?(?:[0-9a-f]{16} [a-z-]+|key|confined|dropped) [a-z]+=")
_HEADER = re.compile(r"[A-Z][\w-]+: ")


def shown(text: str) -> str:
    """Literal text of a manual page as its reader sees it."""
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)


def is_command(line: str) -> bool:
    """Whether a line is a command, with or without a prompt."""
    word = line.removeprefix("# ").removeprefix("$ ").split(" ")[0].strip()
    return word in PROGRAMS or word.startswith(("./", ".venv/", "filter-")) or bool(re.match(r"[a-z]+=", word))


class Command(NamedTuple):
    """A command of a block, and what the block says that it prints. user: "user" behind a dollar sign, else "root"."""

    text: str
    user: str
    output: str


def commands_of(block: Block) -> list[Command]:
    """The commands of a block, each with all of its lines, as far as backslashes say."""
    lines = re.sub(r"\\\n[ \t]*", "", block.text).splitlines()
    prompted = any(line.startswith(PROMPTS) and is_command(line) for line in lines)
    found: list[Command] = []
    for line in lines:
        if prompted and not (line.startswith(PROMPTS) and is_command(line)):
            last = found.pop()
            found.append(last._replace(output=f"{last.output}{line}\n"))
        elif line.strip():
            found.append(Command(line[2:] if prompted else line, "user" if line.startswith("$") else "root", ""))
    return found


def blocks_of(path: Path) -> Iterator[Block]:
    """Every block of a page, in order of its kind of markup."""
    text = path.read_text(encoding="utf-8")

    def block(found: re.Match[str], language: str, body: str) -> Block:
        return Block(path.name, text.count("\n", 0, found.start()) + 1, language, body)

    if path.parent.name == "man":
        for pattern in (_LINE_OF, _DISPLAY):
            yield from (block(found, "", shown(found[1])) for found in pattern.finditer(text))
        return
    for found in _FENCE.finditer(text):
        yield block(found, found[1], found[2])
    prose = _FENCE.sub(lambda fence: re.sub(r"[^\n]+", "-", fence[0]), text)
    for found in _INDENTED.finditer(prose):
        yield block(found, "", re.sub(r"^ {4}", "", found[0], flags=re.MULTILINE))


def kind_of(block: Block) -> Kind:
    """What a block is. Raises LookupError if nothing tells."""
    first = block.first
    word = first.split()[0]
    if (block.page, word) in TABLES:
        return Kind.TABLE
    if (block.page, word) in FORMS:
        return Kind.FORM
    if block.language == "python" or (block.page.endswith(".3") and word in {"from", "class", "def"}):
        return Kind.PYTHON
    if is_command(first):
        return Kind.SHELL
    for pattern, kind in ((_CONF, Kind.CONF), (_CRON, Kind.CRON), (_LOG, Kind.LOG), (_HEADER, Kind.HEADER)):
        if pattern.match(first):
            return kind
    if word in MEMBERS:
        return Kind.CHAIN
    if first.startswith(("pass in ", "pass out ")):
        return Kind.PF
    raise LookupError(f"{block.name}: what is it? say so in {Path(__file__).name}: {first!r}")


def names_on_debian() -> dict[str, str]:
    """What opensmtpd-filters(7) says is called otherwise there, the longest first."""
    page = (ROOT / "man/opensmtpd-filters.7").read_text(encoding="utf-8")
    rows = re.findall(r"^\.It (?:Pa|Li) (.+) Ta (?:Pa|Li) (.+)$", page, re.MULTILINE)
    return dict(sorted(rows, key=lambda row: -len(row[0])))


def on_debian(text: str) -> str:
    """The same with Debian's names."""
    for name, there in names_on_debian().items():
        text = re.sub(rf"(?<![\w/.]){re.escape(name)}(?!\w)", there, text)
    return text


def all_blocks(*kinds: Kind) -> list[Block]:
    """Every block of the documentation that is of one of these kinds; one of no kind is the matter of its own test."""
    found = []
    for block in (block for path in DOCUMENTS for block in blocks_of(path)):
        with suppress(LookupError):
            if kind_of(block) in kinds:
                found.append(block)
    return found
