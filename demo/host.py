"""The server the demo plays on: examples/smtpd.conf with its tables, keys and scanners, in a private room.

The configuration is the file as it is, but for one thing: greylisted senders wait 0 minutes instead of 25.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from demo.stage import Stage
from demo.zone import ZONE
from tools.private_smtpd import Namespace, Smtpd
from tools.private_smtpd.backends import Backend, start_clamd, start_spamd
from tools.private_smtpd.tls import certificate

EXAMPLES: Final = Path(__file__).parents[1] / "examples"
EXAMPLE: Final = EXAMPLES / "smtpd.conf"
FILTERCTL: Final = "/usr/libexec/opensmtpd/filterctl"
USERS: Final = ("alice", "bob", "carol", "_greylist", "_mailscan", "_dkimsign", "_mailfilter")
STARTERS: Final[dict[str, Callable[[Namespace], Backend]]] = {"clamd": start_clamd, "spamd": start_spamd}
PASSWORD: Final = "secret"  # noqa: S105 - of a user that exists for as long as the demo runs
WAITS, WAITS_NOT = "-G 25:4:864", "-G 0:4:864"
DIRECTORIES: Final = {
    "/var/lib/opensmtpd-filters/greylist": "_greylist",
    "/var/spool/quarantine/virus": "_mailscan",
    "/var/spool/quarantine/spam": "_mailscan",
    "/var/lib/opensmtpd-filters/mail": "_mailfilter",
    "/var/spool/quarantine/mail": "_mailfilter",
}
IDLE: Final = 'listen on 127.0.0.1 port 2500\naction "a" maildir\nmatch from local for local action "a"\n'
"""What smtpd runs with while the room is furnished."""
RECORD: Final = re.compile(r"(\S+)\. IN TXT \((.*?) \)", re.DOTALL)
"""What `filterctl dkim keygen` prints for the zone file."""


def configuration() -> str:
    """examples/smtpd.conf, for senders that come back at once."""
    text = EXAMPLE.read_text()
    if WAITS not in text:
        raise ValueError(f"{EXAMPLE} does not say {WAITS}")
    return text.replace(WAITS, WAITS_NOT)


def files() -> dict[str, str | bytes]:
    pem, key = certificate("mx.example.org")
    tables = ("traps", "sender-scores", "our-networks", "blocklist", "blacklist", "nospamd", "arc-sealers")
    return {
        "/etc/ssl/mx.example.org.crt": pem,
        "/etc/ssl/private/mx.example.org.key": key,
        "/etc/mail/aliases": "root: carol\npostmaster: carol\nabuse: carol\n",
        "/etc/mail/exempt": "",
        "/etc/mail/common_domains": "large.example\n",
        "/etc/mail/dnsbl": "bl.lists.example*3\nwelcome.lists.example*-2\n",
        "/etc/mail/lists.conf": (EXAMPLES / "lists.conf").read_text(),
        **{f"/etc/mail/{name}": (EXAMPLES / "tables" / name).read_text() for name in tables},
    }


def run(smtpd: Smtpd, *command: str) -> str:
    """A command inside; what it printed. RuntimeError if it fails."""
    code, output = smtpd.room.run(list(command))
    if code:
        raise RuntimeError(f"{' '.join(command)}: {output}")
    return output


def furnish(smtpd: Smtpd) -> None:
    """What an operator does after the installation: directories, a password, a key and its DNS record."""
    for directory, user in DIRECTORIES.items():
        run(smtpd, "mkdir", "-p", str(Path(directory).parent))
        run(smtpd, "install", "-d", "-o", user, "-g", user, "-m", "700", directory)
    run(smtpd, "chmod", "600", "/etc/ssl/private/mx.example.org.key")
    smtpd.room.write("/etc/mail/passwd", f"alice {run(smtpd, 'smtpctl', 'encrypt', PASSWORD).strip()}\n", 0o600)
    smtpd.room.path("/etc/mail/dkim").mkdir()
    table = ""
    for selector, algorithm in (("2026", "rsa"), ("2026e", "ed25519")):
        key = f"/etc/mail/dkim/{selector}.key"
        said = run(smtpd, FILTERCTL, "dkim", "keygen", "-a", algorithm, "-d", "example.org", "-s", selector, key)
        for name, strings in RECORD.findall(said):
            smtpd.dns.zone = {**smtpd.dns.zone, name: ["TXT " + " ".join(strings.split())]}
        run(smtpd, "chown", "_dkimsign:_dkimsign", key)
        table += f"example.org {selector} {key}\n"
    smtpd.room.write("/etc/mail/dkim/keys", table)


def to_one_process(smtpd: Smtpd) -> None:
    """examples/one-process.conf from now on, with its filters and a key of its own."""
    members = (EXAMPLES / "tables" / "filters").read_text().replace("greylist -o", f"greylist {WAITS_NOT} -o")
    smtpd.room.write("/etc/mail/filters", members)
    key = "/etc/mail/dkim/mail.key"
    run(smtpd, FILTERCTL, "dkim", "keygen", "-d", "example.org", "-s", "2026m", key)
    run(smtpd, "chown", "_mailfilter:_mailfilter", key)
    smtpd.restart((EXAMPLES / "one-process.conf").read_text())


@contextmanager
def open_host(version: str, say: Callable[[str], None]) -> Iterator[Stage]:
    """Start everything; `say` is told what is done. Everything ends with the block."""
    with Smtpd(version, IDLE, zone=ZONE, files=files(), users=USERS, port=2500) as smtpd:
        furnish(smtpd)
        stage = Stage(smtpd)
        for name, start in STARTERS.items():
            say(f"starting {name} beside it")
            stage.backends[name] = start(smtpd.room)
        say(f"starting smtpd with examples/{EXAMPLE.name}; greylisted senders wait 0 minutes instead of 25")
        smtpd.restart(configuration())
        yield stage
