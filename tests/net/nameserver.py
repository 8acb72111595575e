"""A name server on loopback, as bad as a test wants it: UDP and TCP on one port.

    async with nameserver(lambda query: reply(query, "mx.example.org. 300 IN A 192.0.2.1")) as server:
        resolver = Resolver([("127.0.0.1", server.port)])

The function gets each question and returns the packets to send: bytes, None for silence, or a list of (delay in
seconds, bytes). `Query.tcp` tells over which transport the question came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Packets: TypeAlias = bytes | Sequence[tuple[float, bytes]] | None


@dataclass(frozen=True)
class Query:
    """One question as it came in."""

    message: dns.message.Message
    tcp: bool

    @property
    def name(self) -> str:
        return self.message.question[0].name.to_text(omit_final_dot=True)

    @property
    def kind(self) -> str:
        return self.message.question[0].rdtype.name


Behaviour: TypeAlias = Callable[[Query], Packets]


@dataclass
class Server:
    """The port, and the questions so far."""

    port: int = 0
    queries: list[Query] = field(default_factory=list)


def message(
    query: Query, *answers: str, rcode: str = "NOERROR", authority: Sequence[str] = (), flags: int = 0
) -> dns.message.Message:
    """An answer with records in the text form of zone files, one a string."""
    response = dns.message.make_response(query.message, recursion_available=True)
    response.set_rcode(dns.rcode.from_text(rcode))
    response.flags |= flags
    for section, lines in ((response.answer, answers), (response.authority, authority)):
        together: dict[tuple[str, str, str], list[str]] = {}
        for line in lines:
            owner, ttl, _, kind, data = line.split(None, 4)
            together.setdefault((owner, ttl, kind), []).append(data)
        for (owner, ttl, kind), records in together.items():
            section.append(dns.rrset.from_text_list(owner, int(ttl), "IN", kind, records))
    return response


def reply(query: Query, *answers: str, rcode: str = "NOERROR", authority: Sequence[str] = (), flags: int = 0) -> bytes:
    """The packet of such an answer."""
    return message(query, *answers, rcode=rcode, authority=authority, flags=flags).to_wire(max_size=65535)


def truncated(query: Query) -> bytes:
    """An empty answer that tells the client to ask again over TCP."""
    return reply(query, flags=dns.flags.TC)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Server, behaviour: Behaviour) -> None:
        self.server = server
        self.behaviour = behaviour
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own is no subclass of it

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = Query(dns.message.from_wire(data), tcp=False)
        self.server.queries.append(query)
        loop = asyncio.get_running_loop()
        for delay, packet in _schedule(self.behaviour(query)):
            loop.call_later(delay, self._send, packet, addr)

    def _send(self, packet: bytes, addr: tuple[str, int]) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(packet, addr)


def _schedule(packets: Packets) -> Sequence[tuple[float, bytes]]:
    if packets is None:
        return ()
    return [(0.0, packets)] if isinstance(packets, bytes) else packets


async def _stream(
    server: Server, behaviour: Behaviour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        size = int.from_bytes(await reader.readexactly(2), "big")
        query = Query(dns.message.from_wire(await reader.readexactly(size)), tcp=True)
        server.queries.append(query)
        for delay, packet in _schedule(behaviour(query)):
            await asyncio.sleep(delay)
            writer.write(len(packet).to_bytes(2, "big") + packet)
        await writer.drain()
        await reader.read()
    except (OSError, EOFError):
        pass  # the client has gone, as clients of bad servers do
    finally:
        writer.close()


async def _both_ports(server: Server, behaviour: Behaviour) -> tuple[asyncio.BaseTransport, asyncio.Server]:
    """One port number for both transports: the one TCP gets may be taken for UDP, then another is tried."""
    loop = asyncio.get_running_loop()
    while True:
        streams = await asyncio.start_server(
            lambda reader, writer: _stream(server, behaviour, reader, writer), "127.0.0.1", 0
        )
        server.port = streams.sockets[0].getsockname()[1]
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(server, behaviour), local_addr=("127.0.0.1", server.port)
            )
        except OSError:
            streams.close()
        else:
            return transport, streams


@asynccontextmanager
async def nameserver(behaviour: Behaviour) -> AsyncIterator[Server]:
    """Serve until the block ends."""
    server = Server()
    transport, streams = await _both_ports(server, behaviour)
    try:
        yield server
    finally:
        transport.close()
        streams.close()
