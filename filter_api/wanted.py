"""Which hooks there are, what each asks smtpd for, and what one filter wants of them.

`Wanted` is what `Filter.wanted()` gives: by default the hooks that a class overrides. A filter whose options choose its
phases overrides it and leaves some out::

    def wanted(self) -> Wanted:
        return super().wanted() if self.own.marks else super().wanted().without("on_mail_from")
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import FunctionType
from typing import Final

from filter_api.facts import FOLDED

PHASES_OF: Final[dict[str, tuple[str, ...]]] = {
    "on_connect": ("connect",),
    "on_helo": ("helo", "ehlo"),
    "on_starttls": ("starttls",),
    "on_mail_from": ("mail-from",),
    "on_rcpt_to": ("rcpt-to",),
    "on_data": ("data",),
    "on_commit": ("commit",),
    "on_message": ("data-line", "commit"),
}

#: Who decides about whole messages must know their envelopes, and only these requests carry addresses of any length.
#: Two requests for each mail: `Wanted.as_reported` does without.
ENVELOPE_PHASES: Final[dict[str, tuple[str, ...]]] = {
    "on_rcpt_to": ("mail-from",),
    "on_data": ("mail-from", "rcpt-to"),
    "on_message": ("mail-from", "rcpt-to"),
    "on_commit": ("mail-from", "rcpt-to"),
    "saw_commit": ("mail-from", "rcpt-to"),
}

REPORT_OF: Final[dict[str, str]] = {
    "saw_connect": "link-connect",
    "saw_greeting": "link-greeting",
    "saw_identify": "link-identify",
    "saw_tls": "link-tls",
    "saw_auth": "link-auth",
    "saw_disconnect": "link-disconnect",
    "saw_begin": "tx-begin",
    "saw_mail": "tx-mail",
    "saw_rcpt": "tx-rcpt",
    "saw_envelope": "tx-envelope",
    "saw_data": "tx-data",
    "saw_commit": "tx-commit",
    "saw_rollback": "tx-rollback",
    "saw_reset": "tx-reset",
    "saw_timeout": "timeout",
    "saw_protocol_client": "protocol-client",
    "saw_protocol_server": "protocol-server",
    "saw_filter_report": "filter-report",
    "saw_filter_response": "filter-response",
}


class Wanted:
    """What one filter wants to be asked and told.

    outgoing: the reports of outgoing connections (smtp-out), too. reported: see `as_reported`.
    """

    __slots__ = ("hooks", "outgoing", "reported")

    def __init__(self, hooks: Iterable[str], *, outgoing: bool = False, reported: bool = False) -> None:
        """Raises ValueError for a hook that does not exist, and for on_message beside on_commit."""
        self.hooks = frozenset(hooks)
        self.outgoing = outgoing
        self.reported = reported
        unknown = sorted(self.hooks - PHASES_OF.keys() - REPORT_OF.keys())
        if unknown:
            raise ValueError(f"{unknown[0]} is no hook")
        if {"on_message", "on_commit"} <= self.hooks:
            raise ValueError("on_message decides at commit: there is no on_commit beside it")

    def __contains__(self, hook: str) -> bool:
        return hook in self.hooks

    def without(self, *hooks: str) -> Wanted:
        """The same, except for these hooks."""
        return Wanted(self.hooks.difference(hooks), outgoing=self.outgoing, reported=self.reported)

    def as_reported(self) -> Wanted:
        """The same, where the addresses that smtpd reports suffice: those up to 254 bytes (RFC 5321 §4.5.3.1.3).

        smtpd and the filter are spared two requests for each mail. A longer sender is unknown then (`Session.sender` is
        None), and of a longer recipient only `Transaction.recipients_complete` tells.
        """
        return Wanted(self.hooks, outgoing=self.outgoing, reported=True)

    @property
    def phases(self) -> list[str]:
        """The phases to register for: those of the hooks, and those that carry the facts they need."""
        tables = (PHASES_OF,) if self.reported else (ENVELOPE_PHASES, PHASES_OF)
        wanted = [phase for table in tables for hook, phases in table.items() if hook in self.hooks for phase in phases]
        return list(dict.fromkeys(wanted))

    @property
    def reports(self) -> list[tuple[str, str]]:
        """(direction, event) pairs to register for: what `Session` is folded from, and what a hook wants to see."""
        seen = [event for hook, event in REPORT_OF.items() if hook in self.hooks]
        events = list(dict.fromkeys([*FOLDED, *seen]))
        directions = ["smtp-in", "smtp-out"] if self.outgoing else ["smtp-in"]
        return [(direction, event) for direction in directions for event in events]


def check_hooks(cls: type, base: type) -> None:
    """Raise TypeError for what a class names like a hook and what cannot be called as one, now and not for each mail.

    base: the class whose methods show how each hook is called.
    """
    for name, own in vars(cls).items():
        if not name.startswith(("on_", "saw_")):
            continue
        if name not in PHASES_OF and name not in REPORT_OF:
            raise TypeError(f"{cls.__name__}.{name} is no hook; did you mean {_nearest(name)}?")
        bound = isinstance(own, staticmethod)
        function = own.__func__ if isinstance(own, staticmethod | classmethod) else own
        if isinstance(function, FunctionType):
            wanted = list(inspect.signature(vars(base)[name]).parameters)[bound:]
            _check_function(cls.__name__, name, function, wanted)


def _check_function(owner: str, hook: str, function: FunctionType, wanted: list[str]) -> None:
    try:
        inspect.signature(function).bind(*wanted)
    except TypeError:
        arguments = ", ".join(each for each in wanted if each != "self")
        raise TypeError(f"{owner}.{hook} is called as {hook}({arguments})") from None
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{owner}.{hook} yields; a hook returns its decision")
    if hook.startswith("saw_") and inspect.iscoroutinefunction(function):
        raise TypeError(f"{owner}.{hook} is async; nobody waits for what only tells what happened")


def _nearest(attribute: str) -> str:
    import difflib  # only for the message of an error

    return difflib.get_close_matches(attribute, [*PHASES_OF, *REPORT_OF], n=1, cutoff=0.0)[0]
