"""``filterctl explain``: why a filter, or all filters of a listener, would refuse a client, told by their own policy.

    filterctl explain [-f smtpd.conf] [-l listener] [-n server] client from to [helo]
    filterctl explain filter [option ...] ...

Of a filter the options count that are given; without any, those of its line in the system's smtpd.conf.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from filter_api.commands import Command, choose
from filter_api.errors import ConfigError, HelpWanted, UsageError
from filter_api.text.escape import printable
from filterctl.__main__ import load

SUBJECTS: Final = {
    "dnsbl": ("filter_dnsbl.ctl", "[option ...] address [name]", "what lists in the DNS say of a client"),
    "dyndns": ("filter_dyndns.ctl", "[option ...] name|address [address]", "what the name of a client is worth"),
    "greylist": ("filter_greylist.ctl", "[option ...] address from to [helo]", "whether a delivery would wait"),
    "rdns": ("filter_rdns.ctl", "[option ...] address [helo [from]]", "whether the name of a client is right"),
    "sender-score": ("filter_spamassassin.ctl", "[-s file] address", "which points a sender has"),
}
"""Where each is told of, what it takes, and what it tells."""


def run(arguments: list[str]) -> int:
    """Hand the rest of the arguments to the filter that knows."""
    if not arguments:
        raise UsageError("what shall be explained?")
    if arguments[0] not in SUBJECTS:
        return _chain(arguments)

    def command(module: str, synopsis: str, about: str) -> Command:
        def run_it(rest: list[str]) -> int:
            return load(module, "explain")(_with_options(arguments[0], rest))  # loaded if it is meant

        return Command(run_it, synopsis, about)

    return choose(arguments, {name: command(*subject) for name, subject in SUBJECTS.items()})


def _chain(arguments: list[str]) -> int:
    """The whole chain. Raises UsageError for what is neither an option of it, nor an address, nor a filter."""
    from filterctl.explaining import chain  # and with it all that runs filters

    if arguments[0] in {"-h", "--help"}:
        raise HelpWanted(chain.OPTIONS, {name: about for name, (_, _, about) in SUBJECTS.items()})
    if not arguments[0].startswith("-") and not _is_address(arguments[0]):
        known = ", ".join(SUBJECTS)
        raise UsageError(f"unknown: {printable(arguments[0], 60)} (known: {known}), and no client's address")
    return chain.run(arguments)


def _is_address(text: str) -> bool:
    try:
        ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _with_options(subject: str, rest: list[str]) -> list[str]:
    """The arguments, with the options of the filter's line in the system's smtpd.conf where none are given."""
    if not rest or rest[0].startswith("-"):
        return rest
    from filterctl.conf.lines import options_in_use

    try:
        found = options_in_use(subject)
    except ConfigError as error:
        print(f"options of the filter's line: not known, {printable(str(error), 900)}")
        return rest
    if found is None:
        return rest
    place, words = found
    print(f"options of {place}: {printable(' '.join(words), 900) or 'none'}")
    return [*words, *rest]
