"""``filterctl allow``: let somebody in, by an entry in the files that the filters of a configuration have as -W.

    filterctl allow [-c comment] [-f smtpd.conf] [-t days] what ...
    filterctl allow -d [-f smtpd.conf] what ...
    filterctl allow -l [-f smtpd.conf]

Running filters see a change within a second. An entry is written only where all that read the file take it: each is
asked itself. Exit status 1: some entry is heeded by nobody, or was not there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple

from filter_api import trust
from filter_api.errors import ConfigError
from filter_api.files.exempt import ExemptTable
from filter_api.text.addresses import plain_address
from filter_api.text.escape import printable
from filter_api.text.lines import LineError
from filterctl.conf.running import Process, processes
from filterctl.conf.smtpdconf import read
from filterctl.conf.tablefiles import refusing
from filterctl.entries.lines import has, placed, put, taken
from filterctl.entries.request import Request, request_of, table_of
from filterctl.entries.what import PROOFS, What, in_table
from filterctl.entries.writing import change
from filterctl.entries.writing import read as read_bytes

_SIGNER: Final = "filter-dkimsign"
"""What it leaves alone it does not sign: nobody is let in by that."""


class Reader(NamedTuple):
    """A filter with a -W file. shown: its name and place. lets_in: whether an entry lets somebody in."""

    shown: str
    table: ExemptTable
    lets_in: bool


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError, ConfigError and OSError."""
    request = request_of(arguments)
    filters = processes(read(request.conf))
    readers = list(readers_of(filters))
    paths = paths_of(readers)
    if not paths:
        raise ConfigError(f"{printable(request.conf)}: {_no_file(filters)}")
    if request.listing:
        for path in paths:
            print("\n".join(table_of(path)))
        return 0
    if request.deleting:
        return max([_delete(what, paths, filters) for what in request.what])
    return max([_allow(what, request, readers, filters) for what in request.what])


def readers_of(filters: Sequence[Process]) -> Iterator[Reader]:
    """The filters that have -W, and the chains, which read the files that they give to all of their members."""
    for process in filters:
        for label, each in process.members.items():
            if each.options.exempt is not None:
                yield Reader(process.shown(label), each.options.exempt, each.name != _SIGNER)
        if "" not in process.members and process.options.exempt is not None:
            yield Reader(process.shown(), process.options.exempt, False)


def paths_of(readers: Sequence[Reader]) -> list[str]:
    """The files, each once."""
    return list(dict.fromkeys(file.path for reader in readers for file in reader.table.files))


def _no_file(filters: Sequence[Process]) -> str:
    """Why there is no file to write, and the remedy."""
    told = [f"{each.shown()}: {each.trouble}" for each in filters if each.trouble and each.command is not None]
    if told:
        return f"no -W file can be used: {'; '.join(told)}; filterctl check tells more"
    return "no filter has a -W file: write -W /etc/mail/exempt into their lines, make that file, restart smtpd"


def _allow(what: What, request: Request, readers: Sequence[Reader], filters: Sequence[Process]) -> int:
    heeding: list[str] = []
    refusing: list[str] = []
    for path in paths_of(readers):
        mine = [reader for reader in readers if path in {file.path for file in reader.table.files}]
        useful = [reader.shown for reader in mine if reader.lets_in and reader.shown not in heeding]
        if not useful:
            continue
        try:
            _write(path, what, request, mine)
        except Refused as error:
            refusing.append(f"{printable(path)}: {error}")
        else:
            print(f"{printable(path)}: {what.text}{f' until {request.until}' if request.until else ''}")
            heeding += useful
    for line in refusing:
        print(f"not written to {line}", file=sys.stderr)
    _tell(what, heeding, readers, filters)
    for line in _denied(what, request.conf):
        print(f"  {line}")
    if refusing and not heeding:
        print(f"give those that can a file of their own for {what.kind}: (-W may be given twice)", file=sys.stderr)
    return int(not heeding)


class Refused(Exception):
    """A filter that reads the file would not take this entry."""


def _write(path: str, what: What, request: Request, readers: Sequence[Reader]) -> None:
    """Raises Refused."""

    def edit(data: bytes) -> bytes:
        try:
            new = put(data, what.text, request.stamp, request.until)
        except LineError as error:
            raise placed(path, error) from None
        for reader in readers:
            try:
                for file in reader.table.files:
                    if file.path == path:
                        file.would_take(new)
            except ConfigError as error:
                raise Refused(f"{reader.shown} says {error}") from None
        return new

    change(path, edit)


def _denied(what: What, conf: str) -> Iterator[str]:
    """The tables by which smtpd itself refuses it, whatever stands in -W."""
    for table in refusing(conf):
        if table.kind == what.kind and has(read_bytes(table.path), in_table(what)):
            yield f"but smtpd itself refuses it ({table.place}): filterctl deny -d {what.text}"


def _tell(what: What, heeding: Sequence[str], readers: Sequence[Reader], filters: Sequence[Process]) -> None:
    """Who will heed the entry, and who cannot."""
    paths = paths_of(readers)
    if heeding:
        print(f"  heeded by {', '.join(heeding)}, where {PROOFS[what.kind]}")
    for process in filters:
        if process.trouble:
            print(f"  not by {process.shown()}: {printable(process.trouble, 300)}")
        for label, each in process.members.items():
            shown = process.shown(label)
            if shown in heeding:
                continue
            if each.name == _SIGNER:
                if any(reader.shown == shown for reader in readers):
                    print(f"  {shown} never signs for whom this file lists")
            elif each.options.exempt is None:
                print(f"  not by {shown}: it has no -W; add -W {printable(paths[0])}")
            else:
                print(f"  not by {shown}: its -W file does not have it")


def _delete(what: What, paths: Sequence[str], filters: Sequence[Process]) -> int:
    gone = sum([removed(path, what.text) for path in paths])
    if not gone:
        print(f"{what.text}: no such entry in {', '.join(map(printable, paths))}", file=sys.stderr)
    for each in still_exempt(what, filters):
        print(f"  {each}")
    return int(not gone)


def removed(path: str, text: str, *, smtpd: bool = False) -> int:
    """Take an entry out of a file, and say so; from how many lines. Raises ConfigError."""
    count = 0

    def edit(data: bytes) -> bytes:
        nonlocal count
        try:
            new, count = taken(data, text, smtpd=smtpd)
        except LineError as error:
            raise placed(path, error) from None
        return new

    if os.path.exists(path):
        change(path, edit)
    if count:
        print(f"{printable(path)}: {text} deleted")
    return count


def still_exempt(what: What, filters: Sequence[Process]) -> Iterator[str]:
    """The filters that leave this address alone, as their -W holds it. Nothing for a network or a name."""
    try:
        session = trust.client_at(plain_address(ip_address(what.text)))
    except ValueError:
        return
    for process in filters:
        for label, each in process.members.items():
            table = each.options.exempt
            if table is None or each.name == _SIGNER:
                continue
            for file in table.files:
                file.look()
            if trust.client_is_exempt(table, session):
                yield f"{process.shown(label)} lets {what.text} in: its -W holds it"
