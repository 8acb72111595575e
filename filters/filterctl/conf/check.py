"""``filterctl check smtpd.conf``: will smtpd start with these filters, and do they see what they are meant to see?

For each filter line: the command is plain words, the program is there, and it starts, parses its options, reads its
files and registers, as the user of its line. For each listener and relay action: what the order of its chain hides.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

from filter_api.errors import ConfigError, UsageError
from filter_api.options import letters_of, split_options
from filter_api.text.escape import printable
from filterctl.conf.advice import advice
from filterctl.conf.chains import Member, remarks
from filterctl.conf.deadlists import dead_lists
from filterctl.conf.lexer import Place
from filterctl.conf.members import commands
from filterctl.conf.shellwords import split
from filterctl.conf.smtpdconf import Command, Configuration, FilterDefinition, read
from filterctl.programs.access import SMTPD_USERS, Identity, identity, why_not
from filterctl.programs.command import known_directories, libexec_directories
from filterctl.programs.dryrun import DryRun, dry_run
from filterctl.programs.smtpd import refusals

CONFIGURATIONS: Final = (
    "/etc/mail/smtpd.conf",
    "/etc/smtpd.conf",
    "/etc/smtpd/smtpd.conf",
    "/usr/local/etc/mail/smtpd.conf",
    "/usr/pkg/etc/smtpd/smtpd.conf",
)
"""Where systems have it."""

OPTIONS: Final = "-l directory   where smtpd looks for filters; may be given several times\n"


class Finding(NamedTuple):
    """A line of the result."""

    place: Place
    severity: str
    text: str


def run(arguments: list[str]) -> int:
    """0 if there is no error; raises UsageError, ConfigError."""
    folders, path = options(arguments)
    refused = _ask_smtpd(path)
    configuration = read(path)
    checker = Checker(configuration, folders)
    findings = [*checker.definitions(), *checker.chains()]
    for finding in findings:
        print(f"{finding.place}: {finding.severity}: {printable(finding.text, 1000)}")
    for place in configuration.spread if refused else ():
        print(f"{place}: note: braces over several lines, which OpenSMTPD 6.8 refuses: end each line with a backslash")
    if not configuration.filters:
        print(f"{path}: note: no filter lines")
    return 1 if refused or any(finding.severity == "error" for finding in findings) else 0


def _ask_smtpd(path: str) -> bool:
    """Tell what smtpd says, before anything else is told; whether it refuses the file."""
    lines = refusals(path)
    if lines is None:
        print(f"{path}: note: no smtpd is installed here, so smtpd -n was not asked", file=sys.stderr)
    for line in lines or ():
        print(f"smtpd: {printable(line, 1000)}", flush=True)
    return bool(lines)


def options(arguments: list[str]) -> tuple[list[str], str]:
    """The directories smtpd looks for commands in, and the configuration; UsageError."""
    found, rest = split_options(letters_of(OPTIONS), arguments, OPTIONS)
    if len(rest) > 1:
        raise UsageError("")
    path = rest[0] if rest else usual_configuration()
    return [os.path.abspath(value) for _, value in found] or libexec_directories(), path


def usual_configuration() -> str:
    """The smtpd.conf of this system. Raises ConfigError if there is none where one is looked for."""
    found = next(filter(os.path.exists, CONFIGURATIONS), None)
    if found is None:
        raise ConfigError(f"no smtpd.conf found, looked at {', '.join(CONFIGURATIONS)}")
    return found


class Checker:
    """Checks one configuration; each command is started once, however many filters share it."""

    def __init__(self, configuration: Configuration, folders: Sequence[str]) -> None:
        self._configuration = configuration
        self._folders = folders
        self._runs: dict[Command, tuple[list[str], DryRun | None]] = {}

    def definitions(self) -> Iterator[Finding]:
        """Each filter by itself."""
        for place, why in self._configuration.refused():
            yield Finding(place, "error", why)
        for place, name in self._configuration.relative:
            yield Finding(place, "warning", f"{name} is looked for where smtpd was started: write its whole path")
        used = {definition.name for use in self._configuration.uses for definition in self._configuration.chain(use)}
        for definition in self._configuration.filters.values():
            command = self._configuration.command_of(definition)
            if command is not None:
                yield from self._command(definition, command)
            if definition.name not in used and definition.members is None:
                yield Finding(definition.place, "note", f"filter {definition.name} is used by no listener or action")

    def chains(self) -> Iterator[Finding]:
        """Each listener and relay action."""
        told = set()
        uses = self._configuration.uses
        chains = [(use, [self._member(each) for each in self._configuration.chain(use)]) for use in uses]
        for use, members in chains:
            if use.outgoing:
                continue
            for severity, text in remarks(members, masquerade=use.masquerade, where=use.where):
                if severity == "error" or text not in told:  # the same chain on several listeners
                    told.add(text)
                    yield Finding(use.place, severity, text)
        for place, text in advice(self._configuration, chains):
            yield Finding(place, "warning", text)

    def _member(self, definition: FilterDefinition) -> Member:
        if definition.phase is not None:
            return Member(definition.name, (), frozenset({definition.phase}), definition.decision)
        command = self._configuration.command_of(definition)
        words, outcome = self._runs.get(command, ([], None)) if command is not None else ([], None)
        return Member(definition.name, commands(words), outcome.phases if outcome else frozenset())

    def _command(self, definition: FilterDefinition, command: Command) -> Iterator[Finding]:
        if command not in self._runs:
            self._runs[command] = ([], None)
            try:
                for severity, text in self._start(command):
                    yield Finding(definition.place, severity, f"filter {definition.name}: {text}")
            except (ConfigError, ValueError) as error:
                yield Finding(definition.place, "error", f"filter {definition.name}: {error}")

    def _start(self, command: Command) -> Iterator[tuple[str, str]]:
        """Start a command and remember what it registered; severity and text of what there is to tell."""
        words = split(command.text)
        self._runs[command] = (words, None)
        who = identity(command.user, command.group)
        if command.chroot is not None:
            yield "note", "not started, as it runs in a chroot"
            return
        program = self._program(words[0], who)
        if command.user is None and who.user not in SMTPD_USERS:
            yield "warning", f"no user smtpd runs filters as is known here: started as {who.user}"
        outcome = dry_run([program, *words[1:]], who, self._subsystems(command))
        self._runs[command] = (words, outcome)
        yield from _told(words, program, who, outcome)

    def _program(self, name: str, who: Identity) -> str:
        """Where smtpd finds it; ConfigError if it is not there or `who` may not run it."""
        places = [name] if name.startswith("/") else [os.path.join(folder, name) for folder in self._folders]
        if not places:
            raise ConfigError(f"{name}: smtpd's directory for filters is not known here: name it with -l")
        found = next((path for path in places if os.path.isfile(path)), None)
        if found is None:
            raise ConfigError(
                f"{name}: not found, looked in {', '.join(map(os.path.dirname, places))}; {_elsewhere(name, places)}"
            )
        for path in [found, *_interpreter(found)]:
            if not os.path.exists(path):
                raise ConfigError(
                    f"{found}: {path}, which runs it, is not there: install the suite again, or a venv anew"
                )
            reason = why_not(path, who, wanted=os.X_OK)
            if reason:
                raise ConfigError(f"{name}: {reason}")
        return found

    def _subsystems(self, command: Command) -> list[str]:
        """What smtpd would name in the handshake: where filters of this command are used."""
        configuration = self._configuration
        used = {
            "smtp-out" if use.outgoing else "smtp-in"
            for use in configuration.uses
            for definition in configuration.chain(use)
            if configuration.command_of(definition) == command
        }
        return sorted(used)


def _elsewhere(name: str, looked: Sequence[str]) -> str:
    """What helps against a program that this smtpd does not find: where it is, or what is named like it."""
    places = [os.path.join(folder, name) for folder in (*known_directories(), os.path.dirname(sys.argv[0]))]
    found = next((path for path in places if path.startswith("/") and os.path.isfile(path)), None)
    if found and not name.startswith("/"):
        return f"it is {found}: write the whole path"
    there = {each for path in looked for each in _names(os.path.dirname(path))}
    near = get_close_matches(os.path.basename(name), there, 1, 0.8)
    return f"did you mean {near[0]}?" if near else "install it there, or write its whole path"


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _told(words: Sequence[str], program: str, who: Identity, outcome: DryRun) -> Iterator[tuple[str, str]]:
    """Severity and text of what a dry run showed."""
    for line in outcome.complaints:
        remedy = ": make it, or mend its name" if line.endswith(os.strerror(errno.ENOENT)) else ""
        yield "error" if outcome.problem else "warning", line + remedy
    if outcome.problem:
        yield "error", f"{program} {outcome.problem}"
    ended = dict.fromkeys(name for command in [words, *commands(words)] for name in dead_lists(command))
    yield from (("warning", f"{name} has ended: ask it no more") for name in ended)
    for path in _paths(dict.fromkeys(word for command in [words, *commands(words)] for word in command[1:])):
        is_socket = os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode)  # opened when there is a mail
        if outcome.problem or not outcome.as_user or is_socket:
            why = why_not(path, who, wanted=os.W_OK if is_socket else os.R_OK)
            yield from (("error", reason) for reason in [why] if reason)
    if not outcome.as_user:
        yield "warning", f"not started as {who.user}: run filterctl check as root for that"
    if not outcome.problem:
        phases = " ".join(sorted(outcome.phases)) or "no phase, reports only"
        yield "ok", f"{program} as {who.user} registers {phases}"


def _paths(words: Iterable[str]) -> Iterator[str]:
    """The files and folders that arguments name: ``/path``, ``-f/path``, ``-f file:/path``."""
    for word in words:
        at = word.find("/")
        if at >= 0 and (at == 0 or word[:at].endswith((":", "=")) or (word[0] == "-" and at == 2)):
            yield word[at:]


def _interpreter(path: str) -> list[str]:
    """The program in the first line of a script, if it is one."""
    try:
        with open(path, "rb") as file:
            head = file.readline(256)
    except OSError:
        return []
    words = head[2:].split() if head.startswith(b"#!") else []
    return [os.fsdecode(words[0])] if words else []
