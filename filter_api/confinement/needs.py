"""What a filter does after its start, derived from its options; nothing else is left to it.

    Needs(reads=frozenset({"/etc/mail/exempt"}), dns=True) | Needs(ports=frozenset({783}))

Files that are followed (`filter_api.files.followed`), the spool and the log need not be named: the runtime knows them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any, NamedTuple

_NO_PATHS: frozenset[str] = frozenset()


class Confine(enum.Enum):
    """Option -Z: whether a process is confined to what it needs."""

    TRY = "try"  # as far as the system can; what it cannot is told in the log
    DEMAND = "demand"  # wholly, or it does not start
    OFF = "off"


class Needs(NamedTuple):
    """All paths are absolute.

    reads: files that are read again when they change. trees: directories that are read, with all below them. keeps:
    directories in which files are made, changed and removed. sockets: unix sockets that are connected to. listens: unix
    sockets that are listened at. ports: TCP ports that are connected to; any_port: they are not known beforehand.
    dns: name servers are asked. names: hosts are looked up by getaddrinfo(3).
    """

    reads: frozenset[str] = _NO_PATHS
    trees: frozenset[str] = _NO_PATHS
    keeps: frozenset[str] = _NO_PATHS
    sockets: frozenset[str] = _NO_PATHS
    listens: frozenset[str] = _NO_PATHS
    ports: frozenset[int] = frozenset()
    any_port: bool = False
    dns: bool = False
    names: bool = False

    def __or__(self, other: Needs) -> Needs:
        """What both need together."""
        pairs: Iterator[tuple[Any, Any]] = zip(self, other, strict=True)
        return Needs(*(mine | theirs for mine, theirs in pairs))

    @property
    def inet(self) -> bool:
        """Whether it speaks with anybody by IP."""
        return self.dns or self.names or self.any_port or bool(self.ports)

    @property
    def unix(self) -> bool:
        """Whether it makes unix sockets."""
        return bool(self.sockets or self.listens)
