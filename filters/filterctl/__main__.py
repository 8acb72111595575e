"""filterctl: the operator's tool, in the idiom of smtpctl(8): ``filterctl verb …``.

Each verb is a function in a module of its own, imported when it is asked for, so that no verb costs or needs what
another does; what knows a filter's inside lives with that filter (``filter_X.ctl``). A verb gets the arguments behind
its name and returns the exit status: 0 for done, 1 for an error or for "no" where a question was asked.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from filter_api.errors import ConfigError, UsageError, reason
from filter_api.libraries import LIBRARIES, missing
from filter_api.text.escape import printable


class Verb(NamedTuple):
    """Where a verb lives and what it is told."""

    module: str
    function: str
    synopsis: str


VERBS = {
    "auth": Verb("filter_auth.ctl", "run", "explain -i address [file] | domain name | report -e address ... | store"),
    "check": Verb("filterctl.conf.check", "run", "[-l directory] smtpd.conf"),
    "dkim": Verb("filter_dkimsign.ctl", "run", "keygen | check | verify ..."),
    "dnsbl": Verb("filter_dnsbl.ctl", "run", "explain | test | own [option ...] [address [name]]"),
    "doctor": Verb("filterctl.health.doctor", "run", "[-l directory] [-m maillog] [-n server] [smtpd.conf]"),
    "explain": Verb("filterctl.explain", "run", "rdns | dyndns | dnsbl | greylist | sender-score ..."),
    "greylist": Verb("filter_greylist.ctl", "run", "[-H] [-f store] [-adGtT ...] [import | export | explain ...]"),
    "init": Verb(
        "filterctl.setup.init",
        "run",
        "[-ny] [-c smtpd.conf] [-d domain] [-f store] [-H host] [-k selector] [-N networks] [-s scanners]",
    ),
    "lists": Verb("filterctl.lists", "run", "update | check | show | test | import ..."),
    "quarantine": Verb(
        "filterctl.mail.quarantine", "run", "[-q directory] list | show | release | delete | expire ..."
    ),
    "record": Verb("filterctl.recording.capture", "run", "[-k files] [-s bytes] file -- command [argument ...]"),
    "replay": Verb("filterctl.replaying.replay", "run", "[-v] [-t seconds] transcript -- command [argument ...]"),
    "report": Verb("filterctl.mail.report", "run", "decisions | messages ... [-s since] [-u until] [maillog ...]"),
    "why": Verb("filterctl.mail.why", "run", "[-j] [-s since] [-u until] what [maillog ...]"),
}


def main(arguments: list[str]) -> int:
    """Run the verb in the arguments and return the exit status."""
    name = arguments[0] if arguments else ""
    verb = VERBS.get(name)
    if verb is None:
        if name:
            complain(f"unknown verb: {name}")
        sys.stderr.write(usage())
        return 1
    try:
        return load(verb.module, verb.function)(arguments[1:])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in LIBRARIES:
            raise
        complain(missing())
    except UsageError as error:
        if str(error):
            complain(f"{name}: {error}")
        sys.stderr.write(f"usage: filterctl {name} {verb.synopsis}\n")
    except (ConfigError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            return _reader_left()
        complain(f"{name}: {_reason(error)}")
    except KeyboardInterrupt:
        return 130
    return 1


def load(module: str, function: str) -> Callable[[list[str]], int]:
    """The function of a verb; ConfigError if the part of the suite it belongs to is not installed."""
    try:
        found: Callable[[list[str]], int] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        package = module.partition(".")[0].replace("_", "-")
        raise ConfigError(f"{package} is not installed") from None
    return found


def usage() -> str:
    """All verbs, one a line."""
    lines = [f"filterctl {name} {verb.synopsis}" for name, verb in VERBS.items()]
    return "usage: " + "\n       ".join(lines) + "\n"


def complain(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"filterctl: {printable(text, 2000)}\n")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {reason(error)}"
    return reason(error)


def _reader_left() -> int:
    """``filterctl … | head`` ends quietly: nothing more is written, at interpreter exit neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def run() -> None:
    """The console script."""
    status = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = _reader_left()
    sys.exit(status)


if __name__ == "__main__":
    run()
