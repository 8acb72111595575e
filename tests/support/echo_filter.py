"""A filter of the plainest kind, not built on the library: proceeds always, gives every line back.

Arguments change its ways: ``exit=N`` ends with status N at the first commit, ``die`` at the first connect by SIGKILL,
``deaf`` never reads, ``reject=PHASE`` refuses that phase, ``double`` answers twice, ``silent=PHASE`` never answers it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

PHASES = ("connect", "helo", "ehlo", "starttls", "auth", "mail-from", "rcpt-to", "data", "commit", "data-line")


def main(ways: list[str]) -> None:
    if "deaf" in ways:
        time.sleep(60)
    say = sys.stdout.buffer
    for phase in PHASES:
        say.write(b"register|filter|smtp-in|%s\n" % phase.encode())
    say.write(b"register|report|smtp-in|*\nregister|ready\n")
    say.flush()
    for raw in sys.stdin.buffer:
        answer(raw.removesuffix(b"\n"), ways)
        say.flush()


def answer(line: bytes, ways: list[str]) -> None:
    if not line.startswith(b"filter|"):
        return
    _, _, _, _, phase, session, token, text = line.split(b"|", 7)
    if phase == b"data-line":
        sys.stdout.buffer.write(b"filter-dataline|%s|%s|%s\n" % (session, token, text))
        return
    name = phase.decode()
    for way in ways:
        if way.startswith("exit=") and name == "commit":
            sys.exit(int(way.removeprefix("exit=")))
        if way == "die" and name == "connect":
            os.kill(os.getpid(), signal.SIGKILL)
    if f"silent={name}" in ways:
        return
    decision = b"reject|550 no" if f"reject={name}" in ways else b"proceed"
    times = 2 if "double" in ways else 1
    sys.stdout.buffer.write(b"filter-result|%s|%s|%s\n" % (session, token, decision) * times)


if __name__ == "__main__":
    main(sys.argv[1:])
