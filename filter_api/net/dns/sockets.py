"""The sockets dnspython asks through, with every message cut to what is worth parsing (`filter_api.net.dns.wire`).

    sockets = BoundedSockets()
    found = await resolver.resolve(name, kind, backend=sockets)
    sockets.cut             # whether answers were left out of the last message that came

What dnspython (2.3 to 2.9) calls a backend, around the one it has for asyncio; made for one question. dnspython calls
its methods and asks for no particular class; they hand on what they get, so most of it has no type here.
"""

from __future__ import annotations

import socket
from typing import Any

import dns.asyncbackend

from filter_api.net.dns.wire import cut_answer


class BoundedSockets:
    """Makes sockets that cut what they receive."""

    def __init__(self) -> None:
        self._inner: Any = dns.asyncbackend.get_backend("asyncio")
        self.cut = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - see above
        return getattr(self._inner, name)

    async def make_socket(self, family: int, kind: int, *arguments: Any, **named: Any) -> _Stream | _Datagrams:  # noqa: ANN401
        """A socket as dnspython wants it."""
        inner = await self._inner.make_socket(family, kind, *arguments, **named)
        return _Stream(inner, self) if kind == socket.SOCK_STREAM else _Datagrams(inner, self)

    def receive(self, wire: bytes) -> bytes:
        """Cut a message that came."""
        kept, self.cut = cut_answer(wire)
        return kept


class _Socket:
    """One of dnspython's sockets; what it receives is cut."""

    def __init__(self, inner: Any, owner: BoundedSockets) -> None:  # noqa: ANN401
        self._inner = inner
        self._owner = owner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)

    async def __aenter__(self) -> _Socket:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._inner.close()


class _Datagrams(_Socket):
    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, object]:
        """The next message and whence it came."""
        wire, source = await self._inner.recvfrom(size, timeout)
        return self._owner.receive(wire), source


class _Stream(_Socket):
    """Takes a whole message, two bytes of length in front (RFC 1035 §4.2.2), and hands its cut form on."""

    def __init__(self, inner: Any, owner: BoundedSockets) -> None:  # noqa: ANN401
        super().__init__(inner, owner)
        self._ready = b""

    async def recv(self, size: int, timeout: float | None) -> bytes:
        """At most `size` bytes of the cut message. Raises EOFError where the stream ends too early."""
        if not self._ready:
            head = await self._exactly(2, timeout)
            kept = self._owner.receive(await self._exactly(int.from_bytes(head, "big"), timeout))
            self._ready = len(kept).to_bytes(2, "big") + kept
        piece, self._ready = self._ready[:size], self._ready[size:]
        return piece

    async def _exactly(self, size: int, timeout: float | None) -> bytes:
        found = bytearray()
        while len(found) < size:
            piece = await self._inner.recv(size - len(found), timeout)
            if not piece:
                raise EOFError("EOF")  # as dnspython would
            found += piece
        return bytes(found)
