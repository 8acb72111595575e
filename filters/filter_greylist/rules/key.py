"""What makes two deliveries the same tuple, for senders who come back from elsewhere or under a varied name.

`tuple_for` builds a `records.Tuple` from (origin, sender, recipient). The origin is the client's network, or the
sender's domain where SPF vouches for the client. Sender and recipient are brought to a common form first, so that a
retry matches though the sender varies its address:

- BATV (``prvs=1234567890=user@dom.ain``, ``msprvs1=…=user``, ``btv1==…==user``): the tag goes;
- SRS (``SRS0=hash=time=orig.dom=user@forwarder``): hash and time stamp go;
- VERP (``list-bounces+user=dom.ain@list``): what follows ``+``, and numbers and hexadecimal identifiers become ``#``.

What is learned from our own mail must not be so generous, or writing to one mailbox would let others in: `mailbox`
takes away only what a signature of BATV or SRS adds, and the detail behind ``+`` (RFC 5233), never a number.

The form is never shown to anybody: the listing has the addresses as they were sent.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from filter_api.bounds import MAX_DETAIL
from filter_api.text.addresses import client_network, split_address, strip_source_route
from filter_greylist.rules.records import GROUP_BYTES, Details, Tuple

KEY_BYTES = 16
"""Length of a tuple's name: chance finds no two that are equal among the millions, and nobody can make one."""

_BATV_TAG = rb"[0-9]{4}[0-9a-f]{6}"  # key number, day, six digits of the hash (draft-levine-smtp-batv)
_BATV = re.compile(
    rb"prvs=" + _BATV_TAG + rb"[=/](?P<user>.+)"
    rb"|prvs=(?P<first>[^=/]+)[=/]" + _BATV_TAG + rb"|msprvs1=[^=]+=(?P<sparkpost>.+)"
    rb"|btv1==[^=]+==(?P<barracuda>.+)"
)
_SRS0 = re.compile(rb"srs0[-+=][^=]+=[^=]+=(?P<domain>[^=]+)=(?P<user>.+)")
_SRS1 = re.compile(rb"srs1[-+=][^=]+=(?P<forwarder>[^=]+)=[-+=][^=]+=[^=]+=(?P<domain>[^=]+)=(?P<user>.+)")
_NUMBER = re.compile(rb"(?<![0-9a-z])(?:[0-9]+|(?=[a-f]*[0-9])[0-9a-f]{8,})(?![0-9a-z])")


class Prefixes(NamedTuple):
    """Option -k: how many bits of a client's address are its network."""

    v4: int = 24
    v6: int = 64


@lru_cache(256)
def network_name(address: IPv4Address | IPv6Address, prefixes: Prefixes) -> bytes:
    """The client's network as text: ``192.0.2.0/24``."""
    return str(client_network(address, prefixes.v4, prefixes.v6)).encode("ascii")


def normal_recipient(recipient: bytes) -> bytes:
    """The recipient as it is compared: lower case, without a source route and a domain's final dot."""
    local, domain = split_address(strip_source_route(recipient).lower())
    return local + b"@" + domain.rstrip(b".") if domain else local


def normal_sender(sender: bytes) -> bytes:
    """The sender as it is compared: without what a mailing list or a forwarder varies from one attempt to the next."""
    local, domain = split_address(strip_source_route(sender).lower())
    local = _untagged(local)
    local = local.partition(b"+")[0] or local
    return _NUMBER.sub(b"#", local) + b"@" + domain.rstrip(b".")


def mailbox(address: bytes) -> bytes:
    """The mailbox of an address, as it is compared for what is learned: no two mailboxes have the same."""
    local, domain = split_address(strip_source_route(address).lower())
    local = _untagged(local)
    return (local.partition(b"+")[0] or local) + b"@" + domain.rstrip(b".")


def _untagged(local: bytes) -> bytes:
    """The local part without the signature BATV or SRS put in it."""
    if b"=" not in local:
        return local
    if match := _BATV.fullmatch(local):
        user: bytes = next(filter(None, match.groups()))
        return user
    if match := _SRS0.fullmatch(local) or _SRS1.fullmatch(local):
        return match["user"] + b"=" + match["domain"]
    return local


@lru_cache(256)
def group_of(origin: bytes) -> bytes:
    """The digest of a network or domain that begins the names of its tuples."""
    return hashlib.blake2b(origin, digest_size=GROUP_BYTES).digest()


def tuple_for(origin: bytes, sender: bytes, recipient: bytes, details: Details) -> Tuple:
    """The tuple of a delivery; `sender` is the HELO name for the null sender. Parts cannot run into each other."""
    parts = b"%d,%d,%b%b%b" % (len(origin), len(sender), origin, sender, recipient)
    rest = hashlib.blake2b(parts, digest_size=KEY_BYTES - GROUP_BYTES).digest()
    return Tuple(group_of(origin) + rest, details)


def details_of(
    group: bytes, address: IPv4Address | IPv6Address, helo: bytes, sender: bytes, recipient: bytes
) -> Details:
    """What the listing shows of a delivery, each part cut to `MAX_DETAIL` bytes."""
    return Details(
        group,
        str(address).encode("ascii"),
        helo[:MAX_DETAIL],
        sender[:MAX_DETAIL],
        recipient[:MAX_DETAIL],
    )
