"""``filterctl lists``: fetch the lists of lists.conf(5), look after them, ask them.

    update [-fv] [-c file] [-d directory] [-N networks]
    check [-c file] [-d directory]
    show [-c file] [-d directory]
    test [-c file] [-d directory] address
    import [-x] spamd.conf

What has to start a program (``exec:``) gets it from filterctl, as filters start nothing. Exit status of update: 0 for
done, 1 if a list could not be updated, 2 if nothing could. Of test: 1 if the client would be refused.
"""

from __future__ import annotations

import os
import pwd
import sys
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, NamedTuple

from filter_api.commands import Command, choose
from filter_api.errors import ConfigError, UsageError
from filter_api.files.ranges import Ranges
from filter_api.files.reloading import ReloadingFile
from filter_api.filter import Filter
from filter_api.options import LOOPBACK, options_of
from filter_api.text.addresses import Address, plain_address
from filter_api.text.escape import printable
from filter_lists.book import Book, Judgement, read_book
from filter_lists.conf import parse_conf
from filter_lists.diagnose import DEAD, remarks
from filter_lists.filter import Lists
from filter_lists.options import DEFAULT_CONF, DEFAULT_DIRECTORY, whole_path
from filter_lists.tool.state import read_state
from filter_lists.tool.update import Job, Runner, own_networks, update
from filter_lists.words import show_duration

_PLACES: Final = """\
-c file         the lists, see lists.conf(5)
-d directory    where the compiled lists are
"""
UPDATE: Final = f"""\
{_PLACES}-f              fetch everything, and take lists whatever their size was
-N networks     our own networks, which no list may hold (default 127.0.0.0/8,::1)
-v              say what became of each list
"""
IMPORT: Final = "-x   keep programs that are to be run\n"


def run(arguments: list[str], runner: Runner) -> int:
    """Run ``filterctl lists`` with these arguments; `runner` starts programs. Raises UsageError and ConfigError."""
    return choose(
        arguments,
        {
            "update": Command(
                lambda rest: _update(rest, runner),
                "[-fv] [-c file] [-d directory] [-N networks]",
                "fetch the lists that are due",
            ),
            "check": Command(_check, "[-c file] [-d directory]", "read everything, and tell what is odd"),
            "show": Command(_show, "[-c file] [-d directory]", "a line for each list"),
            "test": Command(_test, "[-c file] [-d directory] address", "what the lists say of an address"),
            "import": Command(_import, "[-x] spamd.conf", "print a spamd.conf as lists.conf"),
        },
    )


class LocalList(NamedTuple):
    """A black list in a file that an operator keeps. place: its line of lists.conf. file: what the filter reads.

    judge: what all lists of this filter say of an address, by the files as they are now.
    """

    name: str
    place: str
    file: ReloadingFile[Ranges]
    judge: Callable[[Address], Judgement]


def local_lists(filter_: Filter) -> list[LocalList]:
    """The black lists that filterctl deny can write, in the order in which this filter-lists asks them."""
    if not isinstance(filter_, Lists):
        return []
    book = filter_.book.current()
    found = [(step.black, book.lists[step.black.name].by_hand) for step in book.conf.steps]

    def judge(address: Address) -> Judgement:
        for _, file in found:
            if file is not None:
                file.look()
        return book.judge(address, time.time())

    return [
        LocalList(each.name, f"{filter_.own.conf}:{each.line}", file, judge) for each, file in found if file is not None
    ]


def _options(arguments: list[str], options: str, operands: int) -> tuple[dict[str, str], list[str]]:
    found, rest = options_of(arguments, options)
    if len(rest) != operands:
        raise UsageError("an argument is missing" if len(rest) < operands else "there are too many arguments")
    return found, rest


def _places(options: dict[str, str]) -> tuple[str, str]:
    """The paths of lists.conf and of the directory of compiled lists."""
    conf = os.path.abspath(options["-c"]) if "-c" in options else DEFAULT_CONF
    return conf, whole_path("-d", options.get("-d", DEFAULT_DIRECTORY))


def _book(options: dict[str, str]) -> Book:
    return read_book(*_places(options)).current()


def _update(arguments: list[str], runner: Runner) -> int:
    options, _ = _options(arguments, UPDATE, 0)
    conf, directory = _places(options)
    try:
        _refuse_root(directory)
        own = own_networks(options.get("-N", LOOPBACK))
        used = ReloadingFile(conf, parse_conf).current().used  # without the lists that only the filter need read
        return update(used, Job(directory, runner, "-f" in options, "-v" in options, own))
    except ConfigError as error:
        print(f"filterctl: lists: {error}", file=sys.stderr)
        return 2


def _refuse_root(directory: str) -> None:
    """What speaks with strangers has no rights. Raises ConfigError."""
    if os.geteuid() != 0:
        return
    try:
        owner = pwd.getpwuid(os.stat(directory).st_uid).pw_name
    except (OSError, KeyError):
        owner = "root"
    user = "the user whom the directory belongs to (there is none yet)" if owner == "root" else f"the user {owner}"
    raise ConfigError(f"update is not for root, as it reads what strangers publish: run it as {user}, from crontab(5)")


def _check(arguments: list[str]) -> int:
    """Read everything, and tell what is odd."""
    options, _ = _options(arguments, _PLACES, 0)
    conf, directory = _places(options)
    book = _book(options)
    now = time.time()
    for source in book.conf.sources.values():
        for remark in remarks(source, book, directory, now):
            print(f"{conf}:{source.line}: warning: {source.name}: {remark}")
    print(f"{conf}: ok: {len(book.conf.steps)} black lists, {len(book.conf.used) - len(book.conf.steps)} white ones")
    return 0


def _show(arguments: list[str]) -> int:
    """A line for each list: how large, how old, from where."""
    options, _ = _options(arguments, _PLACES, 0)
    _, directory = _places(options)
    book = _book(options)
    now = time.time()
    print(f"{'list':<16} {'kind':<6}{'entries':>9} {'before':>9}  {'changed':<9} {'confirmed':<11} source")
    for source in book.conf.used:
        opened = book.lists[source.name]
        ranges = opened.known(now)
        count = "-" if ranges is None else str(len(ranges))
        before = changed = confirmed = "-"
        if opened.compiled is not None:
            state = read_state(directory, source)
            before, changed = str(state.previous), _age(now, state.changed)
            count = str(state.entries) if ranges is not None and state.entries else count
            stale = opened.compiled.current() is not None and ranges is None
            confirmed = "STALE " * stale + _age(now, opened.compiled.confirmed)
        kind = "black" if source.black else "white"
        print(f"{source.name:<16} {kind:<6}{count:>9} {before:>9}  {changed:<9} {confirmed:<11} {source.shown}")
    return 0


def _age(now: float, then: float) -> str:
    """How long ago that was."""
    return f"{show_duration(max(now - then, 0))} ago" if then else "never"


def _test(arguments: list[str]) -> int:
    """What the lists say of an address."""
    options, (text,) = _options(arguments, _PLACES, 1)
    address = _address(text)
    found = _book(options).judge(address, time.time())
    for black, white in found.spared:
        print(f"{black}: listed, but spared by {white}")
    for name in dict.fromkeys(found.unknown):
        print(f"{name}: not known, and so not used")
    for name, told in found.hits:
        print(f"{name}: listed: {told}")
    print(f"{address} would be {'refused' if found.hits else 'accepted'}")
    return int(bool(found.hits))


def _address(text: str) -> Address:
    try:
        return plain_address(ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise UsageError(f"not an address: {printable(text)}") from None


def _import(arguments: list[str]) -> int:
    """A spamd.conf(5) as lists.conf, on stdout; what cannot be taken over is said on stderr, and in comments."""
    from filter_lists.tool.spamd import import_spamd

    options, (path,) = _options(arguments, IMPORT, 1)
    text, warnings = import_spamd(path, programs="-x" in options, dead=DEAD)
    for warning in warnings:
        print(f"filterctl: lists: {printable(warning, 500)}", file=sys.stderr)
    sys.stdout.write(text)
    return 0
