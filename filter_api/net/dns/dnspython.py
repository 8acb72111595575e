"""The backend of the Resolver over dnspython (2.3 to 2.9): one question, one typed answer.

dnspython does the packets: random ids and ports, the check that an answer belongs to the question, TCP after a
truncated answer, the retries over all name servers. What is done here is to ask without the search list of
resolv.conf(5), to turn its exceptions into a Status, and to bound and flatten the records.

This module and `sockets`, which it uses, are the only ones that import dnspython, at the first question.
"""

from __future__ import annotations

import io
import ipaddress
import itertools
import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

from filter_api.bounds import MAX_RECORDS
from filter_api.confinement.recalled import recall
from filter_api.net.dns.answer import Answer, Record, Status


def _without_https() -> list[str]:
    """Keep dnspython from importing httpx, which doubles its start and memory for DNS over HTTPS nobody asked for.

    Returns the modules that were hidden for it, for dnspython before 2.5.
    """
    try:
        # Private, so only by leave: if it moves, the import below just takes longer.
        from dns import _features

        _features._cache["doh"] = False
    except AttributeError:
        return []
    except ImportError:
        hidden = [name for name in ("httpx", "httpcore", "requests") if name not in sys.modules]
        for name in hidden:
            sys.modules[name] = None  # type: ignore[assignment]  # "not found", as the import system defines it
        return hidden
    return []


_hidden = _without_https()

import dns.asyncbackend  # noqa: E402 - after the line above, which is of no use later
import dns.asyncresolver  # noqa: E402
import dns.exception  # noqa: E402
import dns.flags  # noqa: E402
import dns.message  # noqa: E402
import dns.name  # noqa: E402
import dns.rdata  # noqa: E402
import dns.rdataclass  # noqa: E402
import dns.rdatatype  # noqa: E402
import dns.resolver  # noqa: E402
from dns.rdtypes.ANY.MX import MX  # noqa: E402
from dns.rdtypes.ANY.TXT import TXT  # noqa: E402
from dns.rdtypes.IN.A import A  # noqa: E402
from dns.rdtypes.IN.AAAA import AAAA  # noqa: E402
from dns.rdtypes.nsbase import NSBase  # noqa: E402

from filter_api.net.dns.sockets import BoundedSockets  # noqa: E402 - imports dnspython

dns.asyncbackend.get_backend("asyncio")  # imports one more module, and nothing shall be imported later
for _module in _hidden:
    del sys.modules[_module]

RESOLV_CONF = "/etc/resolv.conf"
_SOA = re.compile(r'^([^\n;"]*[ \t])SOA[ \t]([^\n(]*(?:\([^)]*\))?)', re.IGNORECASE | re.MULTILINE)
"""A record that dnspython takes at the root of a zone file only, and nobody asks for."""

TRY = 2.0  # seconds one name server is given before the next one is asked
_LOG = logging.getLogger("filter_api.files.tables")

RECHECK = 10.0  # seconds between two looks at resolv.conf(5)


class DnspythonBackend:
    """Asks the given (address, port) name servers, or those of resolv.conf(5), which is read again when it changes."""

    def __init__(self, nameservers: Sequence[tuple[str, int]] = (), resolv_conf: str = RESOLV_CONF) -> None:
        self._fixed = tuple(nameservers)
        self._path = resolv_conf
        self._stamp: tuple[int, int] | None = None
        self._looked = 0.0
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def query(self, name: str, kind: str, timeout: float) -> Answer:
        """Ask once. Trouble is a TEMPFAIL that says why; what dnspython raises beyond its own errors goes through."""
        question = dns.name.Name([*(label.encode("ascii") for label in name.split(".")), b""])
        sockets = BoundedSockets()
        try:
            found = await self._current().resolve(
                question, kind, raise_on_no_answer=False, lifetime=timeout, search=False, backend=cast(Any, sockets)
            )
        except dns.resolver.NXDOMAIN as error:
            return Answer(Status.NXDOMAIN, ttl=_nxdomain_ttl(error))
        except dns.exception.DNSException as error:
            return Answer(Status.TEMPFAIL, why=_reason(error))
        if found.response.flags & dns.flags.TC:  # over TCP: what is missing could be anything
            return Answer(Status.TEMPFAIL, why="truncated")
        if found.rrset is None:
            if sockets.cut:
                return Answer(Status.TEMPFAIL, why="more than is read of an answer", cut=True)
            return Answer(Status.NODATA, ttl=_negative_ttl(found.response))
        records = tuple(flattened(rdata) for rdata in itertools.islice(found.rrset, MAX_RECORDS[kind]))
        cut = sockets.cut or len(found.rrset) > len(records)
        return Answer(Status.OK, records, ttl=found.chaining_result.minimum_ttl, cut=cut)

    def nameservers(self) -> list[str]:
        """The addresses that are asked now."""
        return [str(server) for server in self._current().nameservers]

    def _current(self) -> dns.asyncresolver.Resolver:
        """The resolver for the name servers as they are configured now."""
        now = time.monotonic()
        if self._resolver is not None and (self._fixed or now - self._looked < RECHECK):
            return self._resolver
        self._looked = now
        stamp = _stamp(self._path)
        if self._resolver is None or stamp != self._stamp:
            self._stamp = stamp
            self._resolver = self._configured()
        return self._resolver

    def _configured(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=False)
        if self._fixed:
            resolver.nameservers = [address for address, _ in self._fixed]
            resolver.nameserver_ports = dict(self._fixed)
        else:
            try:
                self._read(resolver)
            except (OSError, ValueError, dns.exception.DNSException):
                if self._resolver is not None:
                    return self._resolver  # a file being written, or a mistake: what worked goes on working
        if not resolver.nameservers:
            resolver.nameservers = ["127.0.0.1"]  # as resolv.conf(5) says of a missing file
        resolver.timeout = TRY
        return resolver

    def _read(self, resolver: dns.asyncresolver.Resolver) -> None:
        """Raises OSError, ValueError and what dnspython raises for a file without name servers."""
        try:
            resolver.read_resolv_conf(self._path)
        except PermissionError:
            _LOG.warning("%s was replaced, which a confined filter cannot follow: restart smtpd", self._path)
            text = recall(self._path)
            if self._resolver is not None or text is None:
                raise
            resolver.read_resolv_conf(io.StringIO(text))


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def flattened(rdata: dns.rdata.Rdata) -> Record:
    """Flatten one record into plain values."""
    match rdata:
        case A():
            return ipaddress.IPv4Address(rdata.address)
        case AAAA():
            return ipaddress.IPv6Address(rdata.address)
        case TXT():
            return b"".join(rdata.strings)
        case MX():
            return rdata.preference, _name(rdata.exchange)
        case NSBase():  # PTR, CNAME and NS alike
            return _name(rdata.target)
    raise ValueError(f"not a record asked for: {rdata.rdtype}")


def records_of(text: str, ttl: int) -> Iterator[tuple[str, str, Sequence[dns.rdata.Rdata]]]:
    """Name, kind and records of each set in a zone file. ttl: of what has none.

    Raises ValueError: the line, a colon, what is wrong there.
    """
    import dns.tokenizer  # both for filterctl only
    import dns.zonefile

    def without_soa(found: re.Match[str]) -> str:
        return f'{found[1]}HINFO "" ""' + "\n" * found[2].count("\n")  # the owner of the next records, and their lines

    manager = dns.zonefile.RRSetsReaderManager(dns.name.root, False, dns.rdataclass.IN)
    try:
        with manager.writer(True) as transaction:  # type: ignore[no-untyped-call]  # as dnspython has it
            tokens = dns.tokenizer.Tokenizer(_SOA.sub(without_soa, text), "")
            dns.zonefile.Reader(tokens, dns.rdataclass.IN, transaction, default_ttl=ttl).read()
    except dns.exception.DNSException as error:
        raise ValueError(str(error).removeprefix(":") or type(error).__name__) from None
    for rrset in manager.rrsets:
        yield _name(rrset.name), dns.rdatatype.to_text(rrset.rdtype), list(rrset)


def _name(name: dns.name.Name) -> str:
    """A name as text: odd bytes escaped as \\DDD, lower case, no final dot; the root is empty."""
    return name.to_text(omit_final_dot=True).lower().removesuffix(".")


def _negative_ttl(response: dns.message.Message) -> int:
    """Seconds to believe in an absence: the SOA's TTL or minimum, the smaller (RFC 2308 §5); without SOA none."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return min(rrset.ttl, int(getattr(rrset[0], "minimum", 0)))
    return 0


def _nxdomain_ttl(error: dns.resolver.NXDOMAIN) -> int:
    return min((_negative_ttl(response) for response in _responses(error)), default=0)


def _responses(error: dns.resolver.NXDOMAIN) -> Iterator[dns.message.Message]:
    responses = error.kwargs.get("responses")
    if isinstance(responses, dict):
        yield from (r for r in responses.values() if isinstance(r, dns.message.Message))


def _reason(error: dns.exception.DNSException) -> str:
    """The last trouble with a name server in a few words: SERVFAIL, Timeout, …"""
    errors = error.kwargs.get("errors")
    if not errors:
        return type(error).__name__
    trouble = errors[-1][3]
    return trouble if isinstance(trouble, str) else type(trouble).__name__
