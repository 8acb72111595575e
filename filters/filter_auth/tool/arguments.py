"""What the verbs of ``filterctl auth`` share: their arguments, their resolver, and how a record is shown."""

from __future__ import annotations

from typing import Final

from filter_api.dmarc.record import Record
from filter_api.dmarc.walk import Doubt, Records
from filter_api.errors import UsageError
from filter_api.net.dns import Answer, Resolver
from filter_api.net.endpoint import parse_name_server
from filter_api.text.escape import printable

TEMPFAIL: Final = 75  # EX_TEMPFAIL of sysexits(3)
_SHOWN: Final = 120  # characters of a record in the list of questions


class Telling(Resolver):
    """Prints every question it is asked, and what came of it."""

    async def resolve(
        self, name: str | bytes, kind: str, *, deadline: float | None = None, spaces: bool = False
    ) -> Answer:
        """Ask, and tell."""
        answer = await super().resolve(name, kind, deadline=deadline, spaces=spaces)
        said = ", ".join(printable(each if isinstance(each, bytes) else str(each), _SHOWN) for each in answer.records)
        print(f"  {kind:<5} {printable(name)}: {said or answer.why or answer.status.value}")
        return answer


def resolver_of(options: dict[str, str]) -> Resolver:
    """Option -n: ask this name server, ``address`` or ``address@port``; -v: tell every question; -z: ask a file.

    Raises UsageError and ConfigError.
    """
    kind = Telling if "-v" in options else Resolver
    if "-z" in options:
        from filter_api.net.dns.zonefile import ZoneFile

        return kind(backend=ZoneFile(options["-z"]))
    if "-n" not in options:
        return kind()
    try:
        return kind([parse_name_server(options["-n"])])
    except ValueError as error:
        raise UsageError(f"-n: {error}") from None


def show_records(records: Records) -> None:
    """What was found at each name of the walk."""
    for name, found in records.asked.items():
        print(f"  _dmarc.{name}: {_shown(found)}")


def _shown(found: Record | Doubt | None) -> str:
    if found is None:
        return "no record"
    if isinstance(found, Doubt):
        return str(found)
    if not found.usable:
        return "a record without a valid policy"
    more = [f"sp={found.sp}"] if found.sp != found.p else []
    more += [f"np={found.np}"] if found.np != found.sp else []
    more += ["t=y"] if found.testing else []
    more += [f"psd={found.psd}"] if found.psd != "u" else []
    more += ["adkim=s"] if found.strict_dkim else []
    more += ["aspf=s"] if found.strict_spf else []
    return "; ".join([f"p={found.p}", *more])
