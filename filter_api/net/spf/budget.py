"""How many questions the SPF record of a domain may cost a receiver, whoever the client is (RFC 7208 §4.6.4).

    found = await budget(resolver, "example.org", deadline)     # None: no record; SpfSyntaxError, TempError
    found.questions                                              # more than MAX_TERMS is a permerror to some receivers

Where the name of an include or redirect depends on the client, what is behind it is not known and not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from filter_api.bounds import MAX_SPF_TERMS
from filter_api.net.dns import Resolver, Status
from filter_api.net.spf.check import MAX_TERMS, TempError
from filter_api.net.spf.macro import MacroString, SpfSyntaxError
from filter_api.net.spf.record import parse_record, select_record

_WITHOUT: Final = frozenset(("all", "ip4", "ip6"))
_ENOUGH: Final = 5 * MAX_TERMS  # questions after which nobody counts on


@dataclass(slots=True)
class Budget:
    """questions: of the DNS, in all records together. open_: whether every client passes."""

    questions: int = 0
    open_: bool = False


async def budget(resolver: Resolver, domain: str, deadline: float | None = None) -> Budget | None:
    """Count them; None where the domain has no record. `deadline` is a time of the event loop.

    Raises SpfSyntaxError for a record that receivers cannot use, TempError where the DNS does not answer.
    """
    found = Budget()
    waiting = [(domain, True)]
    seen = 0
    while waiting and found.questions < _ENOUGH:
        name, own = waiting.pop(0)
        seen += 1
        answer = await resolver.resolve(name, "TXT", deadline=deadline)
        if answer.status is Status.TEMPFAIL:
            raise TempError(f"DNS does not answer for {name}: {answer.why}")
        text = select_record(answer.texts())
        if text is None:
            if seen == 1:
                return None
            raise SpfSyntaxError(f"{name}, which it includes, has no SPF record")
        record = parse_record(text)
        for directive in record.directives[:MAX_SPF_TERMS]:
            found.questions += directive.name not in _WITHOUT
            found.open_ = found.open_ or (own and directive.name == "all" and directive.qualifier == "+")
            if directive.name == "include" and directive.domain is not None:
                waiting += _known(directive.domain, name, own=False)
        if record.redirect is not None:
            found.questions += 1
            waiting += _known(record.redirect, name, own=own)
    return found


def _known(spec: MacroString, domain: str, *, own: bool) -> list[tuple[str, bool]]:
    """The name of the next record, unless the client decides it; of macros only the domain itself is known."""
    return [(spec.expand({"d": domain}).removesuffix("."), own)] if spec.letters <= {"d"} else []
