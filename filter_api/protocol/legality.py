"""Which decision smtpd takes in which phase, as data; and what a rewrite must look like there.

Everything that may be answered stands in `LEGAL`. What is missing kills or wedges smtpd, or does something nobody asked
for: ``junk`` at commit is fatal, a rewrite at data, commit or quit breaks the command, a rewrite at connect does
nothing, the ``report`` decision is fatal before 7.6 and replaces the command's argument since.
"""

from __future__ import annotations

from typing import Final

_ALL: Final = frozenset({"proceed", "junk", "reject", "disconnect", "rewrite"})
_NO_REWRITE: Final = _ALL - {"rewrite"}

LEGAL: Final[dict[bytes, frozenset[str]]] = {
    b"connect": _NO_REWRITE,
    b"helo": _ALL,
    b"ehlo": _ALL,
    b"starttls": _NO_REWRITE,
    b"auth": _NO_REWRITE,
    b"mail-from": _ALL,
    b"rcpt-to": _ALL,
    b"data": _NO_REWRITE,
    b"commit": frozenset({"proceed", "reject", "disconnect"}),
    b"rset": frozenset({"proceed"}),
    b"quit": frozenset({"proceed"}),
    b"noop": frozenset({"proceed"}),
    b"help": frozenset({"proceed"}),
    b"wiz": frozenset({"proceed"}),
}

#: Phases whose argument is an address, which smtpd wants in angle brackets when it is rewritten.
_ADDRESS: Final = frozenset({b"mail-from", b"rcpt-to"})


def is_legal(phase: bytes, word: str) -> bool:
    """Whether smtpd takes this decision in this phase; False for a phase nobody knows."""
    return word in LEGAL.get(phase, frozenset())


def rewrite_argument(phase: bytes, argument: bytes) -> bytes:
    """Give the argument of a rewrite as smtpd wants it: ``<address>`` at mail-from and rcpt-to, bare elsewhere."""
    return b"<" + argument + b">" if phase in _ADDRESS else argument
