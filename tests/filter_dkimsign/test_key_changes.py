"""Keys and tables that change while the filter runs: what is tried again, what is told, what stays in use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from filter_api.testing.player import Player
from filter_dkimsign.filter import DkimSign, build
from filter_dkimsign.keytable import KeyStore, KeyTable
from tests.filter_dkimsign.keyring import ed25519_key, rsa_key, write_key
from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import MAIL, ZONE, one_key, signatures, submit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1.5
        return self.now


Break = Callable[[Path], None]


def remove(path: Path) -> None:
    path.unlink()


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def spoil(path: Path) -> None:
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")


def another_kind(path: Path) -> None:
    write_key(path, rsa_key())


@pytest.mark.parametrize("broken", [remove, open_to_all, spoil, another_kind])
def test_a_table_whose_new_key_becomes_usable_later_is_used_without_being_touched(
    tmp_path: Path, broken: Break, caplog: pytest.LogCaptureFixture
) -> None:
    write_key(tmp_path / "old.pem", rsa_key())
    table = tmp_path / "keys"
    table.write_text("example.org old old.pem\n")
    os.utime(table, ns=(1, 1))
    keys = KeyTable(str(table), KeyStore(), clock=Clock())
    write_key(tmp_path / "new.pem", ed25519_key())
    broken(tmp_path / "new.pem")
    table.write_text("example.org new new.pem ed25519-sha256\nexample.net new new.pem ed25519-sha256\n")
    os.utime(table, ns=(2, 2))
    for _ in range(5):
        assert [entry.selector for entry in keys.current()] == [b"old"]
    assert sum("keys:1: " in line for line in caplog.messages) == 1
    write_key(tmp_path / "new.pem", ed25519_key())
    assert [entry.selector for entry in keys.current()] == [b"new", b"new"]
    assert [entry.selector for entry in keys.current()] == [b"new", b"new"]


def test_several_keys_that_come_one_after_the_other(tmp_path: Path) -> None:
    write_key(tmp_path / "old.pem", rsa_key())
    table = tmp_path / "keys"
    table.write_text("example.org old old.pem\n")
    os.utime(table, ns=(1, 1))
    store = KeyStore()
    keys = KeyTable(str(table), store, clock=Clock())
    table.write_text("example.org a a.pem\nexample.org b b.pem\n")
    os.utime(table, ns=(2, 2))
    assert [entry.selector for entry in keys.current()] == [b"old"]
    write_key(tmp_path / "a.pem", ed25519_key())
    keys.current()
    assert [entry.selector for entry in keys.current()] == [b"old"]
    write_key(tmp_path / "b.pem", ed25519_key(1))
    keys.current()
    assert [entry.selector for entry in keys.current()] == [b"a", b"b"]
    assert {Path(key.path).name for key in store} == {"a.pem", "b.pem"}


def test_a_table_that_was_mended_by_taking_the_bad_key_out_is_used(tmp_path: Path) -> None:
    write_key(tmp_path / "old.pem", rsa_key())
    table = tmp_path / "keys"
    table.write_text("example.org old old.pem\n")
    os.utime(table, ns=(1, 1))
    keys = KeyTable(str(table), KeyStore(), clock=Clock())
    table.write_text("example.org a a.pem\n")
    os.utime(table, ns=(2, 2))
    keys.current()
    table.write_text("example.org third old.pem\n")
    os.utime(table, ns=(3, 3))
    assert [entry.selector for entry in keys.current()] == [b"third"]


def test_a_key_of_the_command_line_made_unreadable_and_readable_again(tmp_path: Path) -> None:
    clock = Clock()
    write_key(tmp_path / "key.pem", ed25519_key())
    store = KeyStore(clock=clock)
    key = store.get(str(tmp_path / "key.pem"), None)
    before = key.current()
    write_key(tmp_path / "key.pem", ed25519_key(1))
    (tmp_path / "key.pem").chmod(0o666)
    assert key.current() is before
    assert "mode 0666" in key.complaint
    (tmp_path / "key.pem").chmod(0o600)
    assert key.current().public_data() != before.public_data()
    assert key.complaint == ""
    assert "the key is good again" in store.news[-1]


def test_the_filter_tells_what_it_signs_with(tmp_path: Path) -> None:
    filter_ = one_key(tmp_path)
    with Player(filter_) as smtpd:
        assert any(
            "key domain=example.org selector=rsa algorithm=rsa-sha256 bits=2048" in line and "rsa.pem" in line
            for line in smtpd.log
        ), list(smtpd.log)
        [used] = filter_.in_use()
        assert (used.domain, used.selector, used.bits, used.problem) == (b"example.org", b"rsa", 2048, "")


def test_a_change_of_the_table_is_told_with_selector_and_domain(tmp_path: Path) -> None:
    write_key(tmp_path / "rsa.pem", rsa_key())
    write_key(tmp_path / "ed.pem", ed25519_key())
    table = tmp_path / "keys"
    table.write_text("example.org rsa rsa.pem\n")
    os.utime(table, ns=(1, 1))
    filter_: DkimSign = build(["-K", str(table)])
    source = filter_.rules.sources
    with Player(filter_) as smtpd:
        assert [tags[b"s"] for tags in signatures(submit(smtpd, MAIL))] == [b"rsa"]
        table.write_text("example.org ed ed.pem\n")
        os.utime(table, ns=(2, 2))
        for table_ in [cell.cell_contents for cell in source.__closure__ or ()]:
            for one in table_:
                one._file._next_look = 0.0  # what a second's wait would do
        text = submit(smtpd, MAIL)
        assert both(text, ZONE) == [True]
        assert [tags[b"s"] for tags in signatures(text)] == [b"ed"]
        told = list(smtpd.log)
        assert any("signs as ed._domainkey.example.org with" in line for line in told), told
        assert any("signs no more as rsa._domainkey.example.org" in line for line in told), told


@pytest.mark.parametrize("order", [("-d", "-K"), ("-K", "-d")])
@pytest.mark.parametrize("weak", ["key", "table", "both"])
def test_a_weak_key_is_warned_of_wherever_it_is_given(tmp_path: Path, order: tuple[str, str], weak: str) -> None:
    one = write_key(tmp_path / "one.pem", rsa_key(1024 if weak != "table" else 2048))
    write_key(tmp_path / "two.pem", rsa_key(1024, 5) if weak != "key" else rsa_key(2048, 5))
    (tmp_path / "keys").write_text("example.net b two.pem\n")
    given = {"-d": ["-d", "example.org", "-s", "a", "-k", one], "-K": ["-K", str(tmp_path / "keys")]}
    with Player(build([*given[order[0]], *given[order[1]]])) as smtpd:
        warned = [line for line in smtpd.log if "1024 bits only" in line]
    assert any("one.pem" in line for line in warned) == (weak != "table")
    assert any("two.pem" in line for line in warned) == (weak != "key")


def test_a_key_that_table_and_command_line_share_is_loaded_once(tmp_path: Path) -> None:
    key = write_key(tmp_path / "one.pem", rsa_key(1024))
    (tmp_path / "keys").write_text("example.net b one.pem\n")
    filter_ = build(["-d", "example.org", "-s", "a", "-k", key, "-K", str(tmp_path / "keys")])
    first, second = (entry.key for source in filter_.rules.sources() for entry in source)
    assert first is second
    with Player(filter_) as smtpd:
        assert sum("1024 bits only" in line for line in smtpd.log) == 1
