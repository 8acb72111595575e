"""A small DNS server for a private room, over dnspython, in a thread of the caller.

    zone = {
        "192.0.2.10": "mx1.example.net",                     # an address: its PTR record
        "mx1.example.net": ["A 192.0.2.10"],
        "example.net": ["MX 10 mx1.example.net.", "TXT \\"v=spf1 mx -all\\""],
        "192.0.2.66": Trouble.SERVFAIL,                       # every question about it fails
        "slow.example.net": Slow(0.5, ["A 192.0.2.11"]),
    }
    with DnsServer(udp_socket, tcp_listener, zone) as server:
        server.asked                                          # [("mx1.example.net", "A"), …]

A name that is not in the zone, and is no parent of one that is, does not exist (NXDOMAIN); a name without the wanted
type has no data. Negative answers carry a SOA record, RFC 2308. CNAMEs are followed inside the zone. The zone may be
changed while the server runs.
"""

from __future__ import annotations

import enum
import functools
import select
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

TTL: Final = 300
SOA: Final = "SOA ns.example. hostmaster.example. 1 3600 600 86400 60"
CHAIN: Final = 8
"""CNAMEs followed at most, so that a loop in a zone ends."""


class Trouble(enum.Enum):
    """Ways a name server fails."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    DROP = "drop"
    """No answer at all."""
    GARBAGE = "garbage"
    """Bytes that are no DNS message."""
    TRUNCATED = "truncated"
    """TC over UDP and no answer over TCP."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Records answered only after `seconds`."""

    seconds: float
    records: Sequence[str]


Zone = Mapping[str, "str | Sequence[str] | Trouble | Slow"]


@functools.lru_cache(maxsize=4096)  # zones are gone through at each question
def owner(name: str) -> str:
    """The owner name a key of a zone stands for: lower case, without the last dot; an address becomes its PTR name."""
    try:
        text = dns.reversename.from_address(name).to_text()
    except dns.exception.SyntaxError:
        text = name
    return text.rstrip(".").lower()


def entry_for(zone: Zone, name: str) -> Sequence[str] | Trouble | Slow | None:
    """What the zone says of `name`: None when it does not exist."""
    found = None
    for key, value in zone.items():
        candidate = owner(key)
        if candidate == name:
            is_pointer = candidate.endswith(".arpa") and isinstance(value, str)
            found = [f"PTR {str(value).rstrip('.')}."] if is_pointer else [value] if isinstance(value, str) else value
            break
        if candidate.endswith("." + name):
            found = []  # an empty non-terminal, RFC 8020
    return found


class DnsServer:
    """Answers from a zone until closed. `asked` keeps every question, in order."""

    def __init__(self, datagrams: socket.socket, listener: socket.socket, zone: Zone) -> None:
        self.zone: Zone = dict(zone)
        self.asked: list[tuple[str, str]] = []
        self._datagrams = datagrams
        self._listener = listener
        self._wake, self._woken = socket.socketpair()
        self._timers: list[threading.Timer] = []
        self._thread = threading.Thread(target=self._serve, name="dns", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._wake.close()
        self._thread.join(5)
        for timer in self._timers:
            timer.cancel()
        for each in (self._datagrams, self._listener, self._woken):
            each.close()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._datagrams, self._listener, self._woken], [], [])
            if self._woken in ready:
                return
            if self._datagrams in ready:
                self._serve_datagram()
            if self._listener in ready:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve_stream, args=(connection,), daemon=True).start()

    def _serve_datagram(self) -> None:
        wire, client = self._datagrams.recvfrom(4096)
        answer, delay = self.answer(wire, udp=True)
        if answer is None:
            return
        if delay:
            timer = threading.Timer(delay, self._send_late, (answer, client))
            timer.daemon = True
            self._timers.append(timer)
            timer.start()
        else:
            self._datagrams.sendto(answer, client)

    def _send_late(self, answer: bytes, client: tuple[str, int]) -> None:
        with suppress(OSError):  # closed meanwhile
            self._datagrams.sendto(answer, client)

    def _serve_stream(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(5)
            (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
            wire = connection.recv(length, socket.MSG_WAITALL)
            answer, delay = self.answer(wire, udp=False)
            if answer is not None:
                threading.Event().wait(delay)
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def answer(self, wire: bytes, *, udp: bool) -> tuple[bytes | None, float]:
        """The answer to one query (None: stay silent) and how many seconds to keep it back."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text().rstrip(".").lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        entry = entry_for(self.zone, name)
        if isinstance(entry, Trouble):
            return self._trouble(query, entry, udp=udp), 0.0
        delay = entry.seconds if isinstance(entry, Slow) else 0.0
        response = self._respond(query, name, kind)
        size = 1232 if udp else 65535
        try:
            return response.to_wire(max_size=size), delay
        except dns.exception.TooBig:
            short = dns.message.make_response(query)
            short.flags |= dns.flags.TC
            return short.to_wire(), delay

    def _trouble(self, query: dns.message.Message, trouble: Trouble, *, udp: bool) -> bytes | None:
        response = dns.message.make_response(query)
        if trouble is Trouble.GARBAGE:
            return query.to_wire()[:2] + b"\xff" * 9
        if trouble is Trouble.TRUNCATED and udp:
            response.flags |= dns.flags.TC
            return response.to_wire()
        if trouble in {Trouble.DROP, Trouble.TRUNCATED}:
            return None
        response.set_rcode(dns.rcode.SERVFAIL if trouble is Trouble.SERVFAIL else dns.rcode.REFUSED)
        return response.to_wire()

    def _respond(self, query: dns.message.Message, name: str, kind: str) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        for _ in range(CHAIN):
            entry = entry_for(self.zone, name)
            records = entry.records if isinstance(entry, Slow) else entry
            if records is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            if isinstance(records, Trouble):
                response.set_rcode(dns.rcode.SERVFAIL)
                return response
            wanted = [r.split(" ", 1)[1] for r in records if r.split(" ", 1)[0] == kind]
            alias = next((r.split(" ", 1)[1] for r in records if r.startswith("CNAME ")), None)
            if wanted or alias is None:
                if wanted:
                    response.answer.append(dns.rrset.from_text_list(f"{name}.", TTL, "IN", kind, wanted))
                break
            response.answer.append(dns.rrset.from_text(f"{name}.", TTL, "IN", "CNAME", alias))
            name = owner(alias)
        if not response.answer or response.rcode() == dns.rcode.NXDOMAIN:
            response.authority.append(dns.rrset.from_text("example.", 60, "IN", *SOA.split(" ", 1)))
        return response
