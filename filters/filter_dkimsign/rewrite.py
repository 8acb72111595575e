"""What smtpd does to a message after the filters, done before signing, so that nothing is left for it to do.

smtpd completes addresses without a domain in From, To and Cc with the host name of the listener, and adds Date and
Message-ID where a client on loopback, the unix socket or port 587 left them out (smtp_session.c). `qualify` goes
through a value exactly as smtpd does, quirks included; a value that some release of smtpd would change once more is
not safe to sign, which `Unsettled` says. The other thing smtpd does, dropping Bcc, needs no preparation: Bcc is
never signed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

QUALIFIED_FIELDS: Final = (b"from", b"to", b"cc")

# A list whose every element holds an @ outside quotes, without comments, escapes and groups: smtpd leaves it alone.
# Each byte has one way to match, so it is linear. (Possessive groups would say so, but fail in Python 3.11.2.)
_ELEMENT: Final = rb'[^"(),\\:@]*(?:"[^"\\]*"[^"(),\\:@]*)*@[^"(),\\:]*'
_COMPLETE: Final = re.compile(_ELEMENT + rb"(?:," + _ELEMENT + rb")*\Z")
_HOSTNAME: Final = re.compile(rb"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?\Z")
# Whether a backslash counts inside quotes: to the scan of the list, to the scan of one element. Releases differ.
_OLD: Final = (False, False)  # seen on 6.8; OpenSMTPD issue 1242, mended for 7.5
_NEW: Final = (True, False)  # seen on 7.6
_TO_COME: Final = (True, True)  # what would be consequent
_UNKNOWN: Final = (_NEW, _OLD, _TO_COME)
_VERSION: Final = re.compile(r"(\d{1,3})\.(\d{1,3})(?!\d)")

Release: TypeAlias = tuple[bool, bool]
_MEANT: Final = b'()"\\@:<>'
_LIST_STEP: Final = re.compile(rb'[()"\\,]|[^()"\\,\n]+')
_ELEMENT_STEP: Final = re.compile(rb'[()"\\@:<>]|[^()"\\@:<>]+')
_BLANKS: Final = b" \t\n\v\f\r"  # isspace(3) in the C locale

MAX_VALUE: Final = 16000
"""Bytes of a value smtpd surely handles whole: its buffer holds 16384 in old releases, 65535 in new ones."""

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Unsettled(ValueError):
    """smtpd would change this value in a way that cannot be foreseen."""


def is_hostname(name: bytes | None) -> bool:
    """Whether addresses can be completed with this name."""
    return name is not None and _HOSTNAME.match(name) is not None


@lru_cache(maxsize=16)
def releases_of(version: str) -> tuple[Release, ...]:
    """How smtpd of this version (``7.6.0-portable``, as it says itself) may read a backslash, the likeliest first.

    Releases before 7.5 might have been given the later reading by whoever packaged them, and those after 7.8 are not
    known here.
    """
    match = _VERSION.match(version)
    if match is None or (number := (int(match[1]), int(match[2]))) < (7, 5):
        return _UNKNOWN
    return (_NEW,) if number <= (7, 8) else (_NEW, _TO_COME)


def is_complete(value: bytes) -> bool:
    """Whether every release of smtpd leaves this value alone; seen at once."""
    return _COMPLETE.match(value) is not None


def qualify(value: bytes, hostname: bytes | None, releases: Sequence[Release] = _UNKNOWN) -> bytes:
    """The value (from after the colon, folds as CRLF, no line end) as smtpd would write it on a host of that name.

    `releases` are those smtpd may be. Raises Unsettled, also where a name is needed and there is none.
    """
    if is_complete(value):
        return value
    if len(value) > MAX_VALUE:
        raise Unsettled("a field too long for smtpd, and more than addresses in it")
    name = hostname or b""
    text = value.replace(b"\r\n", b"\n") + b"\n"
    done = _pass(text, name, releases[0])
    if any(_pass(done, name, release) != done for release in releases):
        raise Unsettled("smtpd would rewrite the addresses again")
    if done == text:
        return value
    if not is_hostname(hostname):
        raise Unsettled("addresses lack a domain, and smtpd told no host name")
    if len(done) > MAX_VALUE:
        raise Unsettled("addresses lack a domain in a field too long for smtpd")
    return done[:-1].replace(b"\n", b"\r\n")


class _Marks:
    """Where smtpd's scan of an address list stands: in a comment, a quoted string, after a backslash."""

    __slots__ = ("comment", "escape", "quote")

    def __init__(self) -> None:
        self.comment = 0
        self.escape = False
        self.quote = False

    def take(self, char: int, *, in_quotes: bool) -> None:
        """One byte further, in smtpd's order of tests. `in_quotes`: a backslash counts inside quotes, too."""
        if char == 0x28 and not self.escape and not self.quote:
            self.comment += 1
        elif char == 0x22 and not self.escape and not self.comment:
            self.quote = not self.quote
        elif char == 0x29 and not self.escape and not self.quote and self.comment:
            self.comment -= 1
        self.escape = char == 0x5C and not self.escape and not self.comment and (in_quotes or not self.quote)

    @property
    def plain(self) -> bool:
        """Whether the byte just taken stands for itself."""
        return not (self.escape or self.comment or self.quote)


def _pass(text: bytes, hostname: bytes, release: Release) -> bytes:
    """One run of header_domain_append_callback() of a release; lines end with LF."""
    in_list, in_element = release
    marks = _Marks()
    elements: list[bytes] = []
    start = 0
    for match in _LIST_STEP.finditer(text):  # line ends go by without a look
        index = match.start()
        char = text[index]
        marks.take(char, in_quotes=in_list)
        if char == 0x2C and marks.plain:
            elements.append(_complete(text[start:index], hostname, in_quotes=in_element))
            start = index + 1
    elements.append(_complete(text[start:], hostname, in_quotes=in_element))
    return b",".join(elements)


def _complete(element: bytes, hostname: bytes, *, in_quotes: bool) -> bytes:
    """One run of header_append_domain_buffer(): ``@hostname`` put where smtpd puts it, if it does."""
    place = _place(element, in_quotes=in_quotes)
    return element if place is None else element[:place] + b"@" + hostname + element[place:]


def _place(element: bytes, *, in_quotes: bool) -> int | None:
    """Where the domain is missing; None where nothing is, or smtpd cannot tell."""
    marks = _Marks()
    opened = False
    bracket = last = 0
    for match in _ELEMENT_STEP.finditer(element):
        index = match.start()
        char = element[index]
        marks.take(char, in_quotes=in_quotes)
        if match.end() > index + 1 or char not in _MEANT:
            text = match.group().rstrip(_BLANKS)
            if text and not marks.comment:
                last = index + len(text) - 1
            continue
        if marks.plain:
            if char in b"@:":  # complete, or a group
                return None
            if char == 0x3C and not opened:
                opened, bracket = True, -1
            elif char == 0x3E and opened:
                opened, bracket = False, index
        if not marks.comment and char != 0x29:
            last = index
    if opened or not marks.plain or not element:
        return None
    if bracket:
        before = element[:bracket].rstrip(_BLANKS)
        return None if before.endswith(b"<") else len(before)
    return None if element[last] in _BLANKS else last + 1


def date_value(now: float) -> bytes:
    """A Date for this time (seconds since the epoch) in the local zone, RFC 5322 §3.3."""
    local = time.localtime(now)
    sign, offset = ("-", -local.tm_gmtoff) if local.tm_gmtoff < 0 else ("+", local.tm_gmtoff)
    zone = f"{sign}{offset // 3600:02d}{offset % 3600 // 60:02d}"
    day = f"{_DAYS[local.tm_wday]}, {local.tm_mday} {_MONTHS[local.tm_mon - 1]} {local.tm_year}"
    return f"{day} {local.tm_hour:02d}:{local.tm_min:02d}:{local.tm_sec:02d} {zone}".encode("ascii")
