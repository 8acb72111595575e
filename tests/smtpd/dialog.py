"""One mail through a smtpd whose filter misbehaves, and what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.smtpd.fault_table import Effect, Fault
from tools.private_smtpd import Client, Gone, Smtpd, wait_until

CONFIG: Final = """
filter "f" proc-exec "misbehave"
listen on 0.0.0.0 filter "f"
listen on 0.0.0.0 port 2525
action "local" maildir
match from any for domain "example.org" action "local"
"""
SOURCE: Final = Path(__file__).with_name("misbehaving_filter.py").read_text()
TEXT: Final = b"Subject: x\r\n\r\nfirst\r\nTRIGGER\r\nlast\r\n"
PATIENCE: Final = {Effect.HANGS: 0.6, Effect.WEDGES: 0.6}
"""Seconds without a reply that count as for ever where that is expected (smtpd answers within milliseconds);
elsewhere a busy machine gets GENEROUS seconds, so that slow is never taken for never."""
GENEROUS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    effect: Effect
    code: int
    log: str
    journal: list[tuple[str, bytes]]
    """("in" | "out", bytes): what the filter read and wrote, in order."""


def start(version: str, fault: Fault) -> Smtpd:
    spec = {"phase": fault.phase, "output": fault.output, "late": fault.late, "action": fault.action}
    return Smtpd(version, CONFIG, filters={"misbehave": SOURCE}, files={"/etc/fault.json": json.dumps(spec)}, port=None)


def first_refusal(client: Client) -> int:
    """Send a mail, see that the session goes on, and quit; the first code of 400 or more, or 250."""
    if client.banner is not None and client.banner.code >= 400:
        return client.banner.code
    code = client.deliver(TEXT).code
    if code == 421:
        return code  # the connection is closed, RFC 5321 section 3.8
    for command in ("NOOP", "QUIT"):
        later = client.command(command).code
        code = later if code < 400 <= later else code
    return code if code >= 400 else 250


def observe(version: str, fault: Fault) -> Outcome:
    """Start smtpd with the fault, send a mail, and see what becomes of both."""
    with start(version, fault) as smtpd:
        effect, code = _effect(smtpd, fault.effect(version))
        journal = [json.loads(line) for line in _journal(smtpd).splitlines()]
        return Outcome(effect, code, smtpd.log(), [(way, text.encode("latin-1")) for way, text in journal])


def _journal(smtpd: Smtpd) -> str:
    path = smtpd.room.path("/tmp/journal")
    return path.read_text() if path.exists() else ""


def _effect(smtpd: Smtpd, expected: Effect) -> tuple[Effect, int]:
    code = 250
    # smtpd listens before its filters have said what they want: one that has not begun yet is no fault
    wait_until(lambda: '["in"' in _journal(smtpd) or not smtpd.alive(), GENEROUS, "the filter reads nothing")
    try:
        smtpd.wait_listening(25)
        with smtpd.client("192.0.2.1", timeout=PATIENCE.get(expected, GENEROUS)) as client:
            code = first_refusal(client)
        effect = Effect.FINE if code == 250 else Effect.REFUSES
    except TimeoutError:
        effect = Effect.HANGS
    except (Gone, ConnectionRefusedError, RuntimeError):
        effect = Effect.REFUSES
    if _dies(smtpd, GENEROUS if expected is Effect.DIES and effect is not Effect.FINE else 0.3):
        return Effect.DIES, code
    if _spins(smtpd, GENEROUS if expected in {Effect.WEDGES, Effect.SPINS} else 0.3):
        return (Effect.WEDGES if effect is Effect.HANGS else Effect.SPINS), code
    return effect, code


def _dies(smtpd: Smtpd, patience: float) -> bool:
    try:
        smtpd.wait_exit(patience)
    except TimeoutError:
        return False
    return True


def _spins(smtpd: Smtpd, patience: float) -> bool:
    """True if the lookup process uses a processor while there is nothing to do."""
    before = smtpd.lookup_cpu()
    try:
        wait_until(lambda: smtpd.lookup_cpu() - before > 0.1, patience, "the lookup process rests")
    except TimeoutError:
        return False
    return True


def refusal_or_last(smtpd: Smtpd, port: int, source: str, recipient: str = "bob@example.org") -> str:
    """The first refusal in a whole mail, or the last reply."""
    with smtpd.client(source, port=port) as client:
        client.ehlo("mx.example.net")
        for reply in (client.mail_from("joe@example.net"), client.rcpt_to(recipient)):
            if reply.code >= 400:
                return str(reply)
        return str(client.message(b"Subject: x\r\n\r\nx\r\n"))
