"""Give a quarantined message back to its original recipients: SMTP to a listener of ours without filters.

smtpd does not report every address, so an envelope may be known to have gaps. Such a message goes to nobody until the
operator says to whom: half of its recipients would be worse than none.

Only loopback addresses are taken: the listener accepts anything, so nobody else may reach it, and no password or
header makes it an exception that somebody could forge.
"""

from __future__ import annotations

import fcntl
import smtplib
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from ipaddress import ip_address
from typing import BinaryIO, Final, NamedTuple

from filter_api.errors import ConfigError, UsageError, reason
from filter_api.net.endpoint import Endpoint, parse_endpoint
from filter_api.quarantine.directory import NoSuchMessage, QuarantineDirectory, as_bytes
from filter_api.text.escape import printable

DEFAULT_ADDRESS: Final = "127.0.0.1:10026"
DEFAULT_PORT: Final = 10026
RELEASED: Final = "released"
"""The fact that marks a message: when it was released, the last time."""

_SECONDS: Final = 60.0


class NotReleased(Exception):
    """The listener did not take the message; its text says why."""


class NotMarked(Exception):
    """The listener took the message, which could not be written down. said: by the listener. why: not written down."""

    def __init__(self, said: str, why: str) -> None:
        super().__init__(said)
        self.said = said
        self.why = why


def parse_listener(text: str) -> Endpoint:
    """The address of the listener. Raises UsageError for any that is not loopback."""
    try:
        endpoint = parse_endpoint(text, DEFAULT_PORT)
        if not ip_address(endpoint.host).is_loopback:
            raise UsageError(f"{printable(text)} is not a loopback address; a listener without filters must be one")
    except ValueError:
        raise UsageError(
            f"a loopback address and port are wanted, like {DEFAULT_ADDRESS}, not {printable(text)}"
        ) from None
    return endpoint


class Given(NamedTuple):
    """What the operator gives in place of what is known. sender: None for what is known. recipients: none likewise."""

    sender: str | None = None
    recipients: Sequence[str] = ()


AS_KNOWN: Final = Given()


def parse_given(sender: str | None, recipients: Sequence[str]) -> Given:
    """An envelope from the command line. Raises UsageError."""
    try:
        return Given(None if sender is None else _address(sender), tuple(map(_address, recipients)))
    except ValueError as error:
        raise UsageError(f"{printable(str(error))} is no address") from None


def release(
    quarantine: QuarantineDirectory, name: str, listener: Endpoint, given: Given = AS_KNOWN, *, again: bool = False
) -> str:
    """Send a message again; what the listener said, with its 250: from then on the message is marked as released.

    again: even if it is marked. Raises NotReleased, NotMarked, NoSuchMessage, ConfigError, OSError.
    """
    with quarantine.message(name) as file:
        _lock(file)
        facts = quarantine.facts(name)
        if RELEASED in facts and not again:
            raise NotReleased(f"it was released at {printable(str(facts[RELEASED]))}; -f releases it once more")
        sender, recipients = envelope(facts, given)
        said = deliver(listener, sender, recipients, file.read())
        try:
            quarantine.add_facts(name, {RELEASED: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
        except (OSError, NoSuchMessage) as error:
            raise NotMarked(said, reason(error)) from None
    return said


def _lock(file: BinaryIO) -> None:
    """Two operators that release the same message at the same moment would deliver it twice. Raises NotReleased."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NotReleased("somebody else is releasing it") from None


def deliver(listener: Endpoint, sender: str, recipients: Sequence[str], content: bytes) -> str:
    """Send it to all recipients or to none; the last answer. Raises NotReleased, ConfigError."""
    with closing(smtplib.SMTP(timeout=_SECONDS, local_hostname="localhost")) as client:
        try:
            client.connect(listener.host, listener.port)
        except ConnectionError as error:
            wanted = f'smtpd.conf needs "listen on {listener.host} port {listener.port}" without filters'
            raise ConfigError(f"nobody takes mail at {listener}: {wanted}") from error
        except OSError as error:
            raise NotReleased(_what_went_wrong(error)) from None
        try:
            said = _send(client, sender, recipients, content)
        except OSError as error:
            raise NotReleased(_what_went_wrong(error)) from None
        with suppress(OSError):  # the message is delivered, whatever is said to QUIT
            client.quit()
        return said


def envelope(facts: Mapping[str, object], given: Given = AS_KNOWN) -> tuple[str, list[str]]:
    """Sender and recipients of a message. Raises NotReleased if they are neither all known nor given."""
    recipients = list(given.recipients) or _known_recipients(facts)
    if given.sender is not None:
        return given.sender, recipients
    if facts.get("from") is None:
        raise NotReleased("its sender is not known, give one with -s (-s '' for none)")
    try:
        return _address(facts.get("from")), recipients
    except ValueError:
        raise NotReleased("its envelope is damaged") from None


def _known_recipients(facts: Mapping[str, object]) -> list[str]:
    to, count = facts.get("to"), facts.get("recipients")
    if facts.get("complete") is False:
        known = len(to) if isinstance(to, list) else 0
        raise NotReleased(
            f"smtpd did not report its whole envelope, {known} recipients are known: say with -t whom it is for"
        )
    if not isinstance(to, list) or not to:
        raise NotReleased("its recipients are not known")
    if isinstance(count, int) and count > len(to):
        raise NotReleased(f"{count - len(to)} of its {count} recipients are not known by name")
    try:
        return [_address(recipient) for recipient in to]
    except ValueError:
        raise NotReleased("its envelope is damaged") from None


def _address(value: object) -> str:
    raw = as_bytes(value)
    if any(byte <= 0x20 or byte in b"<>" or byte >= 0x7F for byte in raw):
        raise ValueError(value)
    return raw.decode("ascii")


def _send(client: smtplib.SMTP, sender: str, recipients: Sequence[str], content: bytes) -> str:
    """One transaction for all recipients: all of them or none, so that nobody gets it twice."""
    _expect(client.ehlo(), "EHLO")
    body = " BODY=8BITMIME" if not content.isascii() and client.has_extn("8bitmime") else ""
    _expect(client.docmd("MAIL", f"FROM:<{sender}>{body}"), f"MAIL FROM:<{sender}>")
    for recipient in recipients:
        _expect(client.docmd("RCPT", f"TO:<{recipient}>"), f"RCPT TO:<{recipient}>")
    try:
        return _expect(client.data(content), "the message")
    except smtplib.SMTPDataError:
        raise
    except OSError as error:
        why = _what_went_wrong(error)
        raise NotReleased(f"no answer to the message, which may have been taken all the same: {why}") from None


def _what_went_wrong(error: OSError) -> str:
    """In words; smtplib's errors are OSErrors without an errno of the system's."""
    return printable(str(error) if isinstance(error, smtplib.SMTPException) else reason(error))


def _expect(answer: tuple[int, bytes], what: str) -> str:
    code, text = answer
    said = f"{code} {printable(text)}"
    if not 200 <= code <= 299:
        raise NotReleased(f"{what} was answered {said}")
    return said
