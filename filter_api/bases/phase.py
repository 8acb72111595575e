"""Option ``-p``: the phase at which a filter that judges clients decides, and how it refuses there.

Shared by the filters that take ``-p connect|mail-from|rcpt-to``, ``-m`` and ``-r text``, so that the words mean the
same in all of them:

- at connect a refused client is disconnected: a plain refusal there leaves the connection open, with every further
  command answered 503; at mail-from and rcpt-to the command is refused and the session goes on;
- the default is mail-from, where authentication is known and the log names the sender;
- marks (``Junk``) are always made at mail-from, whatever ``-p`` says: any decision but proceed ends the chain for that
  phase, so a mark at connect or rcpt-to would hide the filters behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from filter_api.decision import NO_FACTS, Disconnect, Facts, Reject
from filter_api.errors import UsageError
from filter_api.options import COMMON_LETTERS, CommonOptions, parse_options, split_options
from filter_api.text.escape import printable


class Phase(Enum):
    """The values of option ``-p``."""

    CONNECT = "connect"
    MAIL_FROM = "mail-from"
    RCPT_TO = "rcpt-to"

    def refuse(self, code: int, enhanced: str, text: str, *, facts: Facts = NO_FACTS) -> Reject | Disconnect:
        """The refusal that fits this phase. Raises ValueError as `Reject` does."""
        kind = Disconnect if self is Phase.CONNECT else Reject
        return kind(code, enhanced, text, facts=facts)


def parse_phase(value: str) -> Phase:
    """The argument of ``-p``. Raises UsageError."""
    try:
        return Phase(value)
    except ValueError:
        raise UsageError(f"-p takes connect, mail-from or rcpt-to, not '{printable(value, 40)}'") from None


def parse_reply_text(value: str, *, option: str = "-r", enhanced: str = "5.7.25") -> str:
    """The argument of ``-r``: the text after the codes of a refusal. Raises UsageError if no reply can hold it."""
    try:
        return Reject(550, enhanced, value).text
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def parse_phase_options(
    own_letters: str, arguments: Sequence[str], *, allow_from: bool = False
) -> tuple[list[tuple[str, str]], CommonOptions, Phase]:
    """`parse_options` for a filter that has ``p:`` among its letters, and the phase it gives.

    Entries ``to:`` of a ``-W`` file are accepted only where the decision falls at rcpt-to, and ``from:`` (for a filter
    that checks SPF: `allow_from`) not at connect; elsewhere they are an error with ``file:line:``, as recipient and
    sender are not known yet. Raises as `parse_options` does.
    """
    phase = Phase.MAIL_FROM
    for option, value in split_options(own_letters + COMMON_LETTERS, arguments)[0]:
        if option == "-p":
            phase = parse_phase(value)
    own, common = parse_options(
        own_letters,
        arguments,
        allow_from=allow_from and phase is not Phase.CONNECT,
        allow_to=phase is Phase.RCPT_TO,
    )
    return own, common, phase
