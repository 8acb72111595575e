"""What an operator asks about: an address, a domain, a client or its network, a session, ids of messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Final

from filter_api.text.addresses import Network, plain_address
from filter_api.text.escape import printable
from filterctl.mail.records import Mail

_SESSION: Final = re.compile(r"[0-9a-f]{16}")
_MSGID: Final = re.compile(r"[0-9a-f]{8}")
_QUARANTINED: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")
_DOMAIN: Final = re.compile(r"@?[a-z0-9_-]+(\.[a-z0-9_-]+)+")


class What:
    """One thing to look for. kind: how it is understood; text: in lower case, without brackets."""

    def __init__(self, given: str) -> None:
        text = given.strip().lower()
        self.text = text[1:-1] if text.startswith("<") and text.endswith(">") and len(text) > 2 else text
        network = _network_of(self.text)
        is_address = network is not None and network.num_addresses == 1
        self._network = None if is_address else network
        if network is not None:
            self.text = str(plain_address(network.network_address) if is_address else network)
        self.kind = "client" if is_address else "network" if network is not None else self._kind()
        as_logged = printable(self.text).replace('"', '\\"')
        self._logged = as_logged if self._network is None else _start_of(self._network)
        self._domain = self.text.removeprefix("@")

    def _kind(self) -> str:
        for kind, pattern in (("session", _SESSION), ("msgid", _MSGID), ("quarantine id", _QUARANTINED)):
            if pattern.fullmatch(self.text):
                return kind
        if _DOMAIN.fullmatch(self.text):
            return "domain"
        return "address" if "@" in self.text or self.text == "<>" else "user"

    def in_line(self, line: str) -> bool:
        """Whether a line, in lower case, may be about it: a quick look, `fits` decides."""
        return self._logged in line or self._domain in line

    def fits(self, mail: Mail) -> bool:
        """Whether a mail, or an earlier attempt of it, is about it."""
        return any(self._in(each) for each in (mail, *mail.earlier))

    def _in(self, mail: Mail) -> bool:
        if self.kind == "session":
            return self.text == mail.session or any(each.evpid == self.text for each in mail.deliveries)
        if self.kind == "msgid":
            return mail.msgid == self.text
        if self.kind == "quarantine id":
            return self.text in mail.facts("id")
        if self.kind == "client":
            return mail.client.address == self.text
        if self._network is not None:
            return _is_in(mail.client.address, self._network)
        if self.kind == "domain":
            return any(_within(name, self._domain) for name in (*_domains(mail), *_names(mail)))
        if self.kind == "user":
            return self.text in {mail.client.user.lower(), *(each.where.lower() for each in mail.deliveries)}
        ids = {name.lower().strip("<>") for name in mail.facts("msgid")}
        return self.text in set(_addresses(mail)) or self._logged in ids


def _network_of(text: str) -> Network | None:
    """An address, as smtpd or a client writes it, is a network of one."""
    try:
        return ip_network(text.strip("[]").removeprefix("ipv6:"), strict=False)
    except ValueError:
        return None


def _start_of(network: Network) -> str:
    """How each address of a network begins, as it is written: the groups before the first that may differ."""
    parts, bits, sign = (
        (str(network.network_address).split("."), 8, ".")
        if isinstance(network, IPv4Network)
        else (network.network_address.exploded.split(":"), 16, ":")
    )
    fixed = parts[: network.prefixlen // bits]
    if sign == ":":
        fixed = [part.lstrip("0") for part in fixed]
        fixed = fixed[: fixed.index("")] if "" in fixed else fixed  # a run of zeros may be ::
    return "".join(part + sign for part in fixed)


def _is_in(address: str, network: Network) -> bool:
    try:
        return ip_address(address) in network
    except ValueError:  # of a client that was not reported, or is on the unix socket
        return False


def _addresses(mail: Mail) -> Iterator[str]:
    yield "<>" if mail.sender == "" else (mail.sender or "").lower()
    yield from (to.lower() for to in mail.recipients)
    yield from (each.expanded.lower() for each in mail.deliveries)


def _domains(mail: Mail) -> Iterator[str]:
    yield from (address.rpartition("@")[2] for address in _addresses(mail))


def _names(mail: Mail) -> Iterator[str]:
    yield mail.client.name.lower()
    yield mail.client.said.lower()


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith("." + domain)
