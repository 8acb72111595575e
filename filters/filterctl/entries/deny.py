"""``filterctl deny``: turn somebody away, by an entry in a black list that is kept by hand.

    filterctl deny [-c comment] [-f smtpd.conf] [-t days] what ...
    filterctl deny -d [-f smtpd.conf] what ...
    filterctl deny -l [-f smtpd.conf]

Addresses and networks go into the first black list of filter-lists that is a file of the operator's, else into a table
of smtpd.conf by which smtpd refuses clients; senders and names of clients into such a table. Exit status 1: there is no
such place, or no such entry.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple, Protocol, cast

from filter_api.errors import ConfigError
from filter_api.files.ranges import Ranges
from filter_api.files.reloading import ReloadingFile
from filter_api.filter import Filter
from filter_api.text.addresses import Address, plain_address
from filter_api.text.escape import printable
from filterctl.__main__ import load
from filterctl.conf.running import Process, processes
from filterctl.conf.smtpdconf import read
from filterctl.conf.tablefiles import TableFile, Tables, tables
from filterctl.entries.allow import let_in
from filterctl.entries.entryfile import EntryFile, each_once
from filterctl.entries.request import Request, request_of
from filterctl.entries.smtpdtable import in_table
from filterctl.entries.what import What

_LISTS: Final = "filter-lists"
_REMEDY: Final = {
    "address": 'name a file in lists.conf, "mine black file:/etc/mail/blacklist", and mine in its order; or write'
    ' table denied file:/etc/mail/denied and filter "denied" phase connect match src <denied> disconnect "550 no"',
    "from": 'write table denied-senders file:/etc/mail/denied-senders and filter "denied-senders" phase mail-from'
    ' match mail-from <denied-senders> reject "550 no" into smtpd.conf, and name the filter in its listeners',
    "host": 'write table denied-names file:/etc/mail/denied-names and filter "denied-names" phase connect match rdns'
    ' <denied-names> disconnect "550 no" into smtpd.conf, and name the filter in its listeners',
}


class Judged(Protocol):
    """What lists say of an address: (list, text for the client), and (black list, the white list that spares it)."""

    hits: list[tuple[str, str]]
    spared: list[tuple[str, str]]


class LocalList(Protocol):
    """What filter_lists.ctl tells of a black list."""

    name: str
    place: str
    file: ReloadingFile[Ranges]
    judge: Callable[[Address], Judged]


class BlackList(NamedTuple):
    """A black list of filter-lists. place: its line of lists.conf; by: the filter that asks it.

    judge: what all lists of this filter say of an address now.
    """

    name: str
    place: str
    file: ReloadingFile[Ranges]
    by: str
    judge: Callable[[Address], Judged]


class Where(NamedTuple):
    """What a configuration has: its filters, their black lists kept by hand, and the tables of smtpd itself."""

    filters: Sequence[Process]
    lists: Sequence[BlackList]
    tables: Tables

    @property
    def list_files(self) -> list[EntryFile]:
        """The files of the black lists, each once."""
        return each_once((each.file.path for each in self.lists), self.tables)


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError, ConfigError and OSError."""
    request = request_of(arguments)
    configuration = read(request.conf)
    filters = processes(configuration)
    where = Where(filters, list(_lists(filters)), tables(request.conf, configuration.used))
    if request.listing:
        return _list(request, where)
    if request.deleting:
        return max([_delete(what, where) for what in request.what])
    return max([_deny(what, request, where) for what in request.what])


def _lists(filters: Sequence[Process]) -> Iterator[BlackList]:
    for process in filters:
        for label, each in process.members.items():
            if each.name == _LISTS and process.used:
                observing = ", which only observes (-n)" if each.options.observe else ""
                for found in cast(Callable[[Filter], list[LocalList]], load("filter_lists.ctl", "local_lists"))(each):
                    by = process.shown(label) + observing
                    yield BlackList(found.name, found.place, found.file, by, found.judge)


def _list(request: Request, where: Where) -> int:
    files = [*where.list_files, *(EntryFile(table.path, table.name) for table in where.tables.refusing)]
    if not files:
        raise ConfigError(f"{printable(request.conf)}: there is no list to show: {_REMEDY['address']}")
    for file in {file.path: file for file in files}.values():
        file.show()
    return 0


def _deny(what: What, request: Request, where: Where) -> int:
    table = next((table for table in where.tables.refusing if table.kind == what.kind and table.alone), None)
    if what.kind == "address" and where.lists:
        _write_list(what, request, where)
    elif table is not None:
        _write_table(what, request, table)
    else:
        remedy = _REMEDY.get(what.kind, f"only clients, senders and names can be denied, not {what.kind}:")
        raise ConfigError(f"{printable(request.conf)}: there is no list to write {what.text} into: {remedy}")
    return 0


def _write_list(what: What, request: Request, where: Where) -> None:
    target, file = where.lists[0], where.list_files[0]
    file.put([what.text], request, target.file.would_take)
    by = [each.by for each in where.lists if each.file.path == file.path]
    print(f"  refused by {', '.join(by)}, list {target.name} ({target.place})")
    for line in file.remarks(filters=True):
        print(f"  {line}")
    for line in _judged(what, where):
        print(f"  but {line}")
    for line in let_in(what, where.filters, _LISTS):
        print(f"  but {line}{': filterctl allow -d takes it out' if line.endswith('-W holds it') else ''}")


def _judged(what: What, where: Where, *, deleted: bool = False) -> Iterator[str]:
    """Which lists keep an address from being refused, or refuse it still. Nothing for a network."""
    try:
        address = plain_address(ip_address(what.text))
    except ValueError:
        return
    found = {each.by: each.judge(address) for each in where.lists}
    for by, said in found.items():
        yield from (f"list {name} of {by} lists it, too" for name, _ in said.hits if deleted)
        yield from (f"list {white} of {by} spares it from {black}" for black, white in said.spared if not deleted)


def _write_table(what: What, request: Request, table: TableFile) -> None:
    was_empty = EntryFile(table.path, table.name).put(in_table(what), request, lambda data: None)
    print(f"  refused by smtpd ({table.place}), once it has read its table again:")
    print(f"        smtpctl update table {table.name}")
    if was_empty:
        print("  the table was empty: if that fails, restart smtpd, which takes an empty table for a map")


def _delete(what: What, where: Where) -> int:
    gone = 0
    if what.kind == "address":
        for file in where.list_files:
            if found := file.remove([what.text]):
                gone += found
                for line in file.remarks(filters=True):
                    print(f"  {line}")
    for table in where.tables.refusing:
        if table.kind == what.kind and EntryFile(table.path, table.name).remove(in_table(what)):
            gone += 1
            print(f"        smtpctl update table {table.name}")
    if not gone:
        print(f"{what.text}: no such entry", file=sys.stderr)
    for line in _judged(what, where, deleted=True):
        print(f"  {line}")
    return int(not gone)
