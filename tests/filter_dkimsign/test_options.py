"""The command line, through the program itself: what is refused, with which words, before smtpd is told anything."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import cryptography
import pytest

from filter_api.dkim.signature import DEFAULT_NAMES, OVERSIGNED
from filter_api.errors import UsageError
from filter_dkimsign.filter import DkimSign, build
from filter_dkimsign.keytable import Entry
from filter_dkimsign.policy import choose_entries
from tests.filter_dkimsign.keyring import ed25519_key, rsa_key, write_key
from tests.filter_dkimsign.support import one_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_key(tmp_path / "rsa", rsa_key())
    write_key(tmp_path / "ed", ed25519_key())
    (tmp_path / "bad").write_text("example.org s rsa\nexample.net s\n")
    (tmp_path / "users").write_text("alice\n")
    return tmp_path


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "filter_dkimsign", *arguments],
        input="config|ready\n",
        capture_output=True,
        text=True,
        timeout=30,
        cwd=folder,
    )


GOOD = ("-d", "example.org", "-s", "s", "-k", "rsa")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "-s and -k and -d is missing"),
        (("-d", "example.org", "-k", "rsa"), "-s is missing"),
        (("-K", "bad", "-s", "s"), "-k and -d is missing"),
        (("-s", "s", "-k", "rsa"), "-d is missing"),
        ((*GOOD, "-A"), "option -A requires argument"),
        ((*GOOD, "-S"), "-S is reserved: ARC seals are made for the recipients of -A file"),
        ((*GOOD, "-a", "dsa-sha256"), '-a: "dsa-sha256" is not an algorithm'),
        ((*GOOD, "-c", "strict"), "-c takes simple or relaxed"),
        ((*GOOD, "-c", "relaxed/"), "-c takes simple or relaxed"),
        ((*GOOD, "-h", "to:subject"), "-h must hold from"),
        ((*GOOD, "-h", "from::to"), "is none"),
        ((*GOOD, "-x", "0"), "-x takes a number of seconds"),
        ((*GOOD, "-x", "9" * 30), "-x takes a number of seconds"),
        ((*GOOD, "-q"), "option -q not recognized"),
        ((*GOOD, "extra"), "unexpected argument"),
    ],
)
def test_usage_errors(folder: Path, arguments: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint.replace("(", r"\(")):
        build(list(arguments))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("-K", "bad"), "bad:2: a line is: domain selector keyfile [algorithm]"),
        (("-K", "none"), "none: No such file or directory"),
        ((*GOOD, "-k", "none"), "none: No such file or directory"),
        ((*GOOD, "-a", "ed25519-sha256"), "rsa: the key makes rsa-sha256, not ed25519-sha256"),
        ((*GOOD, "-d", f"{'x.' * 120}{'y' * 20}.org"), "bytes, a name in DNS at most 253"),
        ((*GOOD, "-m", "users"), 'users:1: "alice" has no domain'),
        ((*GOOD, "-D", "none"), "none: No such file or directory"),
        ((*GOOD, "-S"), "usage: filter-dkimsign [-otuz]"),
        ((*GOOD, "-A", "none"), "none: No such file or directory"),
    ],
)
def test_the_program_refuses_before_registering(folder: Path, arguments: tuple[str, ...], complaint: str) -> None:
    done = start(folder, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_the_program_registers(folder: Path) -> None:
    done = start(folder, *GOOD)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("register|filter|smtp-in|data-line\nregister|filter|smtp-in|commit\nregister|ready\n")
    assert "link-greeting" in done.stdout


def test_defaults(folder: Path) -> None:
    filter_ = one_key(folder)
    assert (filter_.layout.header_form, filter_.layout.body_form) == ("relaxed", "relaxed")
    assert filter_.layout.names == DEFAULT_NAMES
    assert filter_.layout.oversigned == OVERSIGNED
    assert not filter_.layout.timestamp
    assert not filter_.layout.lifetime
    assert not filter_.rules.sign_unknown
    assert set(DEFAULT_NAMES) >= OVERSIGNED


def test_a_lone_form_is_the_headers(folder: Path) -> None:
    filter_ = one_key(folder, "-c", "relaxed")
    assert (filter_.layout.header_form, filter_.layout.body_form) == ("relaxed", "simple")


def test_a_table_and_a_shared_key_together(folder: Path) -> None:
    (folder / "keys").write_text("sub.example.org t rsa\nexample.net t ed\n")
    filter_ = build(["-d", "example.org", "-s", "s", "-k", str(folder / "ed"), "-K", str(folder / "keys")])
    chosen = {
        name: [entry.record_name for entry in _choose(filter_, name)]
        for name in (b"example.org", b"a.example.org", b"sub.example.org", b"a.sub.example.org", b"example.net")
    }
    assert chosen == {
        b"example.org": ["s._domainkey.example.org"],
        b"a.example.org": ["s._domainkey.example.org"],
        b"sub.example.org": ["t._domainkey.sub.example.org"],
        b"a.sub.example.org": ["t._domainkey.sub.example.org"],
        b"example.net": ["t._domainkey.example.net"],
    }


def _choose(filter_: DkimSign, name: bytes) -> tuple[Entry, ...]:
    return choose_entries(filter_.rules.sources(), name, sign_unknown=False)


def test_ten_thousand_domains_start_quickly(folder: Path) -> None:
    """One key file each. The figure itself, one second, is measured on a quiet machine by bench/dkimsign.py.

    OpenSSL 3.0, which cryptography 38 has, takes a third of a millisecond to read a key, others a twentieth of
    that. Proofs that the numbers are primes would take minutes with any.
    """
    pem = (folder / "rsa").read_bytes()
    (folder / "many").mkdir()
    with (folder / "table").open("w") as table:
        for number in range(10_000):
            path = folder / "many" / f"{number}.pem"
            path.write_bytes(pem)
            path.chmod(0o600)
            table.write(f"d{number}.example s many/{number}.pem\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = start(folder, "-K", "table")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    most = 10.0 if cryptography.__version__.startswith("38.") else 2.0
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < most
