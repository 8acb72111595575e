"""Commands of a verb of filterctl(8), such as keygen of ``filterctl dkim keygen``: one table says which there are.

What a command raises as UsageError or HelpWanted is told with the usage line of that command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from filter_api.errors import HelpWanted, UsageError
from filter_api.options import VersionWanted
from filter_api.text.escape import printable


class Command(NamedTuple):
    """run: from the arguments behind its name to the exit status. synopsis: what it takes. about: what it does."""

    run: Callable[[list[str]], int]
    synopsis: str
    about: str


def described(commands: Mapping[str, Command]) -> dict[str, str]:
    """What each does, by name."""
    return {name: command.about for name, command in commands.items()}


def choose(arguments: Sequence[str], commands: Mapping[str, Command]) -> int:
    """Run the command that the first argument names. Raises UsageError, HelpWanted, and what the command raises."""
    name = arguments[0] if arguments else ""
    if name in {"-h", "--help"}:
        raise HelpWanted(commands=described(commands))
    if name == "-V":
        raise VersionWanted
    command = commands.get(name)
    if command is None:
        known = ", ".join(commands)
        raise UsageError(f"unknown verb {printable(name, 40)}: {known}" if name else f"a verb is missing: {known}")
    try:
        return command.run(list(arguments[1:]))
    except UsageError as error:
        error.command = f"{name} {command.synopsis}".rstrip()
        raise
