"""What has come of the mutants: mutmut's own records, one file beside each mutated one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from .parts import Part
from .room import ROOMS

KILLED = frozenset({1, 3, -24, 24, 152, 255, 36})
"""mutmut's statuses of a mutant that a test has told of, or that ran until its time was over."""
SEED = 1
"""Of samples, so that they are the same each time."""


@dataclass
class Module:
    """The mutants of one module by their names, with mutmut's status of each; None is untried."""

    path: str
    statuses: dict[str, int | None] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        return sum(status is not None for status in self.statuses.values())

    @property
    def killed(self) -> int:
        return sum(status in KILLED for status in self.statuses.values())

    def alive(self) -> list[str]:
        """Those that were tried and not killed: they survived, no test calls them, or pytest found no test."""
        return [name for name, status in self.statuses.items() if status is not None and status not in KILLED]

    def sample(self, size: int | None) -> list[str]:
        """So many mutants drawn by chance, all if there are not more.

        A larger sample has what a smaller one has, and so has one of a module that has changed, as far as they remain.
        """
        return sorted(self.statuses, key=lambda name: hashlib.sha256(f"{SEED} {name}".encode()).digest())[:size]


def modules(part: Part) -> list[Module]:
    """Every module of a part that has mutants, as far as they were made."""
    tree = ROOMS / part.name / "mutants"
    found = []
    for pattern in part.code:
        for record in sorted(tree.glob(f"{pattern}.meta")):
            statuses = json.loads(record.read_text())["exit_code_by_key"]
            if statuses:
                found.append(Module(str(record.relative_to(tree)).removesuffix(".meta"), statuses))
    return found


def tests_have_changed(room: Path) -> bool:
    """Whether a test is another than at the last time, so that survivors are to be tried again. Kills stand."""
    digest = hashlib.sha256()
    for path in sorted((room / "tests").rglob("*.py")):
        digest.update(path.read_bytes())
    seen = room / "tests.sha256"
    known = seen.read_text() if seen.exists() else ""
    seen.write_text(digest.hexdigest())
    return known not in {"", digest.hexdigest()}
