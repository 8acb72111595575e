"""What each filter of the suite needs, by its options, as docs/security.md tells it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from filter_api.confinement.needs import Needs
from filter_api.files import followed
from tests.filter_dkimsign.keyring import pem, rsa_key

DNS = Needs(dns=True)


def needs(name: str, words: Sequence[str]) -> Needs:
    found = importlib.import_module(f"filter_{name}.filter").build(words).needs()
    assert isinstance(found, Needs)
    return found


def port(number: int) -> Needs:
    return Needs(ports=frozenset({number}))


def kept(folder: str) -> Needs:
    return Needs(keeps=frozenset({folder}))


@pytest.mark.parametrize(
    ("name", "words", "wanted"),
    [
        ("rdns", "-f -H -S", DNS),
        ("dyndns", "", DNS),
        ("dnsbl", "-b bl.example", DNS),
        ("auth", "", DNS),
        ("auth", "-f {tmp}/kept/store", DNS | kept("{tmp}/kept")),
        ("clamav", "", port(3310)),
        ("clamav", "-a /run/clamd.sock", Needs(sockets=frozenset({"/run/clamd.sock"}))),
        ("clamav", "-a [2001:db8::1]:3311 -a 192.0.2.1 -W {tmp}/exempt", port(3310) | port(3311) | DNS),
        ("clamav", "-a scanner.example.org:3312", port(3312) | Needs(names=True)),
        ("spamassassin", "", port(783)),
        ("spamassassin", "-q {tmp}/kept", port(783) | kept("{tmp}/kept")),
        ("greylist", "-f {tmp}/kept/greylist.db", DNS | kept("{tmp}/kept")),
        (
            "greylist",
            "-f redis://store.example?fallback={tmp}/kept/fallback.db",
            DNS | port(6379) | Needs(names=True) | kept("{tmp}/kept"),
        ),
        (
            "greylist",
            "-f rediss+sentinel://one.example,two.example:26380/mail?ca=/etc/passwd&fallback={tmp}/kept/fallback.db",
            DNS
            | port(26379)
            | port(26380)
            | Needs(names=True, any_port=True, trees=frozenset({"/etc/passwd"}))
            | kept("{tmp}/kept"),
        ),
        ("lists", "-c {tmp}/lists.conf -d /var/lib/lists", Needs(trees=frozenset({"/var/lib/lists"}))),
        ("dkimsign", "-d example.org -s one -k {tmp}/key", Needs()),
    ],
)
def test_needs_follow_the_options(name: str, words: str, wanted: Needs, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o700)
    (tmp_path / "exempt").write_text("192.0.2.1\n")
    (tmp_path / "black").write_text("192.0.2.2\n")
    (tmp_path / "lists.conf").write_text(f"mine black file:{tmp_path}/black\norder mine\n")
    (tmp_path / "key").write_bytes(pem(rsa_key()))
    (tmp_path / "key").chmod(0o600)
    keeps = frozenset(each.replace("{tmp}", str(tmp_path)) for each in wanted.keeps)
    assert needs(name, words.replace("{tmp}", str(tmp_path)).split()) == wanted._replace(keeps=keeps)


def test_files_of_all_kinds_are_followed(tmp_path: Path) -> None:
    """A table, lists and their texts, a compiled list that is not there yet, and the keys that a table names."""
    (tmp_path / "exempt").write_text("192.0.2.1\n")
    (tmp_path / "networks").write_text("192.0.2.1\n")
    (tmp_path / "black").write_text("192.0.2.2\n")
    (tmp_path / "lists.conf").write_text(
        f"mine black file:{tmp_path}/black\ntheirs black https://lists.example/one\norder mine theirs\n"
    )
    (tmp_path / "key").write_bytes(pem(rsa_key()))
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "keys").write_text("example.org one key\n")
    made = [
        importlib.import_module(f"filter_{name}.filter").build(words)
        for name, words in (
            ("lists", ["-c", f"{tmp_path}/lists.conf", "-d", f"{tmp_path}/compiled", "-W", f"{tmp_path}/exempt"]),
            ("dkimsign", ["-K", f"{tmp_path}/keys", "-N", f"{tmp_path}/networks"]),
        )
    ]
    wanted = {"exempt", "networks", "black", "lists.conf", "key", "keys", "compiled/theirs.ranges"}
    assert {f"{tmp_path}/{name}" for name in wanted} <= followed.paths()
    assert len(made) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_filter_that_is_built_and_played_confines_nobody() -> None:
    """filterctl explains with filters it builds, and tests play them: only a filter that serves smtpd is confined."""
    code = """
import contextlib, sys
from filter_api.testing import Player
from filter_rdns.filter import build
from filterctl.__main__ import run
with Player(build([])) as smtpd:
    smtpd.connect()
sys.argv = ["filterctl", "explain", "dyndns", "host-192-0-2-1.example.net", "192.0.2.1"]
with contextlib.suppress(SystemExit):
    run()
print(open("/proc/self/status").read())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "host-192-0-2-1" in done.stdout
    assert "\nNoNewPrivs:\t0\n" in done.stdout
    assert "\nSeccomp:\t0\n" in done.stdout
