"""A Postfix of its own in a room of its own: Debian's, with configuration, queue, data and log that are no other's.

It sends by relay hosts given by address, asks no DNS, comes again after seconds, and delivers into maildirs what it is
given for its own domains: bounces to its senders, and what is relayed to it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tools.private_smtpd import SERVER, Namespace, wait_until
from tools.private_smtpd.systems import POSTFIX, usable

ADDRESS: Final = "192.0.2.100"
"""Where it listens, and whence it comes."""
NAMELESS_ROUTE: Final = "203.0.113.26"
"""The relay host for senders in nameless.example: by it smtpd sees a client without a name."""
FOLDER: Final = "/etc/soak"
LOG: Final = "/run/postfix.log"
MAILBOX: Final = "/home/all/new"
MAIN: Final = f"""
compatibility_level = 3.6
queue_directory = /var/spool/soak
data_directory = /var/lib/soak
maillog_file = {LOG}
maillog_file_prefixes = /run
enable_long_queue_ids = yes
myhostname = mx0.good.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
relayhost = [{SERVER}]:25
sender_dependent_relayhost_maps = inline:{{ {{ @nameless.example = [{NAMELESS_ROUTE}]:25 }} }}
virtual_mailbox_domains = regexp:{FOLDER}/domains
virtual_mailbox_maps = regexp:{FOLDER}/mailboxes
virtual_mailbox_base = /home
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 100
smtpd_recipient_restrictions = check_recipient_access regexp:{FOLDER}/access, permit_mynetworks,
    reject_unauth_destination
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_hard_error_limit = 2
smtp_dns_support_level = disabled
smtp_tls_security_level = none
smtp_destination_concurrency_limit = 12
default_destination_concurrency_failed_cohort_limit = 1000
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 10s
maximal_queue_lifetime = 1h
bounce_queue_lifetime = 1h
"""
FILES: Final = {
    "main.cf": MAIN,
    "domains": "/^(good|scored|far|nameless|fresh[0-9]+)\\.example$/ mine\n",
    "mailboxes": "if !/^unknown@/\n/./ all/\nendif\n",
    "access": "/^later@/ 450 4.2.1 please come again\n",
}
_TOKEN: Final = re.compile(r" ([0-9A-Za-z]+): message-id=<soak\.(\d+)@")
_STATUS: Final = re.compile(r" ([0-9A-Za-z]+): to=<[^>]*>, .*status=(\w+) \((.*)\)$")
TWICE: Final = "message may be sent more than once"
"""What Postfix notes when a connection ended behind the dot and before the reply: RFC 1047."""


@dataclass(frozen=True, slots=True)
class Status:
    """What became of one attempt at a mail, as Postfix logged it."""

    token: int
    status: str
    """sent, deferred or bounced."""
    text: str


class Postfix:
    """The instance, from construction to `close`. Raises Unavailable where there is no system with Postfix."""

    def __init__(self) -> None:
        self.room = Namespace(usable(POSTFIX), "mx0.good.example")
        try:
            self._furnish()
            self._command("postfix", "start")
            wait_until(lambda: bool(self.log()), 20, "Postfix does not log")
        except BaseException:
            self.close()
            raise

    def _furnish(self) -> None:
        for name, content in FILES.items():
            self.room.write(f"{FOLDER}/{name}", content)
        # the default services without chroot(2), which would need copies of libraries, and one more listener
        master = self.room.path("/etc/postfix/master.cf").read_text()
        services = re.sub(r"(?m)^(\w+ +[\w-]+ +[-ny] +[-ny] +)[-y]( )", r"\1n\2", master)
        services = re.sub(r"(?m)^smtp( +inet .*)$", rf"{ADDRESS}:25\1\n127.0.0.1:25\1", services)
        self.room.write(f"{FOLDER}/master.cf", services)
        self.room.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        for owner, folder in (("root", "/var/spool/soak"), ("postfix", "/var/lib/soak"), ("nobody", "/home/all")):
            self._run("install", "-d", "-o", owner, folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it, and everything in its room."""
        self.room.close()

    def _run(self, *command: str) -> str:
        code, output = self.room.run(list(command))
        if code:
            raise RuntimeError(f"{command}: {output}\n{self.log()[-2000:]}")
        return output

    def _command(self, name: str, *arguments: str) -> str:
        return self._run(f"/usr/sbin/{name}", "-c", FOLDER, *arguments)

    def log(self) -> str:
        """Everything it has logged."""
        path = self.room.path(LOG)
        return path.read_text(errors="backslashreplace") if path.exists() else ""

    def take_everything(self) -> None:
        """Put off nobody from now on."""
        self.room.write(f"{FOLDER}/access", "")
        self._command("postfix", "reload")

    def queued(self) -> list[str]:
        """Why the mails in its queue are there: a reason each, empty for one that has not been tried.

        One without a recipient counts, too: it was refused, and its bounce is being made.
        """
        entries = [json.loads(line) for line in self._command("postqueue", "-j").splitlines()]
        return [recipient.get("delay_reason", "") for entry in entries for recipient in entry["recipients"][:1] or [{}]]

    def flush(self) -> None:
        """Try everything in the queue now."""
        self._command("postqueue", "-f")

    def statuses(self) -> Iterator[Status]:
        """Each attempt at a mail with a token, in order. Bounces that it writes itself have none."""
        tokens: dict[str, int] = {}
        for line in self.log().splitlines():
            if "postfix/cleanup" in line and (named := _TOKEN.search(line)):
                tokens[named[1]] = int(named[2])
            elif "postfix/smtp[" in line and (tried := _STATUS.search(line)) and tried[1] in tokens:
                yield Status(tokens[tried[1]], tried[2], tried[3])

    def mailbox(self) -> list[Path]:
        """What was delivered here."""
        with contextlib.suppress(FileNotFoundError):
            return list(self.room.path(MAILBOX).iterdir())
        return []
