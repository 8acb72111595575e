"""``filterctl doctor``: find what is wrong with filters that should work.

Everything ``filterctl check`` finds, and then what only shows on the machine where mail flows: daemons that do not
answer or whose sockets the filter's user may not open, keys the DNS does not publish, stores, limits that do not fit,
versions, the clock, the name servers, a proxy that hides all clients, and what the DNS says of our own names. What a
filter depends on, its own ``ctl`` module knows (``diagnose``).
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, cast

from filter_api.errors import ConfigError, UsageError
from filter_api.net.dns import Resolver
from filter_api.net.endpoint import parse_name_server
from filter_api.options import letters_of, split_options
from filter_api.text.escape import printable
from filterctl.__main__ import load
from filterctl.conf.check import Checker, usual_configuration
from filterctl.conf.members import commands as members_of
from filterctl.conf.ownnames import own_names
from filterctl.conf.shellwords import split
from filterctl.conf.smtpdconf import Command, Configuration, read
from filterctl.health import domains, symptoms
from filterctl.programs.command import libexec_directories

DIAGNOSES = {
    "filter-clamav": ("filter_clamav.diagnose", "diagnose"),
    "filter-dkimsign": ("filter_dkimsign.diagnose", "diagnose"),
    "filter-greylist": ("filter_greylist.tool.diagnose", "diagnose"),
    "filter-lists": ("filter_lists.diagnose", "diagnose"),
    "filter-spamassassin": ("filter_spamassassin.diagnose", "diagnose"),
}
"""Module and function that know what to ask about a filter."""

SIGNER = "filter-dkimsign"
"""Who knows further domains of ours."""

Remark = tuple[str, str]

OPTIONS: Final = """\
-l directory   where smtpd looks for filters; may be given several times
-m maillog     the mail log
-n server      ask this name server, address or address@port
-q             quick: no scanner is sent a message of the largest size
"""


def run(arguments: list[str]) -> int:
    """0 if nothing is wrong; raises UsageError, ConfigError."""
    folders, maillog, resolver, path, quick = _options(arguments)
    configuration = read(path)
    largest = 0 if quick else configuration.max_message_size
    checker = Checker(configuration, folders)
    errors = 0
    for finding in [*checker.definitions(), *checker.chains()]:
        if finding.severity != "note":
            errors += _tell(str(finding.place), finding.severity, finding.text)
    for name, command in commands(configuration):
        for severity, text in _diagnosed(command, largest):
            errors += _tell(f"filter {name}", severity, text)
    proxied = any(use.proxy for use in configuration.uses)
    for subject, remarks in (
        ("versions", symptoms.versions()),
        ("confinement", symptoms.confinement()),
        ("clock", symptoms.clock()),
        ("dns", symptoms.dns()),
        ("sessions", symptoms.sessions(maillog, proxied=proxied)),
    ):
        for severity, text in remarks:
            errors += _tell(subject, severity, text)
    for subject, severity, text in domains.remarks(own_names(path), _signed(configuration), resolver):
        errors += _tell(subject, severity, text)
    return 1 if errors else 0


def _signed(configuration: Configuration) -> Iterator[str]:
    """The domains that filter-dkimsign signs for."""
    of = cast(Callable[[Sequence[str]], list[str]], load("filter_dkimsign.diagnose", "domains"))
    for _, command in commands(configuration):
        with contextlib.suppress(UsageError, ConfigError, OSError, ValueError):  # told above
            for words in members_of(split(command.text)):
                if os.path.basename(words[0]) == SIGNER:
                    yield from of(words[1:])


def commands(configuration: Configuration) -> Iterator[tuple[str, Command]]:
    """Each command once, with the name of the first filter it serves."""
    seen = set()
    for definition in configuration.filters.values():
        command = configuration.command_of(definition)
        if command is not None and command not in seen:
            seen.add(command)
            yield definition.name, command


def _tell(subject: str, severity: str, text: str) -> bool:
    """Print a line; whether it is an error."""
    print(f"{subject}: {severity}: {printable(text, 1000)}")
    return severity == "error"


def _diagnosed(command: Command, largest: int) -> Iterator[Remark]:
    try:
        words = split(command.text)
    except ValueError:
        return  # told by check
    for each in members_of(words):
        yield from _asked(each, largest)


def _asked(words: Sequence[str], largest: int) -> Iterator[Remark]:
    """What the filter's own module finds."""
    place = DIAGNOSES.get(os.path.basename(words[0]))
    if place is None:
        return
    said = io.StringIO()
    try:
        diagnose = cast(Callable[..., Iterable[Remark]], load(*place))
        with contextlib.redirect_stdout(said):
            found = list(diagnose(words[1:], largest_message=largest))
    except (UsageError, ConfigError, OSError, AttributeError) as error:
        yield "warning", f"could not be diagnosed: {error}"
        return
    yield from (("note", line) for line in said.getvalue().splitlines())
    yield from found


def _options(arguments: list[str]) -> tuple[list[str], str | None, Resolver, str, bool]:
    options, rest = split_options(letters_of(OPTIONS), arguments, OPTIONS)
    if len(rest) > 1:
        raise UsageError("")
    path = rest[0] if rest else usual_configuration()
    folders = [os.path.abspath(value) for letter, value in options if letter == "-l"] or libexec_directories()
    maillog = next((value for letter, value in reversed(options) if letter == "-m"), None)
    server = next((value for letter, value in reversed(options) if letter == "-n"), None)
    try:
        resolver = Resolver() if server is None else Resolver([parse_name_server(server)])
    except ValueError as error:
        raise UsageError(f"-n: {error}") from None
    return folders, maillog, resolver, path, ("-q", "") in options
