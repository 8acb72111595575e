"""No call that only Linux has is without a way round it: what the sources name, and filters on a system without it."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api.testing.servers import say, served
from tests.filter_dkimsign.keyring import rsa_key, write_key
from tests.filter_dkimsign.support import MAIL
from tests.support.elsewhere import LINUX_ONLY
from tests.support.process import running_filter

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((*ROOT.glob("filter_api/**/*.py"), *ROOT.glob("filters/**/*.py")))

#: What of Linux stands in the sources, by file, and why it does no harm elsewhere.
ALLOWED: dict[tuple[str, str], str] = {
    ("filter_api/confinement/landlock.py", "os.O_PATH"): "Landlock is Linux's; system.py asks sys.platform first",
    ("filter_api/confinement/kernel.py", "ctypes"): "system calls by number; system.py asks sys.platform first",
    ("filter_api/confinement/linux.py", "/proc/self/task"): "system.py asks sys.platform first",
    ("filter_api/confinement/linux.py", "/proc/sys/kernel/seccomp/actions_avail"): "system.py asks sys.platform first",
    ("filter_api/confinement/openbsd.py", "ctypes"): "pledge and unveil; where they are not, it is told",
    ("filter_api/confinement/places.py", "/sys/devices/system/cpu"): "a place that may be read, where it is there",
    ("filter_api/files/compiled.py", "mmap.MAP_POPULATE"): "getattr with 0: pages are then had when they are touched",
    ("filter_api/message/spool.py", "os.O_TMPFILE"): "hasattr: a file is made and unlinked otherwise",
}
#: By filter: one session of a client in memory, as a test of that filter plays it.
SESSIONS = {
    "rdns": "test_clients.py::test_the_default_phase_is_mail_from",
    "dyndns": "test_filter.py::test_a_residential_client_is_refused_at_mail_from",
    "dnsbl": "test_clients.py::test_a_listed_client_is_refused_with_the_name_of_the_list",
    "lists": "test_filter.py::test_a_listed_client_is_told_so_and_others_are_not",
    "auth": "test_policy.py::test_what_vouches_keeps_a_message_from_being_refused",
    "clamav": "test_version.py",
    "spamassassin": "test_vouched.py",
    "dkimsign": "test_filter.py::test_two_signatures_that_hold",
    "greylist": "test_filter.py::test_a_stranger_waits_and_is_let_in_when_it_comes_back",
    "chain": "test_build.py::test_all_members_ask_the_same_resolver_and_remember_spf_together",
}
#: By filter: how it is started, {} being a directory; what it answers to a message, where it looks at messages, and
#: what it writes into that.
SERVED: dict[str, tuple[str, str | None, bytes]] = {
    "rdns": ("-f", None, b""),
    "dyndns": ("", None, b""),
    "dnsbl": ("-b bl.example", None, b""),
    "lists": ("-c {}/lists.conf -d {}", None, b""),
    "auth": ("-f {}/reports", None, b""),
    "clamav": ("-a {}/scanner", "554 5.7.1 virus found: Test", b""),
    "spamassassin": ("-a {}/scanner -r 5", "550 5.7.1 message refused as spam", b""),
    "dkimsign": ("-d example.org -s one -k {}/key", None, b"DKIM-Signature: "),
    "greylist": ("-f {}/greylist.db", None, b""),
    "chain": ("-f {}/members", None, b"DKIM-Signature: "),
}
#: What the daemons of scanners say.
SCANNERS = {
    "clamav": b"stream: Test FOUND\0",
    "spamassassin": b"SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\nSpam: True ; 15.0 / 5.0\r\n\r\nGTUBE",
}
PLACES = re.compile(r"/(proc|sys|run/systemd|dev/shm|etc/os-release)(/|\Z)")


def named(path: Path) -> Iterator[tuple[int, str]]:
    """Line, and the module and name of whatever a source names of other modules; words that begin with / as well."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield node.lineno, module
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in names)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in modules:
                yield node.lineno, f"{modules[name]}.{attribute}"
            case ast.Call(args=[ast.Name(id=name), ast.Constant(value=str(attribute)), *_]) if name in modules:
                yield node.lineno, f"{modules[name]}.{attribute}"  # getattr and hasattr
            case ast.Constant(value=str(text)) if id(node) not in prose and text.startswith("/"):
                yield node.lineno, text


def only_on_linux(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    if name.startswith("/"):
        return PLACES.match(name) is not None
    return name == "ctypes" or (module in LINUX_ONLY and re.fullmatch(LINUX_ONLY[module], attribute) is not None)


def test_what_the_sources_name_of_linux_has_a_way_round_it() -> None:
    found = {(str(path.relative_to(ROOT)), name) for path in SOURCES for _, name in named(path) if only_on_linux(name)}
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.sched_getaffinity(0)",
        "import socket as net\nnet.SO_PEERCRED",
        "from select import epoll",
        "import signal\nhasattr(signal, 'sigtimedwait')",
        "import fcntl\nfcntl.F_OFD_SETLK",
        "import os\nos.posix_fadvise",
        "import resource\nresource.prlimit",
        "import ctypes",
        "open('/proc/self/status')",
        "x = '/sys'",
    ],
)
def test_it_would_be_seen(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(text)
    assert [name for _, name in named(tmp_path / "x.py") if only_on_linux(name)]


def elsewhere(*words: str, **environment: str) -> str:
    """What a module prints that runs where Linux is not; it must end with 0, and no warning is given."""
    command = [sys.executable, "-W", "error", "-m", "tests.support.elsewhere", *words]
    variables = {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_module_can_be_loaded_elsewhere(tmp_path: Path) -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES]
    names = [name.removeprefix("filters.").removesuffix(".__init__") for name in names]
    (tmp_path / "loading.py").write_text(
        "import sys, importlib, select\n"
        "assert sys.platform == 'openbsd7' and not hasattr(select, 'epoll')\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(len(sys.argv) - 1)\n"
    )
    assert int(elsewhere("loading", *names, PYTHONPATH=str(tmp_path))) == len(SOURCES) > 250


def test_a_session_with_each_filter_goes_as_on_linux() -> None:
    told = elsewhere("pytest", "-q", "-p", "no:cacheprovider", *(f"tests/filter_{k}/{v}" for k, v in SESSIONS.items()))
    assert re.search(r"^\d\d passed(, \d skipped)? in ", told, re.MULTILINE), told


def prepare(folder: Path) -> None:
    """What the options of `SERVED` name."""
    (folder / "black").write_text("198.51.100.7\n")
    (folder / "lists.conf").write_text(f"mine black file:{folder}/black\norder mine\n")
    write_key(folder / "key", rsa_key())
    (folder / "members").write_text(f"rdns\ndkimsign -d example.org -s one -k {folder}/key\n")


@pytest.mark.parametrize("name", SERVED)
def test_a_filter_serves_smtpd_elsewhere(name: str, tmp_path: Path) -> None:
    """And tells that it is not confined: there is no pledge here."""
    options, reply, field = SERVED[name]
    prepare(tmp_path)
    scanner = say(SCANNERS.get(name, b""))

    async def main() -> None:
        words = options.replace("{}", str(tmp_path)).split()
        async with (
            served(scanner, tmp_path / "scanner"),
            running_filter("tests.support.elsewhere", f"filter_{name}", *words) as smtpd,
        ):
            session = smtpd.connect(user="" if name == "spamassassin" else "alice")  # it spares those who log in
            assert await smtpd.envelope(session, "alice@example.org", ["bob@example.net"]) == [None]
            if "filter|smtp-in|data-line" in smtpd.registered:
                outcome = await smtpd.data(session, MAIL)
                assert outcome.reply == reply
                assert outcome.text.startswith(field)
            smtpd.end(session)
            assert "pledge" in smtpd.log

    asyncio.run(main())
