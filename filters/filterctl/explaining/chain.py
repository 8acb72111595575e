"""``filterctl explain client from to``: what the filters of a listener would decide on a delivery, each by itself.

    filterctl explain [-f smtpd.conf] [-l listener] [-n server] client from to [helo]

The configuration says which filters there are, in which order, with which options and as which user; each runs as that
user and decides with its own code. smtpd's builtin filters are named, but not asked: they are smtpd's. Exit status 1:
the delivery would be refused.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Final, NamedTuple

from filter_api.errors import ConfigError, UsageError
from filter_api.net.dns import Resolver
from filter_api.net.endpoint import parse_name_server
from filter_api.net.rdns import Finding, look_up
from filter_api.options import options_of
from filter_api.text.addresses import Address, plain_address
from filter_api.text.escape import printable
from filterctl.conf.check import usual_configuration
from filterctl.conf.ownnames import server_name
from filterctl.conf.shellwords import split
from filterctl.conf.smtpdconf import Command, Configuration, Use, is_local, read
from filterctl.explaining.asked import Asked, Heard, Verdict
from filterctl.explaining.isolated import as_user
from filterctl.explaining.playing import play
from filterctl.programs.access import identity

OPTIONS: Final = """\
-f file       the configuration of smtpd
-l listener   the address or interface that the client connects to
-n server     ask this name server, address or address@port
"""

SECONDS: Final = 10.0
"""For the client's name."""

_NO_LOGIN: Final = ", which wants a login: who has one is ours everywhere; asked is for one without"
_PHASES: Final = ("connect", "helo", "ehlo", "mail-from", "rcpt-to", "data")
_SHOWN: Final = {"connect": "at connect", "helo": "at HELO", "ehlo": "at EHLO", "mail-from": "at MAIL FROM"}
_SHOWN_LATER: Final = {"rcpt-to": "at RCPT TO", "data": "at DATA"}
_VERBS: Final = {"reject": "refuses", "disconnect": "disconnects", "junk": "marks", "rewrite": "rewrites"}
_REFUSALS: Final = frozenset({"reject", "disconnect"})


class Told(NamedTuple):
    """What one filter says, under the name that is shown."""

    name: str
    heard: Heard


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError, ConfigError and OSError."""
    options, rest = options_of(arguments, OPTIONS)
    if not 3 <= len(rest) <= 4:
        raise UsageError("a client's address, a sender and a recipient are wanted, and after them a HELO name")
    path = options.get("-f") or usual_configuration()
    configuration = read(path)
    use = _listener(configuration, path, options.get("-l", ""))
    asked = asyncio.run(_asked(_address(rest[0]), rest[1:], use, options.get("-n", "")))
    _say("client", f"{asked.address}, {_name(asked)}")
    _say("listener", f"{use.where} ({use.place}){'' if use.open or is_local(use.where) else _NO_LOGIN}")
    told: list[Told] = []
    untold: list[str] = []
    for name, command, phase in _commands(configuration, use):
        mine = [] if command is None else _told(name, command, asked)
        if command is None:
            _say(name, f"smtpd's own, at {phase}: not asked here")
        if not mine:
            untold.append(name)
        told += mine
    return int(_outcome(told, untold))


def _told(name: str, command: Command, asked: Asked) -> list[Told]:
    """What the filters of a command say, which is printed; nothing where they cannot be asked."""
    try:
        heard = _heard(command, asked)
    except (ConfigError, ValueError) as error:
        _say(name, f"cannot be asked: {error}")
        return []
    told = [Told(f"{name}: {each.label}" if len(heard) > 1 else name, each) for each in heard]
    for each in told:
        for line in _lines(each.heard):
            _say(each.name, line)
    return told


def _address(text: str) -> Address:
    try:
        return plain_address(ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise UsageError(f"not an address: {printable(text, 60)}") from None


def _listener(configuration: Configuration, path: str, where: str) -> Use:
    """The listener of -l, else the first with filters that strangers reach. Raises ConfigError."""
    uses = [use for use in configuration.uses if not use.outgoing and use.where != "socket"]  # no address comes there
    found = [use for use in uses if (use.where == where or str(use.place).endswith(f":{where}"))] if where else []
    found = found or ([] if where else [use for use in uses if use.open])
    if not found:
        known = ", ".join(dict.fromkeys(use.where for use in uses)) or "none"
        whom = f"no listener {printable(where, 60)} with filters" if where else "no listener with filters for strangers"
        raise ConfigError(f"{printable(path)}: {whom}; -l takes one of: {known}, or the number of its line")
    return found[0]


async def _asked(address: Address, words: Sequence[str], use: Use, server: str) -> Asked:
    """The client, with the name that smtpd would find. Raises UsageError."""
    try:
        asks = parse_name_server(server) if server else None
    except ValueError as error:
        raise UsageError(f"-n: {error}") from None
    resolver = Resolver([asks]) if asks else Resolver()
    deadline = asyncio.get_running_loop().time() + SECONDS
    found = await look_up(resolver, address, forward=True, deadline=deadline)
    name = found.names[0].encode("latin-1", "replace") if found.names else b""
    state = {Finding.CONFIRMED: "pass", Finding.DOUBT: "error"}.get(found.finding, "fail")
    sender, recipient, helo = map(_word, (*words, "")[:3])
    literal = f"[{'IPv6:' if address.version == 6 else ''}{address}]".encode("ascii")
    return Asked(
        str(address), sender, recipient, helo or name or literal, name, state, _destination(use), _greeting(use), asks
    )


def _word(text: str) -> bytes:
    """What the client says. Raises UsageError for what smtpd would not even read as one line."""
    if any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in text):
        raise UsageError(f"not a line of SMTP: {printable(text, 60)}")
    return os.fsencode(text).strip(b"<>")


def _destination(use: Use) -> str:
    """The address of the listener as smtpd reports it; that of no listener where only an interface is named."""
    try:
        address = ip_address(use.where.strip("[]"))
    except ValueError:
        return "0.0.0.0:25"
    return f"[{address}]:25" if address.version == 6 else f"{address}:25"


def _greeting(use: Use) -> str:
    return use.hostname or server_name()


def _name(asked: Asked) -> str:
    """The name of the client, and whether it is believed."""
    if not asked.rdns:
        return "whose name cannot be looked up" if asked.fcrdns == "error" else "without a name"
    return f"{printable(asked.rdns)}{'' if asked.fcrdns == 'pass' else ', which does not lead back'}"


def _commands(configuration: Configuration, use: Use) -> Iterator[tuple[str, Command | None, str]]:
    """Name and command of a listener's filters in the order of its chain, each once; for a builtin one its phase."""
    seen: set[Command] = set()
    for definition in configuration.chain(use):
        command = configuration.command_of(definition)
        if definition.phase is not None:
            yield definition.name, None, definition.phase
        elif command is not None and command not in seen:
            seen.add(command)
            yield definition.name, command, ""


def _heard(command: Command, asked: Asked) -> list[Heard]:
    """What the filters of a command say, as the user of their line. Raises ConfigError."""
    who = identity(command.user, command.group)
    found = as_user(who, partial(play, split(command.text), asked))
    return [
        Heard(label, [Verdict(*verdict) for verdict in verdicts], notes, left_alone, observes, later)
        for label, verdicts, notes, left_alone, observes, later in found
    ]


def _lines(heard: Heard) -> Iterator[str]:
    """What a filter says, a line each."""
    if heard.later:
        yield "looks at the message only: not asked"
        return
    observes = ", but only observes (-n)" if heard.observes else ""
    for verdict in heard.verdicts:
        why = f" ({verdict.reason})" if verdict.reason else ""
        reply = f": {verdict.reply}" if verdict.reply else ""
        yield f"{_VERBS.get(verdict.word, 'accepts')} {_at(verdict.phase)}{observes}{reply}{why}"
    if not heard.verdicts:
        yield f"accepts{f': {heard.left_alone}' if heard.left_alone else ''}"
    for note in heard.notes:
        yield f"  {note}"


def _at(phase: str) -> str:
    return _SHOWN.get(phase) or _SHOWN_LATER.get(phase) or f"at {phase}"


def _outcome(told: Sequence[Told], untold: Sequence[str]) -> bool:
    """Say what smtpd would do: the first refusal in the order of phases and filters; whether there is one.

    untold: who could not be asked.
    """
    decisions = [
        (_PHASES.index(verdict.phase), at, each.name, verdict)
        for at, each in enumerate(told)
        for verdict in each.heard.verdicts
        if not each.heard.observes and verdict.phase in _PHASES
    ]
    refused = min((each for each in decisions if each[3].word in _REFUSALS), default=None, key=lambda each: each[:2])
    if refused is not None:
        _, _, name, verdict = refused
        _say("outcome", f"refused {_at(verdict.phase)} by {name}: {verdict.reply}")
        return True
    marks = [name for _, _, name, verdict in decisions if verdict.word == "junk"]
    text = f"accepted up to DATA{f', marked by {marks[0]}' if marks else ''}"
    _say("outcome", f"{text}, as far as was asked: not {', '.join(untold)}" if untold else text)
    return False


def _say(what: str, text: str) -> None:
    print(f"{printable(what, 60):<18} {printable(text, 900)}")
