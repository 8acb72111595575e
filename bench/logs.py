"""What filterctl takes for a log of 200,000 lines, 32 MB, as a busy host writes in a day.

Each verb is measured in a process of its own, in seconds of processor time, with its imports.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench import measure
from bench.figures import Figure
from tests.support.peak import PEAK

COUNT: Final = 200_000

#: Six lines of one session: greylisted, or scanned and taken.
WAITS: Final = (
    "Nov 20 {time} mx smtpd[8]: {session} smtp connected address=192.0.2.{low} host=mx{low}.good.example\n"
    "Nov 20 {time} mx smtpd[8]: greylist: {session} rcpt-to action=reject reply="
    '"451 4.7.1 greylisted, please try again in 25 minutes" reason=new wait=1500 client=192.0.2.{low} '
    "rdns=mx{low}.good.example helo=mx.good.example from=<joe{number}@good.example> to=<bob@example.org>\n"
    'Nov 20 {time} mx smtpd[8]: {session} smtp failed-command command="RCPT TO:<bob@example.org>" result='
    '"451 4.7.1 greylisted, please try again in 25 minutes"\n'
)
TAKEN: Final = (
    "Nov 20 {time} mx smtpd[8]: spamassassin: {session} message result=ham score=1.5 required=5.0 client=192.0.2.{low} "
    "tests=BAYES_00,SPF_PASS action=proceed from=<ann{number}@good.example> to=<bob@example.org> size=3162 delay=2.7 "
    'subject="The minutes of {number}" msgid=<{number}@good.example>\n'
    "Nov 20 {time} mx smtpd[8]: {session} smtp message msgid={low:08x} size=3162 nrcpt=1 proto=ESMTP\n"
    "Nov 20 {time} mx smtpd[8]: {session} smtp disconnected reason=quit\n"
)

VERBS: Final = {
    "filterctl why, nothing found": ("why", "nobody@example.net"),
    "filterctl why, one mail": ("why", "ann77@good.example"),
    "filterctl report decisions": ("report", "decisions"),
    "filterctl report messages": ("report", "messages"),
    "filterctl report messages -H": ("report", "messages", "-H"),
}

PROGRAM: Final = f"""{PEAK}
import json, os, sys, time
from filterctl.__main__ import main
sys.stdout = open(os.devnull, "w")
main(sys.argv[1:])
sys.stdout = sys.__stdout__
print(json.dumps([time.process_time(), peak()]))
"""


def write(path: Path, count: int) -> None:
    """A log of about so many lines."""
    with path.open("w", encoding="ascii") as log:
        for number in range(count // 6):
            clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
            values = {"time": clock, "session": f"{number:016x}", "low": number % 250, "number": number}
            log.write((WAITS + TAKEN).format(**values))


def figures() -> list[Figure]:
    """The table of `make bench`."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "maillog"
        write(log, COUNT if measure.ROUNDS > 1 else COUNT // 10)
        megabytes = log.stat().st_size / (1 << 20)
        for what, words in VERBS.items():
            command = [sys.executable, "-c", PROGRAM, *words, str(log)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            seconds, peak = json.loads(done.stdout)
            note = f"{megabytes:.0f} MB of log, {peak:.0f} MB of memory"
            found.append(Figure(what, seconds, "s", must=3, aim=1, note=note))
    return found
