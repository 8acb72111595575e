"""The filters of a configuration, made as smtpd's line makes them: what they heed and decide, they say themselves.

    for process in processes(read("/etc/mail/smtpd.conf")):
        for label, each in process.members.items():
            each.options.exempt ...            # the -W files it follows

A filter is made by its own `build`, from its own words, so nothing here knows what an option means. One that refuses
files because root does not own them is made with the rights of its user. It is not started: nobody is asked, and no
store is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from filter_api.errors import ConfigError, UsageError
from filter_api.filter import Filter
from filter_api.options import CommonOptions, VersionWanted
from filter_api.runtime.main import Chain
from filterctl.__main__ import load
from filterctl.conf.lexer import Place
from filterctl.conf.members import recorded
from filterctl.conf.shellwords import split
from filterctl.conf.smtpdconf import Command, Configuration, FilterDefinition
from filterctl.programs.access import identity, rights_of

SUITE: Final = ("auth", "chain", "clamav", "dkimsign", "dnsbl", "dyndns", "greylist", "lists", "rdns", "spamassassin")
"""filter-NAME(8), which `build` of package filter_NAME makes."""

_FOREIGN: Final = "is no filter of this suite"


class Process(NamedTuple):
    """What one command of smtpd.conf runs.

    names: the filters of smtpd.conf that it serves. command: None for a builtin filter. members: by label; that of a
    filter that is no chain is empty. options: the common ones of the process. trouble: why there are no members. used:
    whether some listener or action has one of the filters.
    """

    place: Place
    names: Sequence[str]
    command: Command | None
    members: Mapping[str, Filter]
    options: CommonOptions
    trouble: str = ""
    used: bool = True

    @property
    def unasked(self) -> bool:
        """Whether it may read files of which nobody here knows: it cannot be made as it would run."""
        return self.command is not None and self.trouble not in {"", _FOREIGN}

    def shown(self, label: str = "") -> str:
        """A member's name, and where it stands."""
        unused = "" if self.used else ", used by no listener"
        return f"{self.names[0]}{f': {label}' if label else ''} ({self.place}{unused})"


def processes(configuration: Configuration) -> list[Process]:
    """Those of a configuration, in the order of its lines; one that serves several filters once."""
    served: dict[Command, list[FilterDefinition]] = {}
    found: list[Process | Command] = []
    for definition in configuration.filters.values():
        command = configuration.command_of(definition)
        if definition.phase is not None:
            why = "is one of smtpd's own, and reads tables of smtpd.conf only"
            found.append(Process(definition.place, [definition.name], None, {}, CommonOptions(), why))
        elif command is not None:
            if command not in served:
                found.append(command)
            served.setdefault(command, []).append(definition)
    used = configuration.used
    made = [each if isinstance(each, Process) else _process(each, served[each]) for each in found]
    return [each._replace(used=not used.isdisjoint(each.names)) for each in made]


def _process(command: Command, definitions: Sequence[FilterDefinition]) -> Process:
    names = [definition.name for definition in definitions]
    try:
        made = _made(command)
    except VersionWanted:
        trouble = "only prints its version"
    except (UsageError, ConfigError, ValueError) as error:
        trouble = str(error)
    else:
        members = made.members if isinstance(made, Chain) else {"": made}
        return Process(definitions[0].place, names, command, members, made.options)
    return Process(definitions[0].place, names, command, {}, CommonOptions(), trouble)


def _made(command: Command) -> Filter | Chain:
    """Raises as `build` does."""
    words = split(command.text)
    try:
        return build(words)
    except ConfigError:
        try:
            who = identity(command.user, command.group)
            with rights_of(who):
                return build(words)
        except (ConfigError, OSError):
            pass  # then the first reason is the one to tell
        raise


def build(words: Sequence[str]) -> Filter | Chain:
    """What a command makes. Raises ConfigError for what is none of this suite, and as `build` of a filter does."""
    words = recorded(words)
    program = os.path.basename(words[0]) if words else ""
    if program.removeprefix("filter-") not in SUITE:
        raise ConfigError(_FOREIGN)
    make = cast(Callable[[Sequence[str]], Any], load(f"{program.replace('-', '_')}.filter", "build"))
    made: Filter | Chain = make(list(words[1:]))
    return made
