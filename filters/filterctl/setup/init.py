"""``filterctl init``: from an installed package to a mail server that checks, scans, greylists and signs.

It asks, or takes options; finds what this system has; makes a user, directories, tables, DKIM keys, a file for
filter-chain and an smtpd.conf; checks them; and tells what is left to do. Nothing that is there is overwritten.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from filter_api.control.place import PLACES
from filter_api.errors import ConfigError, UsageError
from filter_api.options import letters_of, split_options
from filter_api.text.escape import printable
from filterctl.__main__ import load
from filterctl.conf import check
from filterctl.programs.command import find_program, libexec_directories
from filterctl.setup import steps, system, texts
from filterctl.setup.steps import Placed, Step
from filterctl.setup.system import CLAMD, REDIS, RSPAMD, SPAMD
from filterctl.setup.texts import USER, Wanted

OPTIONS: Final = """\
-c smtpd.conf  where the configuration will be; as this system has it
-d domain      a domain that mail is for; may be given several times
-f store       the store of the greylist, a path or the URL of a Redis
-H host        the name of this server, as its reverse DNS has it
-k selector    of the DKIM keys; the year
-N networks    networks of ours that may send through this server
-n             show what would be made, and do nothing
-s scanners    clamav, spamassassin, both, or none; those that answer
-y             ask nothing
"""

SCANNERS = (CLAMD, SPAMD)
MAX_NAME = 253
"""Bytes of a domain name, RFC 1035 section 2.3.4."""

WIDEST = {4: 8, 6: 16}
"""Prefix lengths: 10.0.0.0/8 is a network that somebody has, what is wider is a mistake."""

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@,+-]{1,400}")


@dataclass(slots=True)
class Answers:
    """The options; what is None was not given."""

    domains: list[str] = field(default_factory=list)
    host: str | None = None
    networks: list[str] | None = None
    scanners: list[str] | None = None
    selector: str = ""
    store: str = ""
    configuration: str = ""
    dry: bool = False
    ask: bool = True


def run(arguments: list[str]) -> int:
    """0 if smtpd would start with what was written; raises UsageError, ConfigError."""
    answers = options(arguments)
    _ask(answers)
    place = system.layout()
    path = answers.configuration or place.configuration
    wanted = _wanted(answers, place)
    if not answers.dry and os.geteuid() != 0:
        raise ConfigError("users and files can be made by root only; -n shows what would be made")
    files = _files(wanted, path)
    for step in _steps(wanted, place, files):
        print(f"{'would make' if answers.dry else 'making'} {step.text}", flush=True)
        if not answers.dry:
            step.do()
    if answers.dry:
        print(
            f"\n{files[0][0].beside} would be:\n\n{files[0][1]}\n{files[1][0].beside} would be:\n\n{files[1][1]}",
            end="",
        )
        return 0
    return _finish(wanted, [where for where, _ in files])


def options(arguments: Sequence[str]) -> Answers:
    """The command line. Raises UsageError."""
    found, rest = split_options(letters_of(OPTIONS), arguments, OPTIONS)
    if rest:
        raise UsageError(f"what is {printable(rest[0], 40)}? Domains are given with -d")
    given = dict(found)
    answers = Answers(dry="-n" in given, ask="-y" not in given and sys.stdin.isatty())
    answers.domains = [_name(value, "-d") for option, value in found if option == "-d"]
    answers.host = _name(given["-H"], "-H") if "-H" in given else None
    answers.networks = _networks(given["-N"]) if "-N" in given else None
    answers.scanners = _scanners(given["-s"]) if "-s" in given else None
    answers.selector = given.get("-k", time.strftime("%Y")).lower()
    if not _SELECTOR.fullmatch(answers.selector):
        raise UsageError(f"-k takes a selector such as 2026, not {printable(given['-k'], 40)}")
    for option in ("-c", "-f"):
        if option in given and not _PLAIN.fullmatch(given[option]):
            raise UsageError(f"{option} {printable(given[option], 40)}: blanks and quotes cannot be in it")
    answers.configuration, answers.store = given.get("-c", ""), given.get("-f", "")
    if answers.configuration and not answers.configuration.startswith("/"):
        raise UsageError("-c takes a whole path, such as /etc/smtpd.conf")
    return answers


def _name(value: str, option: str) -> str:
    name = value.lower().rstrip(".")
    if len(name) > MAX_NAME or not _DOMAIN.fullmatch(name):
        raise UsageError(f"{option} takes a name such as example.org, not {printable(value, 40)}")
    return name


def _networks(value: str) -> list[str]:
    found = []
    for each in filter(None, re.split(r"[,\s]+", value)):
        try:
            network = ipaddress.ip_network(each, strict=False)
        except ValueError:
            raise UsageError(f"-N takes networks such as 192.0.2.0/24, not {printable(each, 40)}") from None
        if network.prefixlen < WIDEST[network.version]:
            raise UsageError(f"-N {network}: mail would be relayed for half the world; name your own networks only")
        found.append(str(network))
    return found


def _scanners(value: str) -> list[str]:
    names = [] if value == "none" else [each for each in re.split(r"[,\s]+", value) if each]
    for each in names:
        if each not in SCANNERS:
            raise UsageError(f"-s takes {', '.join(SCANNERS)} or none, not {printable(each, 40)}")
    return names


def _ask(answers: Answers) -> None:
    """What was not given, on a terminal. Raises UsageError if there is nobody to ask for a domain."""
    if not answers.domains:
        if not answers.ask:
            raise UsageError("which domain is mail for? -d example.org")
        said = _question("Domains that mail is for", "")
        answers.domains = [_name(each, "-d") for each in re.split(r"[,\s]+", said) if each]
        if not answers.domains:
            raise UsageError("a domain is needed, such as example.org")
    usual = system.own_name(answers.domains[0])
    if answers.host is None:
        answers.host = _name(_question("Name of this server, as its reverse DNS has it", usual, answers.ask), "-H")
    if answers.networks is None:
        said = _question("Networks that may send through it, beside this host", "none", answers.ask)
        answers.networks = [] if said == "none" else _networks(said)
    if answers.scanners is None:
        found = [name for name in SCANNERS if system.answering(name)]
        answers.scanners = _scanners(_question("Scanners", ",".join(found) or "none", answers.ask))


def _question(text: str, default: str, ask: bool = True) -> str:
    """The answer, or the default."""
    if not ask:
        return default
    print(f"{text} [{default}]: " if default else f"{text}: ", end="", flush=True)
    return sys.stdin.readline(4096).strip() or default


def _wanted(answers: Answers, place: system.Layout) -> Wanted:
    host = answers.host or ""
    wanted = Wanted(
        domains=list(dict.fromkeys(answers.domains)),
        host=host,
        networks=answers.networks or [],
        scanners={name: system.answering(name) or "" for name in answers.scanners or ()},
        selector=answers.selector,
        store=answers.store or f"{place.state}/greylist.db",
        mail=place.mail,
        aliases=place.aliases,
        program=_program(),
        pki=system.certificate(host),
    )
    return replace(wanted, addresses=[*wanted.addresses, "::"]) if system.has_ipv6() else wanted


def _program() -> str:
    """filter-chain as smtpd finds it: by its name alone in smtpd's directory, else by its path."""
    path = find_program("filter-chain")
    return "filter-chain" if os.path.dirname(path) in libexec_directories() else os.path.abspath(path)


def _files(wanted: Wanted, path: str) -> list[tuple[Placed, str]]:
    """The files with their places: smtpd.conf, the members of the chain, and tables."""
    contents = {
        path: texts.smtpd_conf(wanted, path),
        f"{wanted.mail}/filters": texts.members(wanted),
        f"{wanted.mail}/our-networks": texts.networks(wanted),
        f"{wanted.mail}/dkim/keys": texts.keys(wanted),
    }
    return [(steps.placed(name, content), content) for name, content in contents.items()]


def _steps(wanted: Wanted, place: system.Layout, files: Sequence[tuple[Placed, str]]) -> Iterator[Step]:
    yield from steps.user(USER)
    yield from steps.directory(wanted.mail, 0o755)
    yield from steps.directory(f"{wanted.mail}/dkim", 0o711)  # each key is its owner's alone
    yield from steps.directory(place.state, 0o700, USER)
    yield from steps.sockets(USER)
    for domain in wanted.domains:
        if not os.path.lexists(wanted.key(domain)):
            yield Step(f"DKIM key {wanted.key(domain)}; publish:", _key(wanted, domain))
    for path, content in ((wanted.aliases, "postmaster: root\n"), (f"{wanted.mail}/exempt", texts.exempt())):
        if not os.path.lexists(path):
            yield from steps.file(Placed(path, path), content)
    for where, content in reversed(files):  # smtpd.conf last
        yield from steps.file(where, content)


def _key(wanted: Wanted, domain: str) -> Callable[[], None]:
    def make() -> None:
        path = wanted.key(domain)
        print()
        with contextlib.redirect_stderr(io.StringIO()):  # it tells to give the key to the filter's user
            load("filter_dkimsign.ctl", "run")(["keygen", "-d", domain, "-s", wanted.selector, path])
        steps.give(path, USER)
        print(texts.records(wanted, domain), flush=True)

    return make


def _finish(wanted: Wanted, places: Sequence[Placed]) -> int:
    """Check what was written and tell what is left to do."""
    status = check.run([places[0].beside])
    for text in notes(wanted):
        print(f"note: {text}")
    if status:
        print(f"\nNothing is in place yet: mend what is told above, then filterctl check {places[0].beside}")
        return status
    print("\nLeft to do, beside the records above:")
    for where in places:
        if where.moved:
            print(f"  cp -p {where.path} {where.path}.old && mv {where.beside} {where.path}")
    print(f"  {system.restart_command()}")
    return 0


def notes(wanted: Wanted) -> Iterator[str]:
    """What was found and is not used, or used and was not found."""
    for name, address in wanted.scanners.items():
        if not address:
            wait = "mail waits until it does" if name == CLAMD else "mail passes unchecked until it does"
            yield f"{name} does not answer on this host: {wait}"
    if wanted.pki is None:
        yield f"no certificate of {wanted.host} was found: mail is taken unencrypted, and nobody can log in"
    if not steps.has_sockets(USER):
        theirs = f"{PLACES[-1]}/{USER}"
        yield f"filterctl status will find no filter: chown {USER} {theirs} && chmod 0755 {theirs}"
    redis = system.answering(REDIS)
    if redis and not wanted.store.startswith("redis"):
        yield f"Redis answers at {redis}: several servers can share a greylist there, filter-greylist(8)"
    rspamd = system.answering(RSPAMD)
    if rspamd:
        yield f"rspamd answers at {rspamd}: no filter of this suite asks it"
