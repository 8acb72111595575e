"""How the demo tells what happens: a line a scene, in 80 columns, coloured on a terminal, with reasons on demand."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from typing import Final, TextIO

from demo.stage import Scene, Seen

WIDTH: Final = 80
_GREEN, _YELLOW, _RED, _BOLD, _PLAIN = "\033[32m", "\033[33m", "\033[31m", "\033[1m", "\033[0m"
_COLOUR_OF: Final = {"2": _GREEN, "4": _YELLOW, "5": _RED}
_REASONS: Final = 11
"""Columns before the text of a reason."""


def is_wrong(scene: Scene, seen: Seen) -> bool:
    """Whether the client was told something else than the scene expects."""
    return not seen.answer.startswith(str(scene.expect))


def is_junk(seen: Seen) -> bool:
    """Whether it was delivered into the folder for spam."""
    return seen.delivered.startswith("bob/Junk")


def line_of(scene: Scene, seen: Seen) -> str:
    """One scene: what its client was told, by which filter or into which folder, who it is and what it does."""
    deed = scene.who if scene.what == "a mail" else f"{scene.who}: {scene.what}"
    by = seen.filter or ("to Junk" if is_junk(seen) else "")
    told = f"  {seen.answer[:3]}  {by:<12}  {deed}"
    return f"{told}  (not {scene.expect})" if is_wrong(scene, seen) else told


def reasons_of(scene: Scene, seen: Seen) -> Iterator[str]:
    """The lines below it: address, whole answer, reason and mailbox."""
    rows = (("from", scene.source), ("told", seen.answer), ("why", seen.why), ("there", seen.delivered))
    for name, text in rows:
        if text:
            yield from wrapped(text, f"{name:>{_REASONS - 2}}  ", " " * _REASONS)


def wrapped(text: str, first: str = "", others: str = "") -> list[str]:
    """A text in lines that fit."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


class Teller:
    """Prints. verbose: with the reasons."""

    def __init__(self, out: TextIO = sys.stdout, *, verbose: bool = False) -> None:
        self.out = out
        self.verbose = verbose
        self.colours = out.isatty() and "NO_COLOR" not in os.environ

    def say(self, text: str = "") -> None:
        """Plain words."""
        print("\n".join(wrapped(text)), file=self.out, flush=True)

    def head(self, text: str) -> None:
        """The heading of a group."""
        print("\n" + self._coloured(text, _BOLD), file=self.out, flush=True)

    def show(self, scene: Scene, seen: Seen) -> None:
        """One scene."""
        line = line_of(scene, seen)
        colour = _RED + _BOLD if is_wrong(scene, seen) else _COLOUR_OF.get(seen.answer[:1], "")
        print(line[:2] + self._coloured(line[2:5], colour) + line[5:], file=self.out)
        if self.verbose:
            for reason in reasons_of(scene, seen):
                print(reason, file=self.out)
        self.out.flush()

    def quote(self, command: str, output: str) -> None:
        """A command and what it printed, indented as it is there."""
        print("  " + self._coloured(f"# {command}", _BOLD), file=self.out)
        for line in output.strip().splitlines():
            indent = " " * (2 + len(line) - len(line.lstrip()))
            for part in wrapped(line.strip(), indent, indent + "        "):
                print(part, file=self.out)
        self.out.flush()

    def _coloured(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self.colours and colour else text
