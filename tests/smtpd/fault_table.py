"""What smtpd does to a filter that misbehaves: one row per fault, with its effect on each version.

The rows are checked against the daemons by test_faults.py, and against the oracle with the bytes of those very runs.
`phase` is where the raw filter (misbehaving_filter.py) writes `output` in place of its answer.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class Effect(enum.Enum):
    """What becomes of smtpd and of the client."""

    DIES = "smtpd ends, and with it all mail"
    HANGS = "this client waits for ever"
    WEDGES = "smtpd's lookup process spins, every client waits for ever"
    SPINS = "the lookup process spins, mail still flows"
    REFUSES = "this client is answered with the row's code, nothing worse"
    FINE = "mail flows"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave, and what comes of it."""

    name: str
    phase: str
    output: str
    old: Effect
    """Under 6.8."""
    new: Effect
    """Under 7."""
    code: int = 250
    """First reply of 400 or more the client gets; 250 when there is none, or it never gets one."""
    late: str = ""
    action: str = ""
    legal: bool = False
    """True for an answer that is as it should be, or a message whose text alone is refused."""
    cut: bool = False
    """Longer than 2047 bytes, after which 6.8 loses the rest without a word."""
    races: bool = False
    """True if now and then the mail goes through all the same, cut where the fault was."""

    def effect(self, version: str) -> Effect:
        return self.old if version.startswith("6") else self.new

    @property
    def is_bytes(self) -> bool:
        """Whether what the filter writes is all there is to the fault, so that the oracle can see it."""
        return self.action in {"", "then ready"}


RESULT: Final = "filter-result|{sid}|{token}|"
LINE: Final = "filter-dataline|{sid}|{token}|"
PROCEED: Final = RESULT + "proceed\n"
DIES, HANGS, WEDGES, SPINS, REFUSES, FINE = Effect


def answer(name: str, words: str, effect: Effect, new: Effect | None = None, code: int = 250) -> Fault:
    """A wrong answer to mail-from."""
    return Fault(name, "mail-from", RESULT + words + "\n", effect, new or effect, code)


def legal(name: str, phase: str, words: str, code: int) -> Fault:
    """A right answer, to show where the line is drawn."""
    return Fault(name, phase, RESULT + words + "\n", REFUSES, REFUSES, code, legal=True)


REGISTERING: Final = (
    Fault("unknown report", "register", "register|report|smtp-in|nonesuch\n", DIES, DIES, action="then ready"),
    Fault("unknown phase", "register", "register|filter|smtp-in|nonesuch\n", DIES, DIES, action="then ready"),
    Fault("filter for smtp-out", "register", "register|filter|smtp-out|connect\n", DIES, DIES, action="then ready"),
    Fault("text before ready", "register", "hello world\n", DIES, DIES, action="then ready"),
    Fault("never ready", "register", "", HANGS, HANGS),
    Fault("exits before ready", "register", "", DIES, DIES, action="exit 0"),
    Fault("exits with an error before ready", "register", "", DIES, DIES, action="exit 1"),
    Fault("registers a report late", "mail-from", f"register|report|smtp-in|timeout\n{PROCEED}", FINE, FINE),
)

STRAY: Final = (
    Fault("stray print", "mail-from", f"hello world\n{PROCEED}", DIES, DIES),
    Fault("empty line", "mail-from", f"\n{PROCEED}", DIES, DIES),
    Fault("stray print after the answer", "mail-from", f"{PROCEED}hello world\n", DIES, DIES),
    Fault("a report of its own", "mail-from", f"report|0.6|1.1|smtp-in|x|{{sid}}|y\n{PROCEED}", DIES, DIES),
    Fault("documented report line", "mail-from", f"report|1.1|smtp-in|{{sid}}|text\n{PROCEED}", DIES, DIES),
    Fault("unfinished line of 70000 bytes", "mail-from", "x" * 70000, WEDGES, WEDGES),
    Fault("70000 bytes on stderr", "mail-from", PROCEED, SPINS, SPINS, action="stderr 70000"),
)

LEAVING: Final = (
    Fault("exits with 0", "mail-from", "", DIES, DIES, action="exit 0"),
    Fault("exits with 3", "mail-from", PROCEED, DIES, DIES, action="exit 3"),
    Fault("is killed", "mail-from", "", DIES, DIES, action="kill"),
    Fault("closes stdout and stays", "mail-from", "", HANGS, HANGS, action="close"),
)

COUNTING: Final = (
    Fault("never answers connect", "connect", "", HANGS, HANGS),
    Fault("never answers mail-from", "mail-from", "", HANGS, HANGS),
    Fault("never answers commit", "commit", "", HANGS, HANGS),
    Fault("answers twice", "mail-from", PROCEED + PROCEED, DIES, DIES),
    Fault("answers twice, late", "mail-from", PROCEED, DIES, DIES, late=PROCEED),
    Fault("answers twice, differing", "mail-from", PROCEED + RESULT + "reject|550 no\n", DIES, DIES),
    Fault("answers connect twice", "connect", PROCEED + PROCEED, DIES, DIES),
    Fault("answers commit twice", "commit", PROCEED + PROCEED, DIES, DIES),
    Fault("answers a session that is gone", "mail-from", f"filter-result|00000000deadbeef|1|x\n{PROCEED}", FINE, FINE),
)

ADDRESSING: Final = (
    Fault("no session", "mail-from", "filter-result\n", DIES, DIES),
    Fault("no token", "mail-from", "filter-result|{sid}\n", DIES, DIES),
    Fault("no decision", "mail-from", "filter-result|{sid}|{token}\n", DIES, DIES),
    Fault("session not hexadecimal", "mail-from", "filter-result|zz|{token}|proceed\n", DIES, DIES),
    Fault("token not hexadecimal", "mail-from", "filter-result|{sid}|zz|proceed\n", DIES, DIES),
    Fault("wrong token, proceed", "mail-from", "filter-result|{sid}|1234|proceed\n", DIES, DIES),
    # smtpd looks at the token of a proceed only
    Fault(
        "wrong token, reject",
        "mail-from",
        "filter-result|{sid}|1234|reject|550 no\n",
        REFUSES,
        REFUSES,
        550,
        legal=True,
    ),
    Fault("order of protocol 0.4", "mail-from", "filter-result|{token}|{sid}|proceed\n", HANGS, HANGS),
)

DECIDING: Final = (
    answer("proceed with a parameter", "proceed|x", DIES),
    answer("junk with a parameter", "junk|x", DIES),
    answer("capital letter", "Proceed", DIES),
    answer("carriage return", "proceed\r", DIES),
    answer("unknown decision", "accept", DIES),
    answer("reject without a parameter", "reject", DIES),
    answer("disconnect without a parameter", "disconnect", DIES),
    answer("rewrite without a parameter", "rewrite", DIES),
    answer("reject with an empty text", "reject|", REFUSES, code=421),
    answer("reject without a code", "reject|go away", REFUSES, code=421),
    answer("reject with a code of success", "reject|250 ok", REFUSES, code=421),
    answer("reject with a code alone", "reject|550", REFUSES, code=421),
    answer("reject with a code and a blank", "reject|550 ", REFUSES, code=421),
    answer("reject with a multi-line reply", "reject|550-no", REFUSES, code=421),
    legal("reject with 421", "mail-from", "reject|421 later", 421),
    legal("reject as it should be", "mail-from", "reject|550 5.7.1 no", 550),
    Fault(
        "reject of 20000 bytes",
        "mail-from",
        RESULT + "reject|550 " + "x" * 20000 + "\n",
        REFUSES,
        DIES,
        550,
        cut=True,
    ),
    answer("rewrite without angle brackets", "rewrite|new@example.net", REFUSES, code=553),
    answer("rewrite as it should be", "rewrite|<new@example.net>", FINE),
    answer("the report decision", "report|text", DIES, REFUSES, code=553),
    answer("NUL after the decision", "proceed\0x", FINE),
    Fault("session and token in capitals", "mail-from", "filter-result|0x{SID}|{TOKEN}|proceed\n", FINE, FINE),
    legal("reject at connect", "connect", "reject|550 no", 550),
    legal("disconnect at connect", "connect", "disconnect|550 no", 550),
    Fault("rewrite at data", "data", RESULT + "rewrite|x\n", REFUSES, REFUSES, 500),
    Fault("rewrite at commit", "commit", RESULT + "rewrite|x\n", HANGS, HANGS, 500),
    legal("reject at commit", "commit", "reject|550 no", 550),
    Fault("junk at commit", "commit", RESULT + "junk\n", DIES, DIES),
)

TEXT: Final = (
    Fault("answers in the data-line phase", "data-line", PROCEED, DIES, DIES),
    Fault("data line at mail-from", "mail-from", LINE + "x\n", DIES, DIES),
    Fault("data line after the dot", "commit", LINE + "x\n" + PROCEED, DIES, DIES),
    Fault("second dot", "commit", LINE + ".\n" + PROCEED, DIES, DIES),
    Fault("forgets the dot", "dot", "", HANGS, HANGS),
    Fault("dot in the middle", "data-line", LINE + ".\n", DIES, DIES, races=True),
    Fault("data line with a wrong token", "data-line", "filter-dataline|{sid}|1234|x\n", DIES, DIES),
    Fault("text that is no message", "header", LINE + "no header\n", REFUSES, REFUSES, 550, legal=True),
    Fault("data line without text", "data-line", "filter-dataline|{sid}|{token}\n", DIES, DIES),
    Fault("data line for a session that is gone", "data-line", "filter-dataline|00000000deadbeef|1|x\n", FINE, FINE),
    Fault("text of 65485 bytes", "data-line", LINE + "x" * 65485 + "\n", FINE, FINE, cut=True),
    Fault("text of 65486 bytes", "data-line", LINE + "x" * 65486 + "\n", WEDGES, WEDGES),
)

FAULTS: Final = REGISTERING + STRAY + LEAVING + COUNTING + ADDRESSING + DECIDING + TEXT
