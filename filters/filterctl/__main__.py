"""filterctl: the operator's tool, in the idiom of smtpctl(8): ``filterctl verb …``.

Each verb is a function in a module of its own, imported when it is asked for, so that no verb costs or needs what
another does; what knows a filter's inside lives with that filter (``filter_X.ctl``). A verb gets the arguments behind
its name and returns the exit status: 0 for done, 1 for an error or for "no" where a question was asked.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from filter_api.errors import ConfigError, HelpWanted, UsageError, reason
from filter_api.libraries import LIBRARIES, missing
from filter_api.options import VersionWanted, help_text
from filter_api.text.escape import one_line
from filter_api.version import VERSION


class Verb(NamedTuple):
    """Where a verb lives, what it is told, and what it does."""

    module: str
    function: str
    synopsis: str
    about: str = ""


VERBS = {
    "allow": Verb(
        "filterctl.entries.allow",
        "run",
        "[-dl] [-c comment] [-f smtpd.conf] [-t days] [what ...]",
        "let somebody in: entries of -W files",
    ),
    "auth": Verb("filter_auth.ctl", "run", "explain | domain | report | store ...", "SPF, DKIM, ARC and DMARC of mail"),
    "check": Verb("filterctl.conf.check", "run", "[-l directory] [smtpd.conf]", "check the filters of an smtpd.conf"),
    "completion": Verb("filterctl.completion", "run", "bash | ksh | zsh", "completion of this command for a shell"),
    "deny": Verb(
        "filterctl.entries.deny",
        "run",
        "[-dl] [-c comment] [-f smtpd.conf] [-t days] [what ...]",
        "turn somebody away: entries of black lists",
    ),
    "dkim": Verb("filterctl.dkim", "run", "keygen | check | list | rotate | verify ...", "keys and signatures"),
    "dnsbl": Verb("filter_dnsbl.ctl", "run", "explain | test | own [option ...] [address [name]]", "lists in the DNS"),
    "doctor": Verb(
        "filterctl.health.doctor",
        "run",
        "[-q] [-l directory] [-m maillog] [-n server] [smtpd.conf]",
        "find out why filters do not work",
    ),
    "explain": Verb(
        "filterctl.explain",
        "run",
        "[-f smtpd.conf] [-l listener] [-n server] client from to [helo] | rdns | dyndns | ... ...",
        "why a client is refused",
    ),
    "greylist": Verb(
        "filter_greylist.ctl",
        "run",
        "[-H] [-f store] [-adGtT ...] [list | import | export | explain ...]",
        "the memory of filter-greylist",
    ),
    "init": Verb(
        "filterctl.setup.init",
        "run",
        "[-ny] [-c smtpd.conf] [-d domain] [-f store] [-H host] [-k selector] [-N networks] [-s scanners]",
        "make what is needed, and write an smtpd.conf",
    ),
    "lists": Verb("filterctl.lists", "run", "update | check | show | test | import ...", "the lists of filter-lists"),
    "log": Verb("filterctl.live.commands", "log", "verbose | brief [filter ...]", "how much running filters log"),
    "metrics": Verb("filterctl.live.commands", "metrics", "[filter ...]", "counters for Prometheus, as OpenMetrics"),
    "monitor": Verb(
        "filterctl.live.monitor",
        "run",
        "[-j] [-i seconds] [-n count] [filter ...]",
        "what running filters do, a line at a time",
    ),
    "quarantine": Verb(
        "filterctl.mail.quarantine",
        "run",
        "[-q directory] list | show | release | delete | digest | expire ...",
        "messages that were refused and kept",
    ),
    "ready": Verb(
        "filterctl.live.ready",
        "run",
        "[-jNR] [-t milliseconds] [filter ...]",
        "whether filters answer, for a monitoring system",
    ),
    "record": Verb(
        "filterctl.recording.capture",
        "run",
        "[-k files] [-s bytes] file -- command [argument ...]",
        "write what a filter and smtpd say to each other",
    ),
    "reload": Verb(
        "filterctl.live.commands", "reload", "[-j] [filter ...]", "have running filters look at their files"
    ),
    "replay": Verb(
        "filterctl.replaying.replay",
        "run",
        "[-v] [-t seconds] transcript -- command [argument ...]",
        "play recorded traffic to a filter",
    ),
    "report": Verb(
        "filterctl.mail.report",
        "run",
        "decisions | messages ... [-s since] [-u until] [maillog ...]",
        "what was refused, and what was found",
    ),
    "stats": Verb("filterctl.live.stats", "run", "[-j] [filter ...]", "counters of running filters"),
    "status": Verb("filterctl.live.status", "run", "[-j] [filter ...]", "what running filters have in use"),
    "trace": Verb(
        "filterctl.live.trace", "run", "[-1j] session [filter ...]", "what a filter hears and says in one session"
    ),
    "why": Verb(
        "filterctl.mail.why",
        "run",
        "[-j] [-f smtpd.conf] [-s since] [-u until] what [maillog ...]",
        "the story of each mail",
    ),
}


def main(arguments: list[str]) -> int:
    """Run the verb in the arguments and return the exit status."""
    name = arguments[0] if arguments else ""
    if name in {"-h", "--help"}:
        sys.stdout.write(overview())
        return 0
    verb = VERBS.get(name)
    if verb is None and name != "-V":
        if name:
            complain(f"unknown verb: {name}")
        sys.stderr.write(usage())
        return 1
    return _version() if verb is None else _run(name, verb, arguments[1:])


def _run(name: str, verb: Verb, arguments: list[str]) -> int:
    try:
        return load(verb.module, verb.function)(arguments)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in LIBRARIES:
            raise
        complain(missing())
    except VersionWanted:
        return _version()
    except HelpWanted as help_:
        sys.stdout.write(shown_help(name, help_))
        return 0
    except UsageError as error:
        if str(error):
            complain(f"{name}: {error}")
        sys.stderr.write(f"usage: filterctl {name} {error.command or verb.synopsis}\n")
    except (ConfigError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            return _reader_left()
        complain(f"{name}: {_reason(error)}")
    except KeyboardInterrupt:
        return 130
    return 1


def _version() -> int:
    print(f"filterctl {VERSION}")
    return 0


def shown_help(name: str, help_: HelpWanted) -> str:
    """The usage line, and a line for each option and each command."""
    text = help_text(f"filterctl {name} {help_.command or VERBS[name].synopsis}".rstrip(), help_.options)
    return text.rstrip("\n") + "\n" + ("\n" + _listed(help_.commands) if help_.commands else "")


def overview() -> str:
    """All verbs with what they do."""
    about = {name: verb.about for name, verb in VERBS.items()}
    more = "filterctl verb -h tells more, as filterctl(8) does."
    return f"usage: filterctl verb [argument ...]\n\n{_listed(about)}\n{more}\n"


def _listed(about: Mapping[str, str]) -> str:
    width = max(map(len, about), default=0) + 2
    return "".join(f"  {name:<{width}}{what}\n" for name, what in about.items())


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
    sys.stderr.write(f"filterctl: {one_line(text, 2000)}\n")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {reason(error)}"
    return reason(error)


def _reader_left() -> int:
    """``filterctl … | head`` ends quietly: nothing more is written, at interpreter exit neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def run() -> None:
    """The console script. What the terminal's encoding has no letter for is escaped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    status = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = _reader_left()
    sys.exit(status)


if __name__ == "__main__":
    run()
