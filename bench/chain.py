"""The whole chain on one machine: messages per second and CPU per message, beside what it replaces and what it adds to.

    python -m bench.run [-q] chain

Every contender is a private smtpd that gets messages of 5 KB over 20 connections and delivers them to a mailbox; the
clock stops when the last one lies there, as amavisd only begins when smtpd has accepted. CPU is that of everything that
runs for it, scanners included. Both scan with the same clamd and the same rules, local ones only, in as many processes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePath
from statistics import median
from typing import Any

from bench import build, measure
from bench.amavis import start_amavis
from bench.dkimsign import PEER
from bench.endtoend import copied
from bench.figures import Figure
from tests.filter_dkimsign.keyring import pem, rsa_key
from tools.private_smtpd import SERVER, Namespace, Smtpd, Unavailable, wait_until
from tools.private_smtpd.backends import FOLDER, start_clamd, start_spamd

CLIENT = "192.0.2.10"
ZONE = {
    CLIENT: "mx.example.net",
    "mx.example.net": [f"A {CLIENT}"],
    "example.net": ["MX 10 mx.example.net."],
}
FAST, SLOW = 1000, 150
"""Messages in one measurement: without and with SpamAssassin."""
WARM = 12
"""Messages before it: the children of spamd compile their rules at the first."""

PROCESSES = 3
"""Children of spamd, and of amavisd."""

DELIVERY = 'action "local" maildir\nmatch from any for domain "example.org" action "local"\n'
BUILTIN = f"""
table "blocked" {{ "198.51.100.0/24" }}
table "names" {{ "^dsl-", "^dynamic-" }}
filter "a" phase connect match src <blocked> disconnect "550 blocked"
filter "b" phase connect match !rdns disconnect "550 no reverse DNS"
filter "c" phase connect match !fcrdns disconnect "550 reverse DNS does not match"
filter "d" phase mail-from match rdns regex <names> reject "550 dynamic"
listen on {SERVER} port 25 filter {{ "a", "b", "c", "d" }}
{DELIVERY}"""
SIGNED = f"""
filter "c" proc-exec "COMMAND -d example.net -s bench -k /etc/mail/dkim.pem"
listen on {SERVER} port 25 filter "c"
{DELIVERY}"""
ENVELOPE = """
filter "rdns" proc-exec "filter-rdns -f -H -S"
filter "dyndns" proc-exec "filter-dyndns"
filter "greylist" proc-exec "filter-greylist -G 0:4:864 -f /var/lib/greylist/greylist.db"
"""
GUARDED = f"""{ENVELOPE}
listen on {SERVER} port 25 filter {{ "rdns", "dyndns", "greylist" }}
{DELIVERY}"""
VIRUSES = f"""{ENVELOPE}
filter "clamav" proc-exec "filter-clamav -h -a {FOLDER}/clamd.sock"
listen on {SERVER} port 25 filter {{ "rdns", "dyndns", "greylist", "clamav" }}
{DELIVERY}"""
WHOLE = f"""{ENVELOPE}
filter "clamav" proc-exec "filter-clamav -h -a {FOLDER}/clamd.sock"
filter "spamassassin" proc-exec "filter-spamassassin -P {PROCESSES} -a {FOLDER}/spamd.sock"
listen on {SERVER} port 25 filter {{ "rdns", "dyndns", "greylist", "clamav", "spamassassin" }}
{DELIVERY}"""
LOOP = f"""
listen on {SERVER} port 25
listen on 127.0.0.1 port 10025 tag "SCANNED"
action "scan" relay host smtp://127.0.0.1:10024
action "local" maildir
match tag "SCANNED" from any for domain "example.org" action "local"
match from any for domain "example.org" action "scan"
"""
IDLE = 'listen on 127.0.0.1 port 2500\naction "a" maildir\nmatch from local for local action "a"\n'


@dataclass(frozen=True)
class Contender:
    """A way for mail to go. backends: started in the room before smtpd, in order."""

    name: str
    config: str
    messages: int = FAST
    backends: Sequence[Callable[[Namespace], object]] = ()
    files: Mapping[str, str | bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What one measurement showed: messages a second, and CPU by program in milliseconds per message."""

    per_second: float
    cpu: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return sum(self.cpu.values())


def contenders() -> list[Contender]:
    """What is compared; the last one only where amavisd-new is installed."""

    def spamd(room: Namespace) -> object:
        return start_spamd(room, "-m", str(PROCESSES), f"--min-children={PROCESSES}")

    def amavis(room: Namespace) -> object:
        return start_amavis(room, PROCESSES)

    if not PEER.exists():
        raise build.CannotBuild("the C filter-dkimsign is missing (Debian: opensmtpd-filter-dkimsign)")
    signer, files = copied(PEER)
    files["/etc/mail/dkim.pem"] = pem(rsa_key())
    return [
        Contender("no filter", IDLE + f"listen on {SERVER} port 25\n" + DELIVERY),
        Contender("builtin filters", BUILTIN),
        Contender("C dkimsign", SIGNED.replace("COMMAND", signer), files=files),
        Contender("rdns, dyndns, greylist", GUARDED),
        Contender("the same and clamav", VIRUSES, backends=[start_clamd]),
        Contender("the whole chain", WHOLE, SLOW, [start_clamd, spamd]),
        Contender("amavisd loop", LOOP, SLOW, [start_clamd, _rules, amavis]),
    ]


def _rules(room: Namespace) -> None:
    """SpamAssassin's configuration without spamd: what amavisd loads itself."""
    start_spamd(room).stop()


@contextmanager
def running(contender: Contender, version: str) -> Iterator[Smtpd]:
    """A smtpd with what it needs; it knows the client, which has been greylisted before."""
    with Smtpd(version, IDLE, zone=ZONE, files=contender.files, port=2500) as smtpd:
        smtpd.room.run(["install", "-d", "-o", "opensmtpd", "-m", "700", "/var/lib/greylist"])
        for start in contender.backends:
            start(smtpd.room)
        smtpd.restart(contender.config)
        yield smtpd


def run(contender: Contender, version: str) -> Run:
    """Send mail through one of them."""
    with running(contender, version) as smtpd:
        delivered = 0
        for _ in range(2):  # the first are greylisted
            delivered += _send(smtpd, WARM, delivered)[0]
        before, began = _cpu(smtpd), time.monotonic()
        done, ended = _send(smtpd, contender.messages, delivered)
        if done != contender.messages:
            raise measure.DriverFailed(
                f"{contender.name}: {done} messages of {contender.messages}\n{smtpd.log()[-2000:]}"
            )
        after = _cpu(smtpd)
    cpu = {name: 1e3 * (seconds - before.get(name, 0.0)) / done for name, seconds in after.items()}
    return Run(done / (ended - began), cpu)


def _send(smtpd: Smtpd, messages: int, delivered: int) -> tuple[int, float]:
    """Send; how many more lie in the mailbox when all that was accepted is there, and when that was."""
    connections = min(20, messages)
    command = [str(build.load()), "-a", SERVER, "-s", CLIENT, "-c", str(connections), "-n", str(messages)]
    code, text = smtpd.room.run(command, inside=False, timeout=600)
    if code != 0:
        raise measure.DriverFailed(f"{text}\n{smtpd.log()[-2000:]}")
    said: dict[str, Any] = json.loads(text)
    box = smtpd.room.path("/home/bob/Maildir/new")
    wanted = delivered + said["messages"]
    wait_until(lambda: sum(1 for _ in box.glob("*")) >= wanted, 600, "not everything was delivered")
    return said["messages"], time.monotonic()


def _cpu(smtpd: Smtpd) -> dict[str, float]:
    """Seconds of processor time by program, of children that have ended too."""
    used: dict[str, float] = {}
    for each in smtpd.processes():
        name = _program(each.command)
        used[name] = used.get(name, 0.0) + each.cpu + each.children
    return used


def _program(command: str) -> str:
    """The name under which a process is counted."""
    for name in ("smtpd", "amavisd", "spamd", "clamd"):
        if command.startswith((name, f"/usr/sbin/{name}", f"/usr/bin/perl -T -w /usr/sbin/{name}")):
            return name
    return next((PurePath(word).name for word in command.split() if "filter-" in word), command.partition(" ")[0])


def figures() -> list[Figure]:
    """Everything, each round with each of them."""
    runs: dict[str, list[Run]] = {}
    missing = ""
    for _ in range(measure.ROUNDS):
        for contender in contenders():
            try:
                runs.setdefault(contender.name, []).append(run(contender, "7"))
            except Unavailable as error:
                del runs[contender.name]
                missing = str(error)
    found = []
    for name, each in runs.items():
        rate = median(one.per_second for one in each)
        found.append(Figure(f"{name}: messages/s", rate, note=f"CPU for one: {_shares(each)}"))
    whole = runs.get("the whole chain")
    if whole is None:
        return [*found, Figure("the whole chain: not measured", 0.0, note=missing)]
    return [*found, *_beside_amavisd(whole, runs.get("amavisd loop"), missing), _bottleneck(whole)]


def _beside_amavisd(ours: Sequence[Run], theirs: Sequence[Run] | None, missing: str) -> list[Figure]:
    if theirs is None:
        return [Figure("beside amavisd: not measured", 0.0, note=missing)]
    rate = median(one.per_second / other.per_second for one, other in zip(ours, theirs, strict=True))
    cpu = median(one.total / other.total for one, other in zip(ours, theirs, strict=True))
    return [
        Figure("the whole chain: messages/s, of amavisd's", rate, must=1.0, higher=True),
        Figure("the whole chain: CPU for a message, of amavisd's", cpu, must=1.0),
    ]


def _shares(runs: Sequence[Run]) -> str:
    """CPU for one message, as a sum and by program."""
    total = median(one.total for one in runs)
    parts = sorted(_medians(runs).items(), key=lambda part: -part[1])
    return f"{total:.2f} ms ({', '.join(f'{name} {value:.2f}' for name, value in parts)})"


def _medians(runs: Sequence[Run]) -> dict[str, float]:
    names = {name for one in runs for name in one.cpu}
    return {name: median(one.cpu.get(name, 0.0) for one in runs) for name in names}


def _bottleneck(runs: Sequence[Run]) -> Figure:
    """Which program the chain waits for."""
    cpu = _medians(runs)
    name = max(cpu, key=lambda name: cpu[name])
    return Figure(f"bottleneck of the whole chain: {name}", 100 * cpu[name] / sum(cpu.values()), "% of the CPU")
