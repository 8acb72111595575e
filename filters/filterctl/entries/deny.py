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
from typing import Final, NamedTuple, cast

from filter_api.errors import ConfigError
from filter_api.files.ranges import Ranges
from filter_api.files.reloading import ReloadingFile
from filter_api.filter import Filter
from filter_api.text.escape import printable
from filter_api.text.lines import LineError
from filterctl.__main__ import load
from filterctl.conf.running import Process, processes
from filterctl.conf.smtpdconf import read
from filterctl.conf.tablefiles import TableFile, refusing
from filterctl.entries.allow import removed, still_exempt
from filterctl.entries.lines import AS_LIST, is_empty, placed, put
from filterctl.entries.request import Request, request_of, table_of
from filterctl.entries.what import What, in_table
from filterctl.entries.writing import change

_LISTS: Final = "filter-lists"
_REMEDY: Final = {
    "address": 'name a file in lists.conf, "mine black file:/etc/mail/blacklist", and mine in its order; or write'
    ' table denied file:/etc/mail/denied and filter "denied" phase connect match src <denied> disconnect "550 no"',
    "from": 'write table denied-senders file:/etc/mail/denied-senders and filter "denied-senders" phase mail-from'
    ' match mail-from <denied-senders> reject "550 no" into smtpd.conf, and name the filter in its listeners',
    "host": 'write table denied-names file:/etc/mail/denied-names and filter "denied-names" phase connect match rdns'
    ' <denied-names> disconnect "550 no" into smtpd.conf, and name the filter in its listeners',
}


class BlackList(NamedTuple):
    """A black list of filter-lists. place: its line of lists.conf; by: the filters that ask it."""

    name: str
    place: str
    file: ReloadingFile[Ranges]
    by: str


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError, ConfigError and OSError."""
    request = request_of(arguments)
    filters = processes(read(request.conf))
    lists = list(_lists(filters))
    tables = refusing(request.conf)
    if request.listing:
        return _list(lists, tables)
    if request.deleting:
        return max([_delete(what, lists, tables) for what in request.what])
    return max([_deny(what, request, lists, tables, filters) for what in request.what])


def _lists(filters: Sequence[Process]) -> Iterator[BlackList]:
    for process in filters:
        for label, each in process.members.items():
            if each.name == _LISTS:
                local = cast(Callable[[Filter], list[tuple[str, str, ReloadingFile[Ranges]]]], _local_lists())
                for name, place, file in local(each):
                    observing = ", which only observes (-n)" if each.options.observe else ""
                    yield BlackList(name, place, file, process.shown(label) + observing)


def _local_lists() -> object:
    return load("filter_lists.ctl", "local_lists")


def _list(lists: Sequence[BlackList], tables: Sequence[TableFile]) -> int:
    for path in dict.fromkeys(each.file.path for each in lists):
        print("\n".join(table_of(path)))
    for path in dict.fromkeys(table.path for table in tables):
        print("\n".join(table_of(path, smtpd=True)))
    return 0


def _deny(
    what: What,
    request: Request,
    lists: Sequence[BlackList],
    tables: Sequence[TableFile],
    filters: Sequence[Process],
) -> int:
    table = next((table for table in tables if table.kind == what.kind), None)
    if what.kind == "address" and lists:
        _write_list(what, request, lists[0])
        by = [each.by for each in lists if each.file.path == lists[0].file.path]
        print(f"  refused by {', '.join(by)}, list {lists[0].name} ({lists[0].place})")
    elif table is not None:
        _write_table(what, request, table)
    else:
        remedy = _REMEDY.get(what.kind, f"only clients, senders and names can be denied, not {what.kind}:")
        raise ConfigError(f"{printable(request.conf)}: there is no list to write {what.text} into: {remedy}")
    for each in still_exempt(what, filters):
        print(f"  but {each}: filterctl allow -d takes it out")
    return 0


def _write_list(what: What, request: Request, target: BlackList) -> None:
    path = target.file.path

    def edit(data: bytes) -> bytes:
        try:
            new = put(data, what.text, request.stamp, request.until)
        except LineError as error:
            raise placed(path, error) from None
        target.file.would_take(new)
        return new

    change(path, edit)
    print(f"{printable(path)}: {what.text}{f' until {request.until}' if request.until else ''}")


def _write_table(what: What, request: Request, table: TableFile) -> None:
    if request.until:
        raise ConfigError(
            f"{printable(table.path)}: entries of smtpd's own tables do not expire: leave -t away, and delete with -d"
        )
    text = in_table(what)

    was_empty = False

    def edit(data: bytes) -> bytes:
        nonlocal was_empty
        was_empty = is_empty(data)
        try:
            return put(AS_LIST + data if was_empty else data, text, request.stamp, smtpd=True)
        except LineError as error:
            raise placed(table.path, error) from None

    change(table.path, edit)
    print(f"{printable(table.path)}: {text}")
    print(f"  refused by smtpd ({table.place}), once it has read its table again:")
    print(f"        smtpctl update table {table.name}")
    if was_empty:
        print("  the table was empty: if that fails, restart smtpd, which takes an empty table for a map")


def _delete(what: What, lists: Sequence[BlackList], tables: Sequence[TableFile]) -> int:
    gone = 0
    if what.kind == "address":
        for path in dict.fromkeys(each.file.path for each in lists):
            gone += removed(path, what.text)
    for table in tables:
        if table.kind == what.kind and removed(table.path, in_table(what), smtpd=True):
            gone += 1
            print(f"        smtpctl update table {table.name}")
    if not gone:
        print(f"{what.text}: no such entry", file=sys.stderr)
    return int(not gone)
