"""Where a backend listens: ``host:port``, ``[v6]:port`` or ``/path/of/a/socket``, and how to get a connection to it.

    endpoint = parse_endpoint("127.0.0.1:783", default_port=783)
    with await connect(endpoint) as sock: ...

A connection is a plain non-blocking socket, not an asyncio transport: when a daemon answers early and closes, a
transport throws away what was received as soon as its own write fails, a socket still has it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import select
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from filter_api.confinement.needs import Needs
from filter_api.text.escape import printable

_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST: Final = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_PATH_LIMIT: Final = 103
"""Bytes of a socket's path: sun_path holds 104 on the BSDs (108 on Linux), the final NUL included."""

_DNS: Final = 53

_FULL_QUEUE_PAUSE: Final = 0.02
"""Seconds before a unix socket whose queue is full is tried again: the kernel does not tell when there is room."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address: either a path, or a host (name or address without brackets) with a port."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(text: str, default_port: int) -> Endpoint:
    """Read an address of a command line. Raises ValueError, naming what is wrong with it."""
    if text.startswith("/"):
        return Endpoint(path=_socket_path(text))
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or not _is_ipv6(host):
            raise ValueError(f"not [v6address]:port: {printable(text)}")
        return Endpoint(host, _port(rest[1:], text) if rest else default_port)
    if _is_ipv6(text):
        return Endpoint(text, default_port)
    host, colon, port = text.partition(":")
    if not _HOST.fullmatch(host):
        raise ValueError(f"not host:port, [v6address]:port or /socket: {printable(text)}")
    return Endpoint(host, _port(port, text) if colon else default_port)


def parse_name_server(text: str) -> tuple[str, int]:
    """``address`` or ``address@port`` of an option: numeric, as a name would have to be asked for first.

    Raises ValueError, naming what is wrong with it.
    """
    address, at, port = text.partition("@")
    try:
        ip_address(address)
    except ValueError:
        raise ValueError(f"not a numeric address or address@port: {printable(text, 40)}") from None
    return address, _port(port, text) if at else _DNS


def endpoint_needs(endpoints: Iterable[Endpoint]) -> Needs:
    """What connecting to these endpoints needs."""
    needs = Needs()
    for each in endpoints:
        if each.path:
            needs |= Needs(sockets=frozenset({each.path}))
        else:
            needs |= Needs(ports=frozenset({each.port}), names=not _is_literal(each.host))
    return needs


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def connect(endpoint: Endpoint) -> socket.socket:
    """A connected non-blocking socket; the caller closes it. Raises OSError; takes as long as the network does."""
    if endpoint.path:
        return await _connect_unix(endpoint.path)
    failure: OSError | None = None
    for family, address in await _addresses(endpoint):
        try:
            return await _connect_inet(family, address)
        except OSError as error:
            failure = error
    try:
        raise failure or OSError(f"{endpoint.host}: no address")
    finally:
        failure = None  # its traceback holds this frame, and with it the message that was to be sent


async def _addresses(endpoint: Endpoint) -> list[tuple[int, tuple[object, ...]]]:
    """Family and address of each way to reach a host; only a name, never a literal, asks the system's resolver."""
    try:
        literal = ip_address(endpoint.host)
    except ValueError:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        return [(entry[0], entry[4]) for entry in found]
    family = socket.AF_INET6 if isinstance(literal, IPv6Address) else socket.AF_INET
    return [(family, (endpoint.host, endpoint.port))]


async def _connect_inet(family: int, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await _settle_connection(sock, sock.connect_ex(address))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


async def _settle_connection(sock: socket.socket, code: int) -> None:
    """Raises OSError where a connection that was begun comes to nothing. code: what connect(2) said."""
    if code in {errno.EINPROGRESS, errno.EINTR}:  # it goes on by itself
        await _writable(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


async def _writable(sock: socket.socket) -> None:
    """Wait until a connection is there, or has failed: on loopback it is there already, and the loop is not asked."""
    at_once = select.poll()
    at_once.register(sock, select.POLLOUT)
    if at_once.poll(0):
        return
    loop = asyncio.get_running_loop()
    settled = loop.create_future()
    loop.add_writer(sock, _settled, settled)
    try:
        await settled
    finally:
        loop.remove_writer(sock)


def _settled(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _connect_unix(path: str) -> socket.socket:
    """Connect to a path; EAGAIN means that the daemon's queue is full, so try again until the caller gives up.

    `loop.sock_connect` would take that EAGAIN for a connection on its way, which it is not.
    """
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.connect(path)
        except BlockingIOError:
            sock.close()
        except BaseException:
            sock.close()
            raise
        else:
            return sock
        await asyncio.sleep(_FULL_QUEUE_PAUSE)


def _socket_path(text: str) -> str:
    if "\0" in text or text.endswith("/") or len(text.encode("utf-8", "surrogateescape")) > _PATH_LIMIT:
        raise ValueError(f"not the path of a socket (at most {_PATH_LIMIT} bytes): {printable(text)}")
    return text


def _is_ipv6(text: str) -> bool:
    try:
        return isinstance(ip_address(text), IPv6Address)
    except ValueError:
        return False


def _port(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError(f"not a port between 1 and 65535: {printable(whole)}")
    return int(text)
