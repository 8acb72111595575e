"""A zone file in place of name servers: what would be said if these records were published.

    resolver = Resolver(backend=ZoneFile("example.org.zone"))

The form is that of RFC 1035 §5.1; names that do not end with a dot are taken as they stand, unless $ORIGIN says more. A
name that is not there does not exist; wildcards stand for themselves only.
"""

from __future__ import annotations

from filter_api.bounds import MAX_RECORDS
from filter_api.errors import ConfigError, named
from filter_api.net.dns.answer import Answer, Record, Status
from filter_api.net.dns.dnspython import flattened, records_of

_TTL = 300
_MAX_CHAIN = 16  # aliases one behind the other


class ZoneFile:
    """A backend for `Resolver`."""

    def __init__(self, path: str) -> None:
        """Raises ConfigError with ``file:line:`` for what is no zone file."""
        with named(path), open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        self._records: dict[tuple[str, str], tuple[Record, ...]] = {}
        try:
            for name, kind, records in records_of(text, _TTL):
                if kind in MAX_RECORDS:
                    self._records[name, kind] = tuple(map(flattened, records))
        except ValueError as error:
            raise ConfigError(f"{path}:{error}") from None

    async def query(self, name: str, kind: str, timeout: float) -> Answer:
        """Answer at once."""
        for _ in range(_MAX_CHAIN):
            records = self._records.get((name, kind))
            if records is not None:
                return Answer(Status.OK, records[: MAX_RECORDS[kind]], ttl=_TTL, cut=len(records) > MAX_RECORDS[kind])
            alias = self._records.get((name, "CNAME"))
            if alias is None:
                return Answer(Status.NODATA if self._exists(name) else Status.NXDOMAIN, ttl=_TTL)
            name = str(alias[0])
        return Answer(Status.TEMPFAIL, why="CNAME loop")

    def _exists(self, name: str) -> bool:
        below = "." + name
        return any(owner == name or owner.endswith(below) for owner, _ in self._records)
