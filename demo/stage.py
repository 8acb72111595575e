"""What a scene plays on: the running server, and what can be told of it afterwards.

A scene is one line of the demo's table: somebody sends something, smtpd answers, and the log says who decided and why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tools.private_smtpd import Client, Gone, Reply, Smtpd, wait_until
from tools.private_smtpd.backends import Backend

MAIL: Final = b"From: Alice <alice@good.example>\r\nTo: Bob <bob@example.org>\r\nSubject: lunch\r\n\r\nAt noon?\r\n"
LOGGED: Final = re.compile(r"^(?P<filter>[a-z0-9-]+): (?P<sid>[0-9a-f]{16}) (?P<what>[a-z-]+) (?P<facts>.*=.*)$", re.M)
"""A filter's log line in smtpd's log: the filter's name in smtpd.conf, then `SESSION what key=value …`."""
FACT: Final = re.compile(r'([a-z_-]+)=("(?:[^"\\]|\\.)*"|\S*)')
TOLD: Final = ("result", "reason", "score", "required", "signs", "name", "ptr", "virus", "why")
"""Keys of a log line that say why, in the order the table shows them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one scene."""

    answer: str
    """What the client was told, without line feeds."""
    filter: str = ""
    """The filter that decided, as smtpd.conf names it; empty when none objected."""
    why: str = ""
    delivered: str = ""
    """What was delivered, and with which headers, in a few words."""


@dataclass(slots=True)
class Stage:
    """The server and everything beside it."""

    smtpd: Smtpd
    backends: dict[str, Backend] = field(default_factory=dict)
    _read: int = 0

    def client(self, source: str, *, port: int = 25, tls: bool = False) -> Client:
        return self.smtpd.client(source, port=port, tls=tls)

    def decisions(self) -> list[tuple[str, dict[str, str]]]:
        """The filters' log lines since the last call: name of the filter, and the pairs it logged."""
        log = self.smtpd.log()
        new, self._read = log[self._read :], len(log)
        return [(line["filter"], pairs(line["facts"])) for line in LOGGED.finditer(new)]

    def settle(self, text: str) -> None:
        """Wait until smtpd has logged `text`."""
        self.smtpd.wait_log(text)


@dataclass(frozen=True, slots=True)
class Scene:
    """One line of the table. `play` does it and says what was seen."""

    who: str
    source: str
    what: str
    play: Callable[[Stage], Seen]
    expect: int
    """The code the client must get: the demo fails if it gets another."""
    needs: Sequence[str] = ()
    """Backends without which it cannot be played: "clamd", "spamd", "redis"."""


def pairs(text: str) -> dict[str, str]:
    return {key: value.strip('"') for key, value in FACT.findall(text)}


def explain(stage: Stage, answer: Reply) -> Seen:
    """Put an answer and the log line behind it together."""
    found = [(name, facts) for name, facts in stage.decisions() if "reason" in facts or "result" in facts]
    if not found:
        return Seen(str(answer))
    name, facts = found[-1]
    return Seen(str(answer), name, " ".join(f"{key}={facts[key]}" for key in TOLD if key in facts))


def send(
    stage: Stage,
    source: str,
    *,
    helo: str,
    sender: str = "alice@good.example",
    recipient: str = "bob@example.org",
    text: bytes = MAIL,
) -> Seen:
    """One mail from `source`, up to the first refusal."""
    with stage.client(source) as client:
        answer = client.ehlo(helo)
        if answer.code < 400:
            answer = client.mail_from(sender)
        if answer.code < 400:
            answer = client.rcpt_to(recipient)
        if answer.code < 400:
            answer = client.message(text)
        leave(client)
    wait_until(
        lambda: stage.smtpd.log().count("smtp disconnected") >= stage.smtpd.log().count("smtp connected"), 5, "?"
    )
    return explain(stage, answer)


def leave(client: Client) -> None:
    """QUIT, unless the server has hung up."""
    try:
        client.quit()
    except Gone:
        client.close()
