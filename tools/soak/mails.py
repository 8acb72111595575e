"""Mixed mail: what is wanted, spam, viruses, and clients that are refused; each mail carries a token of its own."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from tools.private_smtpd import SERVER
from tools.private_smtpd.backends import EICAR, GTUBE, infected_archive

from .config import FRESH, GOOD_SERVERS, LOCAL

TOKEN: Final = re.compile(rb"^Subject: soak (\d+)\r?$", re.M)
WEIGHTS: Final = {
    "ham": 40,
    "bounce": 3,
    "large": 1,
    "fresh": 10,
    "scored": 4,
    "out": 12,
    "spam": 8,
    "virus": 4,
    "archive": 4,
    "nameless": 4,
    "residential": 3,
    "listed": 3,
    "trap": 1,
    "vanishing": 3,
}
"""Of a hundred mails."""
OUT: Final = frozenset({"out", "refused", "later"})
"""What is relayed; the last two are refused by the other side, and put off for a while."""
RECIPIENTS: Final = {
    "out": "bob@far.example",
    "refused": "unknown@far.example",
    "later": "later@far.example",
    "trap": "carol@example.org",
    "unknown": "nosuchuser@example.org",
}
"""Of kinds of mail that are not for bob@example.org."""
WANTED: Final = frozenset({"ham", "bounce", "large", "fresh", "scored", "out"})
"""What gets in, in the end."""
FORBIDDEN: Final = frozenset({"virus", "archive", "nameless", "residential", "listed", "vanishing"})
"""What never gets in."""
BODY: Final = "\n.one dot\n..two dots\nblanks \t here \nFrom here\n"
LARGE: Final = "nothing much happens in here, for long\n" * 30_000


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail: token, kind, who sends it."""

    token: int
    kind: str
    source: str
    helo: str
    sender: str

    @property
    def recipient(self) -> str:
        return RECIPIENTS.get(self.kind, "bob@example.org")

    @property
    def goes_out(self) -> bool:
        """Whether it is handed in on smtpd's own host, to be relayed."""
        return self.kind in OUT

    @property
    def server(self) -> tuple[str, int]:
        return LOCAL if self.goes_out else (SERVER, 25)

    @property
    def text(self) -> bytes:
        """The message, lines ending in CRLF."""
        mime, body = "", BODY
        if self.kind == "archive":
            mime, body = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n', infected_archive()
        elif self.kind in {"spam", "virus", "large"}:
            body = {"spam": f"\n{GTUBE.decode()}\n", "virus": EICAR.decode(), "large": BODY + LARGE}[self.kind]
        author = self.sender or "mailer-daemon@good.example"
        head = f"From: <{author}>\nTo: <{self.recipient}>\nSubject: soak {self.token}\n"
        head += f"Date: Fri, 20 Nov 2026 08:00:00 +0000\nMessage-ID: <soak.{self.token}@test.example>\n{mime}"
        return f"{head}\n{body}\n".replace("\n", "\r\n").encode()


def mail(token: int, dice: random.Random) -> Mail:
    """The next mail of a mixture."""
    return plain(token, dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0], dice)


def plain(token: int, kind: str, dice: random.Random) -> Mail:
    """A mail of this kind. Senders come round again, so that what filters remember of them does not grow for ever."""
    server = dice.randrange(GOOD_SERVERS)
    source, helo, sender = f"192.0.2.{100 + server}", f"mx{server}.good.example", f"m{dice.randrange(50)}@good.example"
    if kind == "bounce":
        sender = ""
    elif kind == "fresh":
        sender = f"news@fresh{dice.randrange(FRESH)}.example"
    elif kind == "scored":
        sender = "offers@scored.example"
    elif kind in OUT:
        source, helo, sender = LOCAL[0], "localhost", "alice@example.org"
    elif kind == "nameless":
        source, sender = f"203.0.113.{dice.randrange(150, 160)}", "somebody@nameless.example"
    elif kind == "residential":
        source = "198.51.100.77"
    elif kind == "listed":
        source, helo = "203.0.113.40", "mx.listed.example"
    elif kind == "trap":
        source = f"192.0.3.{dice.randrange(1, 5)}"
    return Mail(token, kind, source, helo, sender)
