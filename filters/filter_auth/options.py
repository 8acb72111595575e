"""The options of filter-auth(8)."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from filter_api.errors import UsageError
from filter_api.files.exempt import ExemptTable
from filter_api.files.tables import DomainTable
from filter_api.options import COMMON_USAGE, CommonOptions, letters_of, parse_options, parse_whole
from filter_api.text.escape import printable

OPTIONS: Final = """\
-a id       the name under which the field is written
-c file     domains whose ARC seals are believed
-f store    keep what aggregate reports are made of in this SQLite file
-i id       another name of which fields are removed; may be repeated
-k bits     the shortest RSA key whose signatures count (default 1024)
-l file     forwarders and lists whose mail is taken though DMARC fails
-p policy   what fails DMARC: none, mark, reject or strict (default mark)
-s          refuse what fails SPF where the author has no DMARC record
-u policy   mail without a usable author: none, mark or reject (default mark)
"""
LETTERS: Final = letters_of(OPTIONS)
USAGE: Final = (
    "filter-auth [-s] [-a id] [-c file] [-f store] [-i id] ... [-k bits] [-l file] [-p none|mark|reject|strict] "
    f"[-u none|mark|reject] {COMMON_USAGE}"
)

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
_LEAST_BITS: Final = 1_024  # RFC 8301 §3.2
_MOST_BITS: Final = 4_096  # longer keys do not fit an answer of the DNS, and nobody has them


class Failing(enum.Enum):
    """-p: what is done with mail that fails DMARC."""

    NONE = "none"
    MARK = "mark"
    REJECT = "reject"
    STRICT = "strict"


class Unauthored(enum.Enum):
    """-u: what is done with mail that has no usable author."""

    NONE = "none"
    MARK = "mark"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Options:
    """-a own id; -c sealers; -f store; -i further ids; -k shortest key; -l forwarders and lists; -p; -s; -u."""

    own_id: str = ""
    other_ids: tuple[str, ...] = ()
    sealers: DomainTable | None = None
    bits: int = _LEAST_BITS
    forwarders: ExemptTable | None = None
    store: str = ""
    failing: Failing = Failing.MARK
    refuse_spf_fail: bool = False
    unauthored: Unauthored = Unauthored.MARK


def parse(arguments: Sequence[str]) -> tuple[Options, CommonOptions]:
    """Read a command line. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse_options(LETTERS, arguments, allow_from=True, allow_to=True, allow_dkim=True)
    values = dict(own)
    options = Options(
        own_id=_id("-a", values["-a"]) if "-a" in values else "",
        other_ids=tuple(_id(option, value) for option, value in own if option == "-i"),
        sealers=DomainTable(values["-c"]) if "-c" in values else None,
        bits=parse_whole("-k", values["-k"], _LEAST_BITS, _MOST_BITS, what="bits") if "-k" in values else _LEAST_BITS,
        forwarders=ExemptTable(values["-l"], allow_from=True) if "-l" in values else None,
        store=values.get("-f", ""),
        failing=_word("-p", values["-p"], Failing) if "-p" in values else Failing.MARK,
        refuse_spf_fail="-s" in values,
        unauthored=_word("-u", values["-u"], Unauthored) if "-u" in values else Unauthored.MARK,
    )
    return options, common


def _id(option: str, value: str) -> str:
    if not _ID.fullmatch(value):
        raise UsageError(f"{option} takes a host name like mx.example.org, not '{printable(value, 40)}'")
    return value


Word = TypeVar("Word", Failing, Unauthored)


def _word(option: str, value: str, kind: type[Word]) -> Word:
    try:
        return kind(value)
    except ValueError:
        *others, last = [each.value for each in kind]
        raise UsageError(f"{option} takes {', '.join(others)} or {last}, not '{printable(value, 40)}'") from None
