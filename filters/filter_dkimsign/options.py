"""The command line: every letter of the C filter with its meaning, and those this one adds.

`Settings` is what it says; what is wrong with it is a UsageError.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from filter_api.dkim.signature import DEFAULT_NAMES, NEVER, OVERSIGNED, Layout
from filter_api.errors import UsageError
from filter_api.options import COMMON_USAGE, letters_of
from filter_dkimsign.keytable import DomainList, parse_algorithm
from filter_dkimsign.policy import parse_reinjectors

OPTIONS: Final = """\
-A file          recipients whose mail is sealed, as it is forwarded
-a algorithm     rsa-sha256 or ed25519-sha256, of the key of -k
-c forms         canonicalization of header and body (default relaxed/relaxed)
-D file          domains to sign for, as -d
-d domain        sign for this domain with the key of -k; may be repeated
-h headers       the header fields to sign, with colons between
-K file          domains, selectors and keys
-k key           the private key for -d and -D
-m file          what each login may be signed for
-o               do not oversign
-R reinjectors   sign mail that these programs of this host put in again
-s selector      the selector of the key of -k
-t               put the time of signing into the signature
-u               sign mail of unknown domains with the first entry
-x seconds       the signature expires after this time
-z               copy the signed fields into the signature; twice: all fields
-S               (refused: -A seals)
"""
LETTERS: Final = letters_of(OPTIONS)
USAGE: Final = (
    "filter-dkimsign [-otuz] [-A file] [-a algorithm] [-c canonicalization]\n"
    "\t[-D file] [-d domain] [-h headers] [-K file] [-k key] [-m file]\n"
    f"\t[-R reinjectors] [-s selector] [-x seconds] {COMMON_USAGE}"
)

_FORMS: Final = re.compile(r"(simple|relaxed)(?:/(simple|relaxed))?")
_HEADER_NAME: Final = re.compile(r"[!-9;-~]+")
_MAX_LIFETIME: Final = 2**62


class Settings:
    """The filter's own options, as given."""

    def __init__(self, options: Sequence[tuple[str, str]]) -> None:
        """Raises UsageError."""
        self.domains = [value for letter, value in options if letter == "-d"]
        self.oversign = True
        self.sign_unknown = False
        self.timestamp = False
        self.copies = 0
        self.algorithm: str | None = None
        self.forms = ("relaxed", "relaxed")
        self.names = DEFAULT_NAMES
        self.lifetime = 0
        self.files: dict[str, str] = {}
        self.reinjectors = parse_reinjectors([value for letter, value in options if letter == "-R"])
        self.notes: list[str] = []  # for the log, once it is there
        for letter, value in options:
            self._take(letter, value)

    def _take(self, letter: str, value: str) -> None:
        match letter:
            case "-a":
                self.algorithm = _algorithm(value)
                if self.algorithm != value:
                    self.notes.append(f"-a {value} is forbidden by RFC 8301: signing with {self.algorithm}")
            case "-c":
                self.forms = _forms(value)
            case "-h":
                self.names = _names(value)
            case "-o":
                self.oversign = False
            case "-t":
                self.timestamp = True
            case "-u":
                self.sign_unknown = True
            case "-x":
                self.lifetime = _lifetime(value)
            case "-z":
                self.copies = min(self.copies + 1, 2)
            case "-S":
                raise UsageError("option -S is reserved: ARC seals are made for the recipients of -A file")
            case "-A" | "-D" | "-K" | "-k" | "-m" | "-s":
                self.files[letter] = value

    @property
    def layout(self) -> Layout:
        """What every signature looks like."""
        return Layout(
            *self.forms,
            names=self.names,
            oversigned=OVERSIGNED if self.oversign else frozenset(),
            timestamp=self.timestamp,
            lifetime=self.lifetime,
            copies=self.copies,
        )

    @property
    def domain_list(self) -> DomainList | None:
        """What -d, -D, -s and -k say together; None where all are missing beside -K. Raises UsageError."""
        files = self.files
        named = bool(self.domains) or "-D" in files
        if not named and not files.keys() & {"-s", "-k"} and "-K" in files:
            return None
        missing = [what for what, given in (("-s", "-s" in files), ("-k", "-k" in files), ("-d", named)) if not given]
        if missing:
            raise UsageError(f"{' and '.join(missing)} is missing: give -d (or -D), -s and -k together, or -K")
        return DomainList(tuple(self.domains), files.get("-D"), files["-s"], files["-k"], self.algorithm)


def _algorithm(value: str) -> str:
    try:
        return parse_algorithm(value)
    except ValueError as error:
        raise UsageError(f"-a: {error}") from None


def _forms(value: str) -> tuple[str, str]:
    """Header and body form; the body's is simple where it is left out (RFC 6376 §3.5, c=)."""
    match = _FORMS.fullmatch(value)
    if match is None:
        raise UsageError(f"-c takes simple or relaxed, or two of them as in relaxed/simple, not {value!r}")
    return match[1], match[2] or "simple"


def _names(value: str) -> tuple[bytes, ...]:
    names = value.lower().split(":")
    wrong = [name for name in names if not _HEADER_NAME.fullmatch(name)]
    if wrong:
        raise UsageError(f"-h takes header names with colons between them, and {wrong[0]!r} is none")
    if "from" not in names:
        raise UsageError("-h must hold from (RFC 6376, 5.4)")
    return tuple(name for name in dict.fromkeys(map(str.encode, names)) if name not in NEVER)


def _lifetime(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 20 and 0 < int(value) <= _MAX_LIFETIME):
        raise UsageError(f"-x takes a number of seconds from 1, not {value!r}")
    return int(value)
