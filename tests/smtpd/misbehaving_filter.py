"""A raw filter that passes everything on, except where /etc/fault.json tells it to misbehave.

Not a test and not built on the library: it is what an unguarded filter would do, run by the real smtpd. Everything it
reads and writes goes to a journal as well, so that the same bytes can be put before the oracle.

fault.json: {"phase": …, "output": …, "action": …, "late": …}
- phase: the phase (or "register") at which to misbehave, once; for data-line at the line TRIGGER, for "dot" at the dot.
- output: what is written then, in place of the answer; {sid} and {token} stand for the request's.
- late: written half a second after `output`.
- action: "exit 3", "kill", "close" (stdout), "stderr N" (N bytes without a line feed) or "".
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

JOURNAL = "/tmp/journal"
PHASES = ("connect", "helo", "ehlo", "mail-from", "rcpt-to", "data", "data-line", "commit", "rset", "noop", "quit")

WANTED_LINES = {b"Subject: x": "header", b"TRIGGER": "data-line", b".": "dot"}


def journal(direction: str, raw: bytes) -> None:
    with open(JOURNAL, "a") as out:
        out.write(json.dumps([direction, raw.decode("latin-1")]) + "\n")


def write(raw: bytes) -> None:
    journal("out", raw)
    try:
        while raw:
            raw = raw[os.write(1, raw) :]
    except OSError:
        pass


def act(action: str) -> None:
    word, _, argument = action.partition(" ")
    if word == "exit":
        os._exit(int(argument))
    elif word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "close":
        os.close(1)
    elif word == "stderr":
        os.set_blocking(2, False)
        os.write(2, b"x" * int(argument))


def misbehave(fault: dict[str, Any], sid: str, token: str) -> None:
    for part, pause in ((fault["output"], 0.0), (fault["late"], 0.5)):
        if part:
            time.sleep(pause)
            write(filled(part, sid, token).encode("latin-1"))
    act(fault["action"])


def filled(template: str, sid: str, token: str) -> str:
    values = {"{sid}": sid, "{token}": token, "{SID}": sid.upper(), "{TOKEN}": token.upper()}
    for name, value in values.items():
        template = template.replace(name, value)
    return template


def register(fault: dict[str, Any]) -> None:
    lines = [f"register|filter|smtp-in|{phase}\n" for phase in PHASES]
    lines += ["register|report|smtp-in|link-connect\n", "register|report|smtp-in|link-disconnect\n"]
    write("".join(lines).encode())
    if fault["phase"] == "register":
        misbehave(fault, "0", "0")
    if fault["phase"] != "register" or fault["action"] == "then ready":
        write(b"register|ready\n")


def is_wanted(fault: dict[str, Any], phase: str, parameter: bytes) -> bool:
    if phase == "data-line":
        return bool(fault["phase"] == WANTED_LINES.get(parameter))
    return bool(fault["phase"] == phase)


def main() -> None:
    with open("/etc/fault.json") as source:
        fault = json.load(source)
    register(fault)
    for line in sys.stdin.buffer:
        journal("in", line)
        if not line.startswith(b"filter|"):
            continue
        _, _, _, _, phase, sid, token, parameter = line.rstrip(b"\n").split(b"|", 7)
        if is_wanted(fault, phase.decode(), parameter):
            fault["phase"] = "never again"
            misbehave(fault, sid.decode(), token.decode())
        elif phase == b"data-line":
            write(b"filter-dataline|%s|%s|%s\n" % (sid, token, parameter))
        else:
            write(b"filter-result|%s|%s|proceed\n" % (sid, token))


if __name__ == "__main__":
    main()
