"""The whole chain of filters under one smtpd, with everything it talks to: for the tests in test_chain*.py.

    with Chain(version) as chain:
        seen = chain.offer(GOOD, "alice@good.example", "bob@example.org", text)   # up to the first refusal
        seen.code, seen.text, seen.phase
        chain.explained(seen)                                                     # the one log line behind a refusal

Strangers come to port 25 (rdns, dyndns, greylist, clamav, spamassassin); our own programs to the socket and our own
users to port 587 (greylist, which learns from them, clamav, dkimsign); released mail to 127.0.0.1:10026. Mail for
far.example is relayed to a listener of the same smtpd that plays the other side. Greylisting waits no time at all
(-G 0:…), so a second try is enough.
"""

from __future__ import annotations

import base64
import io
import re
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from filter_api.text.escape import parse_pairs
from tests.filter_dkimsign.keyring import ed25519_key, pem, rsa_key
from tests.smtpd.chain_config import (
    FILTERS,
    GOOD,
    IDLE,
    LISTENERS,
    MEMBERS,
    ONE,
    QUARANTINE,
    SERVERS,
    SUBMISSION,
    ZONE,
    files,
)
from tools.private_smtpd import Client, Gone, dot_stuffed, wait_until
from tools.private_smtpd.backends import EICAR, FOLDER, Backend, start_clamd, start_redis, start_spamd
from tools.private_smtpd.syslogged import SyslogSmtpd

LOGGED: Final = re.compile(r"^(?:mail: )?([a-z0-9-]+): ([0-9a-f]{16}) ([a-z-]+) (\S+=.*)$", re.M)
"""A filter's line in smtpd's log: the filter, the session, what it is about, key=value …"""

_OF_ONE: Final = re.compile(r'filter (\{[^}]*\}|"[a-z]+")')


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client was told: at which command, the first reply that was a refusal, or the one to the dot."""

    phase: str
    code: int
    text: str
    sender: str = ""

    @property
    def reply(self) -> str:
        return f"{self.code} {self.text}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a filter."""

    filter: str
    session: str
    what: str
    pairs: dict[str, str] = field(compare=False)

    @property
    def refusal(self) -> bool:
        return self.pairs.get("action") in {"reject", "disconnect"}


def mail(subject: str, body: str = "hello", *, author: str = "alice@good.example", mime: str = "") -> bytes:
    """An ordinary message; `mime`: more header lines."""
    head = f"From: <{author}>\nTo: <bob@example.org>\nSubject: {subject}\nDate: Fri, 20 Nov 2026 08:00:00 +0000\n"
    text = f"{head}Message-ID: <{subject.replace(' ', '.')}@test.example>\n{mime}\n{body}\n"
    return text.replace("\n", "\r\n").encode("ascii")


def infected(subject: str, *, author: str = "alice@good.example") -> bytes:
    """EICAR in an archive in an attachment."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("eicar.com", EICAR)
    encoded = base64.encodebytes(archive.getvalue()).decode()
    parts = (
        "--b\nContent-Type: text/plain\n\nsee the attachment\n--b\nContent-Type: application/zip\n"
        f'Content-Disposition: attachment; filename="bill.zip"\nContent-Transfer-Encoding: base64\n\n{encoded}--b--\n'
    )
    return mail(subject, parts, author=author, mime='MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n')


def lines_of(log: str) -> list[Line]:
    """What filters logged, apart from what concerns no session."""
    return [Line(name, session, what, parse_pairs(rest)) for name, session, what, rest in LOGGED.findall(log)]


def converse(client: Client, sender: str, recipient: str, text: bytes) -> Seen:
    """One mail of a session that has said EHLO, up to the first refusal."""
    reply = client.mail_from(sender)
    if reply.code >= 400:
        return Seen("mail-from", reply.code, reply.text, sender)
    reply = client.rcpt_to(recipient)
    if reply.code >= 400:
        client.rset()
        return Seen("rcpt-to", reply.code, reply.text, sender)
    reply = client.data()
    if reply.code != 354:
        client.rset()
        return Seen("data", reply.code, reply.text, sender)
    reply = client.body(dot_stuffed(text))
    return Seen("message", reply.code, reply.text, sender)


class Chain:
    """One smtpd with the whole chain; see the module."""

    def __init__(
        self,
        version: str,
        *,
        seconds: int = 30,
        redis: bool = True,
        rules: str = "",
        one: bool = False,
        watched: bool = False,
    ) -> None:
        """`seconds`: -T of the scanners; `redis`: start one in here; `rules`: spamd's only rules, if given.

        one: one process with all filters, on every listener, instead of six. watched: filters note what they import
        late (`late_imports`).
        """
        self.version = version
        self.backends: dict[str, Backend] = {}
        # the daemon runs before its filters do, as their directories have to be made in its private file tree
        programs = {"watched": (Path(__file__).parent / "watched.py").read_text()}
        self.smtpd = SyslogSmtpd(version, IDLE, zone=ZONE, files=files(), filters=programs, port=2500)
        try:
            self._furnish()
            self._start_backends(redis=redis, rules=rules)
            self.smtpd.room.write("/etc/mail/filters", MEMBERS.replace("SECONDS", str(seconds)))
            filters = ONE if one else FILTERS.replace("SECONDS", str(seconds))
            if watched:
                self._run("chmod", "1777", "/tmp")
                filters = filters.replace('proc-exec "', 'proc-exec "watched ')
            # 6.8 of Debian 12 cannot do TLS with its OpenSSL, so there is no submission to test there
            listeners = (SUBMISSION if version != "6.8" else "") + LISTENERS
            self.smtpd.restart(filters + (_OF_ONE.sub('filter "mail"', listeners) if one else listeners))
            with self.client(GOOD) as client:  # smtpd greets when its filters are ready
                client.quit()
            self.filters = {each.pid for each in self.smtpd.filters()}
        except BaseException:
            self.smtpd.close()
            raise

    def _furnish(self) -> None:
        room = self.smtpd.room
        for folder in ("/var/lib/greylist", f"{QUARANTINE}/virus", f"{QUARANTINE}/spam"):
            self._run("mkdir", "-p", folder)
            self._run("chown", "opensmtpd:opensmtpd", folder)
            self._run("chmod", "700", folder)
        for name, key in (("rsa", rsa_key()), ("ed", ed25519_key())):
            room.write(f"/etc/mail/dkim/{name}", pem(key), 0o640)
        self._run("chgrp", "-R", "opensmtpd", "/etc/mail/dkim")
        room.write("/etc/mail/users", f"alice {self._run('smtpctl', 'encrypt', 'secret').strip()}\n")

    def _run(self, *command: str) -> str:
        code, output = self.smtpd.room.run(list(command))
        assert code == 0, output
        return output

    def _start_backends(self, *, redis: bool, rules: str) -> None:
        room = self.smtpd.room
        arguments = []
        if rules:
            folder = room.top / FOLDER.lstrip("/") / "rules"
            folder.mkdir()
            (folder / "all.cf").write_text(rules)
            arguments = [f"--configpath={FOLDER}/rules"]
        self.backends["clamd"] = start_clamd(room)
        self.backends["spamd"] = start_spamd(room, *arguments)
        if redis:
            self.backends["redis"] = start_redis(room)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.smtpd.close()

    def client(self, source: str, name: str = "") -> Client:
        """A client that has said EHLO with its own name, or `name`."""
        client = self.smtpd.client(source, timeout=60)
        client.ehlo(name or SERVERS.get(source, "client.good.example"))
        return client

    def offer(self, source: str, sender: str, recipient: str, text: bytes) -> Seen:
        """One mail in a session of its own."""
        with self.client(source) as client:
            seen = converse(client, sender, recipient, text)
            with suppress(Gone):
                client.quit()
        return seen

    def insist(self, source: str, sender: str, recipient: str, text: bytes) -> Seen:
        """The same as a mail server does it: again, when told to come back."""
        first = self.offer(source, sender, recipient, text)
        return self.offer(source, sender, recipient, text) if first.code == 451 else first

    def check_alive(self) -> None:
        """Neither smtpd nor a filter has died, and no filter met what it did not expect."""
        assert self.smtpd.alive(), self.smtpd.log()
        assert {each.pid for each in self.smtpd.filters()} == self.filters
        assert "Traceback" not in self.smtpd.log()

    def lines(self) -> list[Line]:
        return lines_of(self.smtpd.log())

    def explained(self, seen: Seen) -> Line:
        """The log line behind a refusal; there must be exactly one in that session."""

        def about() -> list[Line]:
            mine = [line for line in self.lines() if line.refusal and line.pairs.get("from") == f"<{seen.sender}>"]
            return [line for line in mine if line.pairs["reply"] == seen.reply]

        wait_until(lambda: bool(about()), 5, f"nobody explained {seen}:\n{self.smtpd.log()}")
        found = about()
        assert len(found) == 1, found
        session = [line for line in self.lines() if line.refusal and line.session == found[0].session]
        assert len(session) == 1, session
        assert found[0].what == seen.phase
        return found[0]

    def delivered(self, subject: str, user: str = "bob", folder: str = "") -> bytes:
        """The one delivered message with this subject."""
        wanted = f"\nSubject: {subject}\n".encode()

        def found() -> list[bytes]:
            return [text for text in self.smtpd.maildir(user, folder) if wanted in text]

        wait_until(lambda: bool(found()), 20, f"{subject!r} was not delivered:\n{self.smtpd.log()}")
        texts = found()
        assert len(texts) == 1, f"{subject!r} was delivered {len(texts)} times"
        return texts[0]

    def missing(self, subject: str) -> bool:
        """Whether nobody got it."""
        wanted = f"\nSubject: {subject}\n".encode()
        return not any(
            wanted in text
            for user in ("alice", "bob")
            for box in ("", ".Junk")
            for text in self.smtpd.maildir(user, box)
        )

    def late_imports(self) -> list[str]:
        """What filters that are watched have imported since they had loaded everything: filter and module."""
        notes = self.smtpd.room.path("/tmp/late-imports")
        return sorted(set(notes.read_text().splitlines())) if notes.exists() else []

    def filterctl(self, *arguments: str) -> str:
        return self._run("/usr/libexec/opensmtpd/filterctl", *arguments)
