"""The six filters as six processes and as one (filter-chain), under the same smtpd, with scanners that take no time.

Rounds are interleaved, in both orders; each figure is the median of the ratios within a round. The client is known to
the greylist, and its mail is judged by all and signed by nobody, as a stranger's is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

from bench import build, measure
from bench.endtoend import Run, copied, load
from bench.figures import Figure
from tests.filter_dkimsign.keyring import pem, rsa_key
from tools.private_smtpd import SERVER, Smtpd, wait_until

CLIENT = "192.0.2.10"
ZONE = {
    CLIENT: "mx.example.net",
    "mx.example.net": [f"A {CLIENT}"],
    "example.net": ["MX 10 mx.example.net.", f'TXT "v=spf1 ip4:{CLIENT} -all"'],
}
CLAMD, SPAMD = 3310, 783
MEMBERS = f"""\
rdns -f -H -S
dyndns
greylist -G 0:4:864 -f /var/lib/greylist/greylist.db
clamav -h -a 127.0.0.1:{CLAMD}
spamassassin -a 127.0.0.1:{SPAMD} -b 20m
dkimsign -d example.org -s bench -k /etc/mail/dkim.pem
"""
IDLE = 'listen on 127.0.0.1 port 2500\naction "a" maildir\nmatch from local for local action "a"\n'
DELIVERY = 'action "local" maildir\nmatch from any for domain "example.org" action "local"\n'
MANY = ("-s", CLIENT, "-n", "1500")
SHORT = ("-s", CLIENT, "-n", "1500", "-b", "300", "-m", "1")
LARGE = ("-s", CLIENT, "-n", "12", "-c", "1", "-b", "10485760")
ALONE = ("-s", CLIENT, "-n", "30", "-c", "1")


@dataclass(frozen=True)
class Form:
    """A way to run the filters: filter lines of smtpd.conf, and the names for the listener. seconds: of a scanner."""

    name: str
    lines: str
    names: str
    seconds: float = 0.0
    files: Mapping[str, str | bytes] = field(default_factory=dict)


def _six() -> Form:
    named = [(line.split()[0], line) for line in MEMBERS.splitlines()]
    lines = "".join(f'filter "{name}" proc-exec "filter-{line}"\n' for name, line in named)
    return Form("six", lines, ", ".join(f'"{name}"' for name, _ in named))


def _one(*options: str, seconds: float = 0.0) -> Form:
    command = " ".join(["filter-chain", *options, "-f /etc/mail/filters"])
    return Form(f"one {' '.join(options)}".strip(), f'filter "mail" proc-exec "{command}"\n', '"mail"', seconds)


def _floor() -> Form:
    command, files = copied(build.minimal())
    return Form("floor", f'filter "floor" proc-exec "{command}"\n', '"floor"', files=files)


@contextmanager
def running(form: Form) -> Iterator[Smtpd]:
    """A smtpd with these filters, which knows the client."""
    files = {"/etc/mail/filters": MEMBERS, "/etc/mail/dkim.pem": pem(rsa_key()), **form.files}
    with Smtpd("7", IDLE, zone=ZONE, files=files, port=2500) as smtpd:
        room = smtpd.room
        room.run(["install", "-d", "-o", "opensmtpd", "-m", "700", "/var/lib/greylist"])
        room.run(["chown", "opensmtpd:opensmtpd", "/etc/mail/dkim.pem"])
        room.run(["chmod", "600", "/etc/mail/dkim.pem"])
        room.spawn([str(build.scanners()), str(CLAMD), str(SPAMD), str(form.seconds)], inside=False)
        wait_until(lambda: _listens(smtpd), 10, "the scanners do not listen")
        smtpd.restart(f"{form.lines}listen on {SERVER} port 25 filter {{ {form.names} }}\n{DELIVERY}")
        for _ in range(2):  # the first are greylisted
            load(smtpd, "-s", CLIENT, "-n", "20")
        yield smtpd


def _listens(smtpd: Smtpd) -> bool:
    probe = f"import socket; [socket.create_connection(('127.0.0.1', port), 1) for port in ({CLAMD}, {SPAMD})]"
    return smtpd.room.run(["python3", "-c", probe])[0] == 0


def _through(smtpd: Smtpd, *options: str) -> Run:
    done = load(smtpd, *options, warm=2 if options == LARGE else 100)
    wanted = int(options[options.index("-n") + 1])
    if done.accepted != wanted:
        raise measure.DriverFailed(f"{done.accepted} messages of {wanted}: {done.refusal}\n{smtpd.log()[-2000:]}")
    return done


def _pss(smtpd: Smtpd) -> float:
    """Proportional set size of all filters, in MB."""
    total = 0
    for each in smtpd.filters():
        _, text = smtpd.room.run(["cat", f"/proc/{each.pid}/smaps_rollup"])
        total += int(re.findall(r"^Pss: +(\d+) kB", text, re.M)[0])
    return total / 1024


@dataclass
class Seen:
    """What one form showed in one round."""

    many: Run
    short: Run | None = None
    large: Run | None = None
    pss: float = 0.0


def _measured(form: Form) -> Seen:
    with running(form) as smtpd:
        seen = Seen(_through(smtpd, *MANY))
        if form.name != "floor":
            seen.short, seen.large = _through(smtpd, *SHORT), _through(smtpd, *LARGE)
            seen.pss = _pss(smtpd)
    return seen


def figures() -> list[Figure]:
    """All of them."""
    rounds: dict[str, list[Seen]] = {}
    forms = [_six(), _one(), _floor()]
    for number in range(measure.ROUNDS):
        for form in forms if number % 2 == 0 else reversed(forms):
            rounds.setdefault(form.name, []).append(_measured(form))
            print(f"round {number + 1}: {form.name}", file=sys.stderr, flush=True)
    return [*_rates(rounds), *_costs(rounds), _beside()]


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def _rates(rounds: Mapping[str, list[Seen]]) -> list[Figure]:
    six, one, floor = (rounds[name] for name in ("six", "one", "floor"))
    rates = {name: [seen.many.per_second for seen in each] for name, each in rounds.items()}
    note = ", ".join(f"{name} {median(each):.0f}" for name, each in rates.items()) + " messages/s"
    short = [[seen.short.per_second for seen in each if seen.short] for each in (one, six)]
    large = [[seen.large.p50_ms for seen in each if seen.large] for each in (one, six)]
    lookup = [[seen.many.smtpd_us for seen in each] for each in (one, six)]
    assert floor
    return [
        Figure("messages/s, one process ÷ six", _ratio(rates["one"], rates["six"]), "", 1.35, 1.8, True, note),
        Figure("messages/s, one process ÷ the floor", _ratio(rates["one"], rates["floor"]), "", 0.58, 0.75, True),
        Figure("sessions/s, one short mail each ÷ six", _ratio(*short), "", 1.35, 1.5, True),
        Figure("10 MB message, p50 ÷ six", _ratio(*large), "", 0.8, 0.6, note=f"{median(large[0]):.0f} ms"),
        Figure("smtpd's own CPU for a message ÷ six", _ratio(*lookup)),
    ]


def _costs(rounds: Mapping[str, list[Seen]]) -> list[Figure]:
    cpu = {name: median(seen.many.filters_us for seen in rounds[name]) for name in ("six", "one")}
    pss = {name: median(seen.pss for seen in rounds[name]) for name in ("six", "one")}
    return [
        Figure("CPU of the members, 5 KB message", cpu["one"], "us", 1000, 700, note=f"six: {cpu['six']:.0f} us"),
        Figure("PSS of the chain", pss["one"], "MB", 45, 40, note=f"six: {pss['six']:.1f} MB"),
    ]


def _beside() -> Figure:
    """Option -p: two scanners that take 100 ms each, one connection."""
    with running(_one("-p", seconds=0.1)) as smtpd:
        both = _through(smtpd, *ALONE)
    with running(_one(seconds=0.1)) as smtpd:
        each = _through(smtpd, *ALONE)
    return Figure("two scanners of 100 ms, with -p", both.p50_ms, "ms", 125, note=f"without -p {each.p50_ms:.0f} ms")
