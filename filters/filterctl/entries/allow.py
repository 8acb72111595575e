"""``filterctl allow``: let somebody in, by an entry in the files that the filters of a configuration have as -W.

    filterctl allow [-c comment] [-f smtpd.conf] [-t days] what ...
    filterctl allow -d [-f smtpd.conf] what ...
    filterctl allow -l [-f smtpd.conf]

Running filters see a change within a second. An entry is written only where all that read the file take it: each is
asked itself. Exit status 1: some entry is heeded by nobody, or was not there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple

from filter_api import trust
from filter_api.errors import ConfigError
from filter_api.files.exempt import ExemptTable
from filter_api.text.addresses import plain_address
from filter_api.text.escape import printable
from filterctl.conf.running import Process, processes
from filterctl.conf.smtpdconf import read
from filterctl.conf.tablefiles import Tables, tables
from filterctl.entries.entryfile import NOT_IN_TABLES, EntryFile, each_once
from filterctl.entries.lines import listed
from filterctl.entries.request import Request, request_of
from filterctl.entries.smtpdtable import covers, says
from filterctl.entries.what import PROOFS, What
from filterctl.entries.writing import read as read_bytes

_SIGNER: Final = "filter-dkimsign"
"""What it leaves alone it does not sign: nobody is let in by that."""

_OF_ALL: Final = frozenset({"address", "host"})
"""Kinds of entries that every filter with -W takes."""


class Reader(NamedTuple):
    """A filter with a -W file. shown: its name and place. lets_in: whether an entry lets somebody in."""

    shown: str
    table: ExemptTable
    lets_in: bool


class Where(NamedTuple):
    """What a configuration has: its filters, those that have -W, and the tables of smtpd itself."""

    filters: Sequence[Process]
    readers: Sequence[Reader]
    tables: Tables

    @property
    def files(self) -> list[EntryFile]:
        """The files of -W, each once."""
        return each_once((file.path for reader in self.readers for file in reader.table.files), self.tables)


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError, ConfigError and OSError."""
    request = request_of(arguments)
    configuration = read(request.conf)
    filters = processes(configuration)
    where = Where(filters, list(readers_of(filters)), tables(request.conf, configuration.used))
    if not where.files:
        raise ConfigError(f"{printable(request.conf)}: {_no_file(filters)}")
    if request.listing:
        for file in where.files:
            file.show()
        return 0
    if request.deleting:
        return max([_delete(what, where) for what in request.what])
    return max([_allow(what, request, where) for what in request.what])


def readers_of(filters: Sequence[Process]) -> Iterator[Reader]:
    """The filters that have -W, and the chains, which read the files that they give to all of their members."""
    for process in filters:
        for label, each in process.members.items():
            if each.options.exempt is not None:
                yield Reader(process.shown(label), each.options.exempt, each.name != _SIGNER)
        if "" not in process.members and process.options.exempt is not None:
            yield Reader(process.shown(), process.options.exempt, False)


def _no_file(filters: Sequence[Process]) -> str:
    """Why there is no file to write, and the remedy."""
    told = [f"{each.shown()}: {each.trouble}" for each in filters if each.trouble and each.command is not None]
    if told:
        return f"no -W file can be used: {'; '.join(told)}; filterctl check tells more"
    return "no filter has a -W file: write -W /etc/mail/exempt into their lines, make that file, restart smtpd"


def _allow(what: What, request: Request, where: Where) -> int:
    heeding: list[str] = []
    refusing: list[str] = []
    for file in where.files:
        mine = [reader for reader in where.readers if file.path in {each.path for each in reader.table.files}]
        useful = [reader.shown for reader in mine if reader.lets_in and reader.shown not in heeding]
        if not useful:
            continue
        try:
            _write(file, what, request, mine, where.filters)
        except Refused as error:
            refusing.append(f"{printable(file.path)}: {error}")
        else:
            heeding += useful
            for line in file.remarks(filters=True):
                print(f"  {line}")
    for line in refusing:
        print(f"not written to {line}", file=sys.stderr)
    _tell(what, heeding, where)
    for line in _denied(what, where.tables):
        print(f"  {line}")
    if refusing and not heeding:
        print(f"give those that can a file of their own for {what.kind}: (-W may be given twice)", file=sys.stderr)
    return int(not heeding)


class Refused(Exception):
    """A filter that reads the file would not take this entry, or it is not known whether it would."""


def _write(
    file: EntryFile, what: What, request: Request, readers: Sequence[Reader], filters: Sequence[Process]
) -> None:
    """Raises Refused."""
    if file.table and request.until:
        raise Refused(f"smtpd reads it as table {printable(file.table, 60)}: {NOT_IN_TABLES}")
    for process in filters:
        if process.unasked and what.kind not in _OF_ALL:
            raise Refused(f"{process.shown()} may read it, and cannot be asked whether it takes {what.kind}: entries")

    def check(data: bytes) -> None:
        asked: list[Mapping[bytes, bool]] = []
        for reader in readers:
            if reader.table.kinds in asked:
                continue  # it would say the same, and take as long
            asked.append(reader.table.kinds)
            try:
                for each in reader.table.files:
                    if each.path == file.path:
                        each.would_take(data)
            except ConfigError as error:
                raise Refused(f"{reader.shown} says {error}") from None

    file.put([what.text], request, check)


def _denied(what: What, found: Tables) -> Iterator[str]:
    """The tables by which smtpd itself refuses it, whatever stands in -W."""
    for table in found.refusing:
        if table.kind == what.kind:
            for entry in listed(read_bytes(table.path), smtpd=True):
                if covers(entry.text, what):
                    out = f": filterctl deny -d {what.text}" if says(entry.text, what) else ""
                    yield f"but smtpd itself refuses {printable(entry.text, 320)} ({table.place}){out}"


def _tell(what: What, heeding: Sequence[str], where: Where) -> None:
    """Who will heed the entry, and who cannot."""
    if heeding:
        print(f"  heeded by {', '.join(heeding)}, where {PROOFS[what.kind]}")
    for process in where.filters:
        if process.trouble:
            print(f"  not by {process.shown()}: {printable(process.trouble, 300)}")
        for label, each in process.members.items():
            shown = process.shown(label)
            if shown in heeding:
                continue
            if each.name == _SIGNER:
                if any(reader.shown == shown for reader in where.readers):
                    print(f"  {shown} never signs for whom this file lists")
            elif each.options.exempt is None:
                print(f"  not by {shown}: it has no -W; add -W {printable(where.files[0].path)}")
            else:
                print(f"  not by {shown}: its -W file does not have it")


def _delete(what: What, where: Where) -> int:
    gone = 0
    for file in where.files:
        if found := file.remove([what.text]):
            gone += found
            for line in file.remarks(filters=True):
                print(f"  {line}")
    if not gone:
        print(
            f"{what.text}: no such entry in {', '.join(printable(file.path) for file in where.files)}", file=sys.stderr
        )
    for line in let_in(what, where.filters):
        print(f"  {line}")
    return int(not gone)


def let_in(what: What, filters: Sequence[Process], program: str = "") -> Iterator[str]:
    """The filters that leave this address alone, as their -W or -N holds it. Nothing for a network or a name.

    program: only those of this one, as ``filter-lists``; by default all.
    """
    try:
        session = trust.client_at(plain_address(ip_address(what.text)))
    except ValueError:
        return
    for process in filters:
        for label, each in process.members.items():
            if each.name == _SIGNER or program not in {"", each.name}:
                continue
            table = each.options.exempt
            for file in table.files if table is not None else ():
                file.look()
            if each.ours(session):
                yield f"{process.shown(label)} leaves {what.text} alone: it is one of ours (-N)"
            elif table is not None and trust.client_is_exempt(table, session):
                yield f"{process.shown(label)} lets {what.text} in: its -W holds it"
