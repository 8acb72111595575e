"""Take addresses apart: mail addresses (bytes, as smtpd gives them) and the socket addresses of its reports.

smtpd hands addresses on as the client typed them: not lower-cased, not normalised, possibly without a domain
(``postmaster``), with a source route (``@relay:user@dom.ain``) or longer than any limit. Nothing here raises.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import AF_INET, inet_pton

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_ROLES = (b"postmaster", b"abuse")
_NO_ESCAPE = re.compile(rb"\\(?:M[-^].|\^.|.)|[A-Z]+", re.DOTALL)


def strip_source_route(address: bytes) -> bytes:
    """``@one,@two:user@dom.ain`` without its route, which RFC 5321 §4.1.1.3 says to ignore."""
    if address.startswith(b"@"):
        _, colon, rest = address.partition(b":")
        if colon:
            return rest
    return address


def split_address(address: bytes) -> tuple[bytes, bytes]:
    """``(local part, domain)``, split at the last ``@``; the domain is empty if there is none. Case is kept."""
    local, at, domain = address.rpartition(b"@")
    return (local, domain) if at else (address, b"")


def domain_of(address: bytes) -> bytes:
    """The domain in lower case, without a final dot; empty if there is none."""
    return split_address(address)[1].lower().rstrip(b".")


def is_role_address(recipient: bytes) -> bool:
    """Whether mail to this recipient must get through to a human: ``postmaster@``, bare ``postmaster``, ``abuse@``.

    RFC 5321 §4.5.1 (with any domain, or none) and RFC 2142 §4. A ``+detail`` makes it another mailbox.
    """
    local, domain = split_address(strip_source_route(recipient))
    local = local.lower()
    return local in _ROLES and (bool(domain) or local == b"postmaster")


def login(user: bytes) -> bytes:
    """A user name of link-auth as smtpd compares it with its table: ASCII letters in lower case.

    The name comes encoded by vis(3); in what that made of other bytes (``\\M-C``, ``\\^A``) case means something.
    """
    return _NO_ESCAPE.sub(lambda found: found[0] if found[0].startswith(b"\\") else found[0].lower(), user)


def plain_address(address: Address) -> Address:
    """The address alone: an IPv4-mapped one as IPv4 (RFC 4291 §2.5.5.2), a link-local one without its scope.

    The scope (``%em0``, RFC 4007 §11) names an interface of this host: it is no part of the client's address, it has
    no meaning in DNS and SPF, and it is nothing to tell a stranger.
    """
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address if address.scope_id is None else IPv6Address(int(address))


def client_network(address: Address, v4: int = 24, v6: int = 64) -> Network:
    """The network a client is counted under: prefix lengths `v4` (0 to 32) and `v6` (0 to 128).

    Neighbours in a /24, or in the /64 that one IPv6 customer owns, are one client to a greylist.
    """
    address = plain_address(address)
    if isinstance(address, IPv4Address):
        return IPv4Network((int(address), v4), strict=False)
    return IPv6Network((int(address), v6), strict=False)


def parse_source(source: bytes) -> tuple[Address | None, int | None]:
    """Address and port of link-connect's source or destination, or of the connect request (there without a port).

    ``127.0.0.1:5``, ``[::1]:5``, ``[fe80::1%em0]``, ``192.0.2.1``; ``(None, None)`` for a unix socket and for
    anything unreadable: ask `is_local_source`, too, before you take it for one of ours. The address is a plain one:
    see `plain_address`.
    """
    text = source.decode("latin-1")
    host, _, port = text.partition(":")
    try:  # what nearly every client has, in a quarter of the time
        return IPv4Address(inet_pton(AF_INET, host)), _port(port)
    except (OSError, ValueError):
        return _parse_unusual(source, text)


def _parse_unusual(source: bytes, text: str) -> tuple[Address | None, int | None]:
    """`parse_source` for all that is not an IPv4 address."""
    if is_local_source(source):
        return None, None
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed:
            return None, None
        port = port.removeprefix(":")
    else:
        host, _, port = text.partition(":")
        if ":" in port:  # a bare IPv6 address: brackets were left out, so there is no port
            host, port = text, ""
    try:
        return plain_address(ip_address(host)), _port(port)
    except ValueError:
        return None, None


def is_local_source(source: bytes) -> bool:
    """Whether the client came through smtpd's unix socket: ``unix:/path`` in reports, ``local`` in requests."""
    return source.startswith(b"unix:") or source == b"local"


def _port(text: str) -> int | None:
    """A port of 0 to 65535; ValueError if there is something else."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise ValueError(text)
    return int(text)
