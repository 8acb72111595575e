"""What has to be so before a block of the documentation is typed: everything as at the start, and what it speaks of."""

from __future__ import annotations

import base64
import re
import shutil
import tempfile
from collections.abc import Callable
from typing import Final

import dkim
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from demo.host import run
from demo.stage import mail
from filter_auth.reports.store import open_store
from tests.docs.displays import ROOT, Block, blocks_of, commands_of
from tests.filter_dkimsign.keyring import ed25519_key, pem, rsa_key
from tests.smtpd.documents import HOME, System
from tools.private_smtpd import wait_until
from tools.private_smtpd.daemon import CODE

MINE: Final = "2026a._domainkey.example.org"


def prepare(system: System, block: Block) -> None:
    """Everything as at the start, and what the commands of this block speak of."""
    system.reset()
    for begin, prepared in PREPARED.items():
        shown = [each for each in commands_of(block) if begin in each.text]
        if any(each.output or begin in ALWAYS for each in shown):
            prepared(system)


def rsa_record() -> str:
    """The record of one of our RSA keys, as a zone has it."""
    public = rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
    return "TXT " + " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))


def publish(system: System, **records: str) -> None:
    """Add records to the DNS of the room, one a name."""
    zone = system.smtpd.dns.zone
    system.smtpd.dns.zone = {**zone, **{name: [record] for name, record in records.items()}}


def edit_configuration(system: System, old: str, new: str) -> None:
    path = system.smtpd.room.path("/etc/smtpd.conf")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def mark_by_rdns(system: System) -> None:
    lines = 'filter "rdns" proc-exec "filter-rdns -m"\nfilter "dyndns" proc-exec "filter-dyndns"\n'
    lines += 'listen on eth0 filter { "rdns", "dyndns" }\naction "a" maildir\nmatch for any action "a"\n'
    system.smtpd.room.write("/etc/smtpd.conf", lines, 0o600)


def forget_user(system: System) -> None:
    """Those whom the package makes, and the pages tell to make."""
    for name in ("_mailfilter", "_filterlists"):
        run(system.smtpd, "sed", "-i", f"/^{name}:/d", "/etc/passwd", "/etc/group", "/etc/shadow")


def miss_clamd(system: System) -> None:
    edit_configuration(system, "filter-clamav -h", "filter-clamav -h -a /run/clamd.sock")
    ask_about_ourselves(system)


def ask_about_ourselves(system: System) -> None:
    """Our own name leads to an address whose reverse DNS says another one."""
    publish(system, **{"example.org": 'TXT "v=spf1 mx a:mx.example.org -all"', "mx.example.org": "A 192.0.2.1"})
    system.smtpd.dns.zone = {**system.smtpd.dns.zone, "192.0.2.1": "host-1.example.net"}


def spoil_the_exemptions(system: System) -> None:
    system.smtpd.room.write("/etc/mail/exempt", "192.0.2.10\n192.0.2.11\nhost:192.0.2.9\n")


def take_keys_away(system: System) -> None:
    run(system.smtpd, "rm", "-f", "/etc/mail/dkim/example.org.rsa", f"{HOME}/ed.key")


def publish_another_key(system: System) -> None:
    folder = "/etc/mail/dkim"
    room = system.smtpd.room
    room.write(f"{folder}/keys", "example.org 2026a a.key\nexample.org 2026e e.key\n")
    room.write(f"{folder}/a.key", pem(rsa_key()), 0o600)
    room.write(f"{folder}/e.key", pem(ed25519_key()), 0o600)
    other = base64.b64encode(ed25519_key(1).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    publish(system, **{MINE: rsa_record(), "2026e._domainkey.example.org": f'TXT "v=DKIM1; k=ed25519; p={other}"'})


def sign_twice(system: System) -> None:
    """A list has signed a message and changed it afterwards; then our server has signed what became of it."""
    before = mail("a question", sender="joe@example.org")
    by_list = dkim.sign(before, b"x", b"lists.example.net", pem(rsa_key()))
    after = by_list.replace(b"\n", b"\r\n").replace(b"\r\r", b"\r") + before + b"-- \r\nto leave the list\r\n"
    ours = dkim.sign(after, b"2026a", b"example.org", pem(rsa_key()), include_headers=[b"from", b"subject"])
    publish(system, **{MINE: rsa_record(), "x._domainkey.lists.example.net": rsa_record()})
    system.smtpd.room.write(f"{HOME}/message.eml", ours.replace(b"\n", b"\r\n").replace(b"\r\r", b"\r") + after)


def choose_dns_lists(system: System) -> None:
    system.smtpd.room.write("/etc/mail/dnsbl", "zen.example.org*3\nlist.example.com*-2\nbl.example.net*2\n")


def keep_reports(system: System) -> None:
    """A store of reports with nothing in it."""
    with tempfile.TemporaryDirectory() as folder:
        open_store(f"{folder}/reports.db").close()
        for place in ("/var/lib/opensmtpd-filters/mail", HOME):
            shutil.copy(f"{folder}/reports.db", system.smtpd.room.path(place))


def publish_a_list(system: System) -> None:
    """A web server with a list that has grown since it was fetched."""
    room = system.smtpd.room
    room.write("/run/www/drop.txt", "192.0.2.64/26\n")
    if not any("http.server" in each.command for each in room.processes()):
        room.spawn(["python3", "-m", "http.server", "80", "--bind", "203.0.113.80", "--directory", "/run/www"])
        wait_until(lambda: system.smtpd.listens(80), 20, "no web server")
    lines = (
        'all:\\\n\t:drop:\n\ndrop:\\\n\t:black:\\\n\t:msg="no":\\\n\t:method=http:\\\n\t:file=lists.example/drop.txt:\n'
    )
    room.write("/etc/mail/spamd.conf", lines)
    run(system.smtpd, "sh", "-c", "filterctl lists import /etc/mail/spamd.conf >/etc/mail/lists.conf")
    code, output = system.type("filterctl lists update", user="_filterlists", cwd="/")
    assert code == 0, output
    state = room.path("/var/lib/opensmtpd-filters/lists/drop.json")
    long_ago = re.sub(r'"asked": [^,]+', '"asked": 0.0', state.read_text())
    state.write_text(re.sub(r'"modified": "[^"]*"', '"modified": ""', long_ago))
    room.write("/run/www/drop.txt", "192.0.2.64/26\n203.0.113.128/25\n")


def keep_one_log(system: System) -> None:
    run(system.smtpd, "rm", "/var/log/mail.log.0.gz")


def write_the_first_filter(system: System) -> None:
    """The filter of docs/writing-a-filter.md, as a program."""
    first = next(each for each in blocks_of(ROOT / "docs/writing-a-filter.md") if each.language == "python")
    shebang = f"#!/usr/bin/env -S PYTHONPATH={CODE} python3\n"
    system.smtpd.room.write(f"{HOME}/filter-nordns", shebang + first.text, 0o755)


PREPARED: Final[dict[str, Callable[[System], None]]] = {
    "useradd -r": forget_user,
    "filterctl check": mark_by_rdns,
    "filterctl doctor": miss_clamd,
    "filterctl reload": spoil_the_exemptions,
    "filterctl dkim keygen": take_keys_away,
    "filterctl dkim check": publish_another_key,
    "filterctl dkim verify": sign_twice,
    "filterctl dnsbl explain": choose_dns_lists,
    "filterctl auth store": keep_reports,
    "filterctl auth report": keep_reports,
    "filterctl lists update": publish_a_list,
    "filterctl why": keep_one_log,
    "./filter-nordns": write_the_first_filter,
}
"""Begin of a command: what makes it print what the page shows."""
ALWAYS: Final = {
    "useradd -r",
    "filterctl dkim keygen",
    "filterctl auth store",
    "filterctl auth report",
    "./filter-nordns",
}
"""Those that are needed where nothing is shown, too."""
