"""What a filter answers: decisions, edits and verdicts, as values validated when they are built.

A hook returns one of `Proceed`, `Junk`, `Reject`, `Disconnect`, `Rewrite`; `on_message` returns a `Verdict`, a decision
with the edits to make to the message (`filter_api.edits`). Building an impossible value raises ValueError, or TypeError
for one of another type, so nothing smtpd could not digest exists at all. Which decision is legal in which phase is the
business of `filter_api.protocol.legality`.

Every decision takes `facts`, the key=value pairs of the log line that the library writes for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias, Union

from filter_api.bounds import MAX_REPLY
from filter_api.edits import AddHeader, Edit, RemoveHeader, ReplaceHeader, check_type, is_printable

__all__ = [
    "DECISIONS",
    "NO_FACTS",
    "AddHeader",
    "Decision",
    "Disconnect",
    "Edit",
    "Facts",
    "Failure",
    "Junk",
    "Proceed",
    "Reject",
    "RemoveHeader",
    "ReplaceHeader",
    "Rewrite",
    "Verdict",
    "checked_facts",
]

Facts: TypeAlias = Mapping[str, object]

NO_FACTS: Final[Facts] = MappingProxyType({})

_CODES: Final = len("550 5.999.999 ")  # bytes before the text of a reply, at most


def checked_facts(facts: object) -> Facts:
    """The facts of a decision, which the log shows as key=value. Raises TypeError for what is no mapping of names.

    They are copied: what the filter does to its mapping later changes no decision.
    """
    if facts is NO_FACTS:
        return NO_FACTS
    if type(facts) is dict or isinstance(facts, Mapping):  # the second takes longer
        settled = dict(facts)
        if all(isinstance(key, str) for key in settled):
            return settled
    raise TypeError(f"facts are a mapping of names to values, not {type(facts).__name__}")


class Failure(Enum):
    """What to answer when a check cannot be made: the values of option -F."""

    ACCEPT = "accept"
    TEMPFAIL = "tempfail"
    REJECT = "reject"


@lru_cache(maxsize=256)
def _is_enhanced(enhanced: str, code: int) -> bool:
    """Whether this is an enhanced code of RFC 3463, section 2, of the same class as the reply code."""
    numbers = enhanced.split(".")
    plain = all(part.isascii() and part.isdigit() and len(part) <= 3 for part in numbers)
    return plain and len(numbers) == 3 and numbers[0] == str(code)[0] and all(str(int(p)) == p for p in numbers)


class _Plain:
    """A decision without a reply."""

    __slots__ = ("facts",)
    word: str

    def __init__(self, *, facts: Facts = NO_FACTS) -> None:
        self.facts = facts if facts is NO_FACTS else checked_facts(facts)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(self.word)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Proceed(_Plain):
    """Go on: the next filter of the chain is asked."""

    __slots__ = ()
    word = "proceed"


class Junk(_Plain):
    """Go on, but smtpd puts ``X-Spam: Yes`` on top of the message; up to mail-from it holds for the whole session.

    It ends the chain for its phase, and is illegal at commit: a content filter adds a header instead.
    """

    __slots__ = ()
    word = "junk"


class _Reply:
    """A decision with an SMTP reply: code (400-599), enhanced code (RFC 3463) or None, text (ASCII, one line)."""

    __slots__ = ("code", "enhanced", "facts", "text")
    word: str

    def __init__(self, code: int, enhanced: str | None, text: str, *, facts: Facts = NO_FACTS) -> None:
        check_type("a reply code", code, int)
        check_type("a reply text", text, str)
        if not 400 <= code <= 599:
            raise ValueError(f"reply code {code} is not between 400 and 599")
        if enhanced is not None:
            check_type("an enhanced code", enhanced, str)
            if not _is_enhanced(enhanced, code):
                raise ValueError(f"enhanced code {enhanced!r} does not fit reply code {code}")
        if not is_printable(text) or text.isspace():
            raise ValueError(f"reply text must be one line of printable ASCII: {text!r}")
        self.code = code
        self.enhanced = enhanced
        self.text = text
        self.facts = checked_facts(facts)
        if len(text) > MAX_REPLY - _CODES and len(self.reply) > MAX_REPLY:
            raise ValueError(f"reply is longer than {MAX_REPLY} bytes")

    @property
    def reply(self) -> str:
        """The reply line as the client sees it, e.g. ``550 5.7.25 no reverse DNS``."""
        if self.enhanced is None:
            return f"{self.code} {self.text}"
        return f"{self.code} {self.enhanced} {self.text}"

    @property
    def permanent(self) -> bool:
        """Whether the client is told never to come back with this."""
        return self.code >= 500

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reply) and type(self) is type(other) and self.reply == other.reply

    def __hash__(self) -> int:
        return hash((self.word, self.reply))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}, {self.enhanced!r}, {self.text!r})"


class Reject(_Reply):
    """Refuse the command; the session goes on. At connect prefer `Disconnect`; 421 disconnects in any case."""

    __slots__ = ()
    word = "reject"


class Disconnect(_Reply):
    """Refuse the command and close the connection."""

    __slots__ = ()
    word = "disconnect"


class Rewrite:
    """Replace the argument of the command; smtpd checks the new one as if the client had sent it.

    At mail-from and rcpt-to give the bare address: the library puts the angle brackets. ESMTP parameters that the
    client gave are lost. Legal at helo, mail-from and rcpt-to only.
    """

    __slots__ = ("argument", "facts")
    word = "rewrite"

    def __init__(self, argument: str | bytes, *, facts: Facts = NO_FACTS) -> None:
        check_type("a rewrite argument", argument, str, bytes)
        raw = argument.encode("ascii", "strict") if isinstance(argument, str) else argument
        if b"<" in raw or b">" in raw:
            raise ValueError(f"give the bare address or name, the library puts the angle brackets: {argument!r}")
        if any(byte < 0x20 or byte == 0x7F for byte in raw) or len(raw) > MAX_REPLY:
            raise ValueError(f"rewrite argument must be one line of at most {MAX_REPLY} bytes: {argument!r}")
        self.argument = raw
        self.facts = checked_facts(facts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rewrite) and self.argument == other.argument

    def __hash__(self) -> int:
        return hash(self.argument)

    def __repr__(self) -> str:
        return f"Rewrite({self.argument!r})"


Decision: TypeAlias = Union[Proceed, Junk, Reject, Disconnect, Rewrite]  # noqa: UP007 - shown in help() as one name
DECISIONS: Final = (Proceed, Junk, Reject, Disconnect, Rewrite)
_AT_COMMIT: Final = (Proceed, Reject, Disconnect)
_PROCEED: Final = Proceed()
_EDITS: Final = (AddHeader, RemoveHeader, ReplaceHeader)


class Verdict:
    """What `on_message` returns: the decision given at commit and the edits applied as the lines are released.

    `Proceed`, `Reject` and `Disconnect` can be decided at commit. facts: shown in the one ``message`` line of the log.
    Edits of a refused message are not applied: nobody sees it.
    """

    __slots__ = ("decision", "edits", "facts")

    def __init__(
        self,
        decision: Proceed | Reject | Disconnect | None = None,
        edits: Iterable[Edit] = (),
        *,
        facts: Facts = NO_FACTS,
    ) -> None:
        chosen = _PROCEED if decision is None else decision
        if not isinstance(chosen, _AT_COMMIT):
            raise ValueError(f"{chosen!r} cannot be decided at commit")  # noqa: TRY004 - a value out of the legal set
        settled = tuple(edits)
        for edit in settled:
            if not isinstance(edit, _EDITS):
                raise ValueError("edits are AddHeader, RemoveHeader and ReplaceHeader")  # noqa: TRY004 - as above
        self.decision = chosen
        self.edits = settled
        self.facts = facts if facts is NO_FACTS else checked_facts(facts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdict) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"Verdict({self.decision!r}, {self.edits!r})"
