"""A system on which what the documentation tells to type can be typed, as it stands there: Debian, with everything.

`open_system` gives a private smtpd with examples/smtpd.conf, its scanners, its DNS and every file that a page names; a
log that was recorded (see `record_maillog`), a message in the quarantine, one in the queue. Programs that this Debian
has not, or that would reach beyond the room, have stand-ins, which take only what the real ones take.
"""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from demo import zone
from demo.host import EXAMPLES, FILTERCTL, IDLE, STARTERS, USERS, configuration, files, furnish, run
from demo.scenes.contents import virus
from demo.stage import Stage, mail
from tests.docs.displays import on_debian
from tests.filter_dkimsign.keyring import ed25519_key, pem, rsa_key
from tests.smtpd import record_maillog as recorded
from tools.private_smtpd import Smtpd, Zone, wait_until
from tools.private_smtpd.syslogged import SyslogSmtpd

LIBEXEC: Final = "/usr/libexec/opensmtpd"
INTERFACES: Final = {"eth0": "203.0.113.26", "egress": "203.0.113.27", "lo0": "127.0.0.27"}
"""Names that smtpd may listen on, beside lo."""
USER: Final = "carol"
HOME: Final = f"/home/{USER}"
ENVELOPE: Final = "a9de9a39de27101b"
"""What the pages call the mail in the queue."""
CHANGED: Final = "etc/mail etc/smtpd.conf etc/passwd etc/group etc/shadow var/spool/quarantine var/log/mail.log.0.gz"
"""What commands of the pages change."""
STORES: Final = {"/var/lib/opensmtpd-filters/lists": "_filterlists", "/var/lib/opensmtpd-filters/mail": "_mailfilter"}
KEPT: Final = "/run/kept.tar"
CONTROL: Final = "/run/opensmtpd-filters"
ELSEWHERE: Final = {
    "/usr/local/share/spamassassin": "/var/lib/spamassassin",
    "/var/www/": "/run/www/",
    "/var/opensmtpd-filters": CONTROL,
}
"""Paths that this system cannot have."""
TRANSCRIPT: Final = Path(__file__).parents[1] / "transcripts/7.8.0p1/two_mails.txt"
DNS: Final = {
    "192.0.2.1": "mx.example.net",
    "192.0.2.5": "mx5.example.net",
    "mx5.example.net": ["A 192.0.2.5"],
    "5.2.0.192.zen.example.org": ["A 127.0.0.2"],
    "5.2.0.192.list.example.com": ["A 127.0.5.1"],
    **{f"2.0.0.127.{name}": ["A 127.0.0.2"] for name in ("zen.example.org", "bl.example.net", "list.example.com")},
    "a.root-servers.net": ["A 198.41.0.4"],
    "lists.example": ["A 203.0.113.80"],
    "_dmarc.example.org": ['TXT "v=DMARC1; p=reject"'],
}


def given() -> dict[str, str | bytes]:
    """Files that the pages name, beside those of the example."""
    cert, key = files()["/etc/ssl/mx.example.org.crt"], files()["/etc/ssl/private/mx.example.org.key"]
    empty = ("nordns", "dyndns-ok", "forwarders", "forwarded", "users", "relay-recipients")
    keys = {"example.org.rsa": rsa_key(), "hosts.rsa": rsa_key(), "example.net.rsa": rsa_key()}
    rules = "describe RCVD_IN_DNSWL_HI\tSender listed at https://www.dnswl.org/, high trust\n"
    spamd = 'all:\\\n\t:mine:\n\nmine:\\\n\t:black:\\\n\t:msg="no":\\\n\t:method=file:\\\n'
    spamd += "\t:file=/etc/mail/blacklist:\n"
    return {
        **{f"/etc/mail/{name}": "" for name in empty},
        "/etc/mail/aliases": "root: carol\nuser: bob\nann: bob\n",
        "/etc/mail/filters": (EXAMPLES / "tables/filters").read_bytes(),
        "/etc/mail/country.conf": "xx black file:/etc/mail/blacklist\norder xx\n",
        "/etc/mail/dnsbl.keys": "dqs 0123456789abcdef\n",
        "/etc/mail/greylist-store": "redis://127.0.0.1:6379/0\n",
        "/etc/mail/spamd.conf": spamd,
        "/var/lib/spamassassin/updates/50_dnswl.cf": rules,
        "/etc/mail/key": pem(rsa_key()),
        **{f"/etc/mail/dkim/{name}": pem(made) for name, made in keys.items()},
        "/etc/mail/dkim/example.org.ed25519": pem(ed25519_key()),
        "/etc/mail/dkim/example.org.key": pem(rsa_key()),
        "/etc/mail/dkim/mail.key": pem(rsa_key()),
        "/etc/ssl/mx.example.org.fullchain.pem": cert,
        "/etc/ssl/private/mx.example.org.key": key,
        f"{HOME}/mail.eml": mail("a question", sender="joe@example.org"),
        f"{HOME}/planned.zone": '_dmarc.example.org. IN TXT "v=DMARC1; p=none"\n',
        f"{HOME}/message.eml": mail("a question", sender="joe@example.org"),
        "/var/log/filters/rdns": TRANSCRIPT.read_bytes(),
        "/var/log/filters/dyndns": TRANSCRIPT.read_bytes(),
    }


#: What takes the place of programs, as scripts: each fails unless it is called as its manual says.
STAND_INS: Final = {
    "systemctl": '[ "$*" = "restart opensmtpd" ]',
    "pfctl": '[ "$1" = -t ] && [ "$3 $4 $5 $6" = "-T replace -f -" ] && grep -Eq "^[0-9a-f.:]+$"',
    "mail": '[ "$1" = -s ] && [ $# = 3 ] && grep -q .',
    "curl": '[ "$1" = --unix-socket ] && [ -S "$2" ] && [ $# = 3 ]',
    "vi": '[ "$*" = "-R -" ] && grep -q .',
    "spamdb": "echo 'WHITE|192.0.2.7|||1795000000|1795000000|4000000000|1|1'",
    "crontab": '[ "$1 $3" = "-u -" ] && id "$2" >/dev/null && grep -Eq "^([0-9*/,-]+ ){5}/"',
}


def lay_out(smtpd: Smtpd) -> None:
    """Directories, owners and modes as the pages tell to make them, and the programs in their places."""
    room = smtpd.room
    run(
        smtpd, "sh", "-c", "for each in /var/log /var/www /usr/local; do [ ! -d $each ] || mount -t tmpfs x $each; done"
    )
    for name, content in given().items():
        room.write(name, content)
    for folder, user in (
        ("/var/lib/opensmtpd-filters/lists", "_filterlists"),
        ("/var/spool/quarantine", "root"),
        ("/run/www", "root"),
        ("/var/lib/node_exporter", "root"),
        *((f"{CONTROL}/{user}", user) for user in ("opensmtpd", "_greylist", "_mailscan", "_dkimsign", "_mailfilter")),
    ):
        run(smtpd, "install", "-d", "-m", "755", "-o", user, folder)
    for name in ("/etc/mail/greylist-store", "/etc/mail/dnsbl.keys", "/etc/ssl/private/mx.example.org.key"):
        run(smtpd, "chmod", "600", name)
    run(smtpd, "chown", "_greylist", "/etc/mail/greylist-store")
    run(smtpd, "chown", "opensmtpd", "/etc/mail/dnsbl.keys")
    run(smtpd, "sh", "-c", "chown _dkimsign /etc/mail/key /etc/mail/dkim/*; chmod 600 /etc/mail/key /etc/mail/dkim/*")
    run(smtpd, "chown", "_mailfilter", "/etc/mail/dkim/mail.key")
    run(smtpd, "chown", "-R", f"{USER}:{USER}", HOME)
    run(smtpd, "ln", "-s", "/etc/mail/dkim", "/etc/dkim")
    for name, address in INTERFACES.items():
        done = room.run(["ip", "addr", "add", f"{address}/32", "dev", "lo", "label", name], inside=False)
        if done[0]:
            raise RuntimeError(done[1])
    # what a package would put there; the system's own folders are read-only
    run(smtpd, "sh", "-c", "cp -a /usr/sbin /run/sbin && mount --bind /run/sbin /usr/sbin")
    shutil.copy2(room.path(FILTERCTL), room.path("/usr/sbin/filterctl"))
    for name, script in STAND_INS.items():
        room.write(f"/usr/local/bin/{name}", f"#!/bin/sh\n{script}\n", 0o755)


def maillog() -> str:
    """What was recorded as the log of today, and of yesterday with sessions of its own and without one mail."""
    lines = recorded.MAILLOG.read_text()
    found = ""
    for back in (1, 0):
        day = datetime.now() - timedelta(days=back)  # noqa: DTZ005 - a log has local time
        for line in lines.splitlines():
            if back and recorded.SESSION in line:
                continue
            text = re.sub(r"\b[0-9a-f]{2}(?=[0-9a-f]{14}\b)", "00", line[7:]) if back else line[7:]
            found += f"{day:%b} {day.day:2} {text}\n"
    return found


def keep_one(stage: Stage) -> None:
    """A message in the quarantine, under the id that the pages speak of."""
    for _ in range(10):  # it is greylisted at first
        refused = virus(stage)
        if refused.answer.startswith("554"):
            break
    name = refused.answer.rpartition("id ")[2]
    folder = "/var/spool/quarantine/virus"
    names = f'for each in {name}*; do mv "$each" "{recorded.QUARANTINED}${{each#{name}}}"; done'
    run(stage.smtpd, "sh", "-c", f"cd {folder} && sed -i s/{name}/{recorded.QUARANTINED}/ * && {names}")
    run(stage.smtpd, "sh", "-c", f"chown -R _mailscan:_mailscan {folder}")


def queue_one(smtpd: Smtpd) -> str:
    """A mail that waits in the queue; its envelope's id."""
    run(smtpd, "smtpctl", "pause", "mta")
    run(smtpd, "sh", "-c", "printf 'Subject: x\\n\\nx\\n' | sendmail -f alice@example.org zoe@far.example")
    wait_until(lambda: "zoe@far.example" in run(smtpd, "smtpctl", "show", "queue"), 20, "nothing is in the queue")
    run(smtpd, "smtpctl", "resume", "mta")
    return run(smtpd, "smtpctl", "show", "queue").split("|")[0]


@dataclass(frozen=True, slots=True)
class System:
    """The system, and what the pages call by other names."""

    stage: Stage
    names: dict[str, str]
    """What the pages call otherwise."""
    zone: Zone

    @property
    def smtpd(self) -> Smtpd:
        return self.stage.smtpd

    def reset(self) -> None:
        """Files that commands may change are again what they were, and so is the DNS. Directories stay the same ones: a
        confined filter is held to those it has seen.
        """
        run(self.smtpd, "sh", "-c", f"cd / && find {CHANGED} ! -type d -delete 2>/dev/null; tar -xpf {KEPT}")
        for name, user in STORES.items():
            run(self.smtpd, "chown", "-R", user, name)
        self.smtpd.dns.zone = dict(self.zone)

    def here(self, text: str) -> str:
        """The words of a page as they have to be typed here."""
        for name, own in self.names.items():
            text = text.replace(name, own)
        return on_debian(text)

    def type(self, command: str, *, user: str = "root", cwd: str = HOME, path: str = "") -> tuple[int, str]:
        """What a shell makes of a command: exit status and output."""
        words = ["sh", "-c", f"cd {shlex.quote(cwd)} && {command}"]
        if user != "root":
            words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *words]
        return self.smtpd.room.run(["env", f"PATH={path}", *words] if path else words, timeout=60)


@contextmanager
def open_system(version: str = "7") -> Iterator[System]:
    """All of it; it ends with the block."""
    dns = {**zone.ZONE, **recorded.ZONE, **DNS}
    users = [*USERS, "_filterlists"]
    with SyslogSmtpd(version, IDLE, zone=dns, files=files(), users=users, port=2500) as smtpd:
        furnish(smtpd)
        lay_out(smtpd)
        stage = Stage(smtpd)
        for name, start in STARTERS.items():
            stage.backends[name] = start(smtpd.room)
        smtpd.restart(configuration())
        recorded.nameless(stage)  # refused, so that there is something to count
        keep_one(stage)
        envelope = queue_one(smtpd)
        run(smtpd, "filterctl", "greylist", "-t", "-a", "203.0.113.66")
        smtpd.room.write("/var/log/mail.log", maillog())
        smtpd.room.path("/var/log/mail.log.0.gz").write_bytes(gzip.compress(recorded.MAILLOG.read_bytes()))
        run(smtpd, "sh", "-c", f"cd / && tar -cf {KEPT} {CHANGED}")
        yield System(stage, {ENVELOPE: envelope, ENVELOPE[:8]: envelope[:8], **ELSEWHERE}, smtpd.dns.zone)
