"""The options of filter-clamav(8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from filter_api.bases.phase import parse_reply_text
from filter_api.bases.scanning import ScanSettings, scan_settings
from filter_api.errors import UsageError
from filter_api.options import COMMON_USAGE, CommonOptions, letters_of, parse_options
from filter_clamav.clamd import DEFAULT_PORT, PING
from filter_clamav.policy import Action, Actions, Policy

DEFAULT_ADDRESS = f"127.0.0.1:{DEFAULT_PORT}"
PARALLEL = 8

OPTIONS = """\
-a address         where clamd listens; may be repeated (default 127.0.0.1:3310)
-b bytes           pass larger messages without a scan
-h                 add fields that say what was found, or that nothing was
-i prefix=action   what is done if what was found begins so: reject, mark or ignore
-P scans           at most so many scans at the same time (default 8)
-Q bytes:days      how large the quarantine may be, and for how long it keeps (default 1g:30)
-q directory       keep what is refused in this directory
-r text            the text of the refusal, %v is what was found
"""
LETTERS = letters_of(OPTIONS)
USAGE = (
    "filter-clamav [-h] [-a address] ... [-b bytes] [-i prefix=action] ... [-P scans] [-q directory] [-Q bytes:days] "
    f"[-r text] {COMMON_USAGE}"
)


@dataclass(frozen=True, slots=True)
class Options:
    """-h headers; -i and -r in the policy; -a, -b, -P, -q and -Q in the scan settings."""

    headers: bool
    policy: Policy
    scan: ScanSettings = field(repr=False)


def parse(arguments: Sequence[str]) -> tuple[Options, CommonOptions]:
    """Read a command line. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse_options(LETTERS, arguments, allow_from=True, allow_to=True, allow_dkim=True)
    headers = False
    rules: dict[str, Action] = {}
    policy = Policy()
    scan, rest = scan_settings(
        own, address=DEFAULT_ADDRESS, port=DEFAULT_PORT, size_limit=0, parallel=PARALLEL, ping=PING
    )
    for option, value in rest:
        if option == "-h":
            headers = True
        elif option == "-i":
            rules.update([_rule(value)])
        else:
            policy = Policy(text=parse_reply_text(value))
    return Options(headers, Policy(Actions(rules), policy.text), scan), common


def _rule(value: str) -> tuple[str, Action]:
    """``Heuristics.=mark``. The prefix may hold a ``=``, the action does not."""
    prefix, _, word = value.rpartition("=")
    known = [action.value for action in Action]
    if not prefix or not prefix.isascii() or not prefix.isprintable() or " " in prefix or word not in known:
        raise UsageError(f"-i takes prefix=action, the action one of {', '.join(known)}; not {value!r}")
    return prefix, Action(word)
