"""filterctl dkim rotate and list, against a real name server on loopback."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from filter_api.errors import ConfigError, UsageError
from filter_dkimsign import ctl
from filter_dkimsign.keytable import KeyStore, KeyTable
from filter_dkimsign.rotate import rotate
from filterctl.__main__ import main
from tests.filter_dkimsign.keyring import ed25519_key, record, rsa_key, write_key
from tests.filter_dkimsign.test_ctl import NameServer

DAY = date(2026, 11, 28)
WEEK_LATER = date(2026, 12, 5)


@pytest.fixture
def dns() -> Iterator[NameServer]:
    server = NameServer({"2026a._domainkey.example.org": record(rsa_key(1024))})
    yield server
    server.close()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    write_key(tmp_path / "a.key", rsa_key(1024))
    write_key(tmp_path / "e.key", ed25519_key(0))
    path = tmp_path / "keys"
    path.write_text(
        "# who signs\n"
        "example.org     2026a   a.key     # the old one\n"
        "*.Example.org.  2026A   a.key     rsa-sha256\n"
        "example.net     2026e   e.key\n"
    )
    path.chmod(0o640)
    return path


def run(table: Path, dns: NameServer, *options: str, today: date = DAY) -> int:
    return rotate(["-K", str(table), "-n", dns.option, *options, "example.org"], lambda: today, lambda _: None)


def published(text: str) -> bytes:
    """The record that a run printed as one string."""
    return text.partition("as one string: ")[2].partition("\n")[0].encode()


def test_a_key_is_changed_in_steps_of_which_each_can_be_made_again(
    table: Path, dns: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    new = table.parent / "example.org.20261128.key"
    before = table.read_text()
    assert run(table, dns, "-b", "1024") == 75
    told = capsys.readouterr().out
    assert told.startswith(
        f"1. made {new}\n2. publish this, and run this again:\n\n20261128._domainkey.example.org. IN TXT ("
    )
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE((table.parent / "a.key").stat().st_mode)
    assert table.read_text() == before, "nothing signs with what nobody can verify"

    assert run(table, dns) == 75
    again = capsys.readouterr().out
    assert "1. made" not in again
    assert published(again) == published(told), "the key is not made anew"

    dns.zone["20261128._domainkey.example.org"] = published(told)
    assert run(table, dns) == 0
    told = capsys.readouterr().out
    assert f"3. {table} names 20261128 now, in 2 lines\n" in told
    assert "until 2026-12-05" in told
    assert table.read_text() == (
        "# who signs\n"
        f"example.org     20261128   {new}     # the old one\n"
        f"*.Example.org.  20261128   {new}     rsa-sha256\n"
        "example.net     2026e   e.key\n"
    )
    assert stat.S_IMODE(table.stat().st_mode) == 0o640

    assert run(table, dns, today=date(2026, 12, 4)) == 0
    assert "until 2026-12-05" in capsys.readouterr().out
    assert run(table, dns, today=WEEK_LATER) == 75
    assert '2026a._domainkey.example.org. IN TXT (\n\t"v=DKIM1; p=" )' in capsys.readouterr().out
    dns.zone["2026a._domainkey.example.org"] = b"v=DKIM1; p="
    assert run(table, dns, today=WEEK_LATER) == 0
    assert f"done: {table.parent / 'a.key'} may be removed\n" in capsys.readouterr().out
    assert sorted(path.name for path in table.parent.iterdir()) == [
        "a.key", "e.key", "example.org.20261128.key", "keys",
    ]  # fmt: skip


def test_the_filter_signs_with_the_new_key_by_then(
    table: Path, dns: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    store = KeyStore(guard=False)
    now = [0.0]
    followed = KeyTable(str(table), store, clock=lambda: now[0])
    assert {entry.selector for entry in followed.current().find(b"example.org")} == {b"2026a"}
    run(table, dns, "-s", "next", "-b", "1024")
    dns.zone["next._domainkey.example.org"] = published(capsys.readouterr().out)
    assert run(table, dns) == 0
    now[0] = 10.0
    followed.current()
    now[0] = 20.0
    assert {entry.selector for entry in followed.current().find(b"example.org")} == {b"next"}


def test_a_record_that_is_gone_is_revoked_and_a_dns_that_is_silent_says_nothing(
    table: Path, dns: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    dns.zone["n._domainkey.example.org"] = None
    assert run(table, dns, "-s", "n", "-b", "1024") == 75
    told = capsys.readouterr().out
    assert "unknown n._domainkey.example.org" in told
    dns.zone["n._domainkey.example.org"] = published(told)
    dns.zone["2026a._domainkey.example.org"] = None
    assert run(table, dns, "-d", "0") == 75
    assert "DNS does not answer" in capsys.readouterr().out
    del dns.zone["2026a._domainkey.example.org"]
    assert run(table, dns, "-d", "0") == 0
    assert "the old key is gone: no key is published" in capsys.readouterr().out


def test_it_waits_for_the_dns(table: Path, dns: NameServer, capsys: pytest.CaptureFixture[str]) -> None:
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            dns.zone["n._domainkey.example.org"] = published(capsys.readouterr().out)

    command = ["-K", str(table), "-n", dns.option, "-s", "n", "-b", "1024", "-w", "60", "example.org"]
    assert rotate(command, lambda: DAY, pause) == 0
    assert waited == [10.0, 10.0]


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (["nobody.example"], ConfigError, "has no line for nobody.example"),
        ([], UsageError, "one domain"),
        (["-d", "x", "example.org"], UsageError, "-d takes days from 0 to 1000"),
        (["-o", "other", "example.org"], UsageError, "-o other: example.org signs with 2026a"),
        (["-s", "2026a", "example.org"], UsageError, "a new key needs a new one"),
        (["-s", "a b", "example.org"], UsageError, '"a b" is not a selector name'),
    ],
)
def test_what_cannot_be_changed(table: Path, arguments: list[str], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        rotate(["-K", str(table), *arguments])
    assert sorted(path.name for path in table.parent.iterdir()) == ["a.key", "e.key", "keys"]


def test_of_two_keys_one_has_to_be_named(table: Path, dns: NameServer) -> None:
    with table.open("a") as file:
        file.write("example.org 2026e e.key\n")
    with pytest.raises(UsageError, match=r"example\.org signs with 2026a and 2026e: which one is to go"):
        run(table, dns)
    assert run(table, dns, "-o", "2026e", "-s", "new") == 75
    assert (
        "ed25519" in (table.parent / "keys.rotation").read_text()
        or "2026e" in (table.parent / "keys.rotation").read_text()
    )


def test_a_line_that_somebody_changed_meanwhile(
    table: Path, dns: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    run(table, dns, "-s", "n", "-b", "1024")
    dns.zone["n._domainkey.example.org"] = published(capsys.readouterr().out)
    table.write_text("example.net 2026e e.key\n")
    with pytest.raises(ConfigError, match=r"no line for example\.org with 2026a any more; .*keys\.rotation"):
        run(table, dns)


def test_a_damaged_note_is_named(table: Path, dns: NameServer) -> None:
    (table.parent / "keys.rotation").write_text("# a note\nexample.org 2026a\n")
    with pytest.raises(ConfigError, match=r"keys\.rotation:2: a line is"):
        run(table, dns)


def test_list_tells_what_the_filters_of_a_configuration_sign_with(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = tmp_path / "members"
    members.write_text(f"rdns\ndkimsign -d example.com -s s1 -k {tmp_path}/a.key\n")
    conf = tmp_path / "smtpd.conf"
    conf.write_text(
        f'filter "sign" proc-exec "filter-dkimsign -K {table}"\n'
        f'filter "all" proc-exec "filter-chain -f {members}"\n'
        'filter "other" proc-exec "filter-rdns -f"\n'
        "listen on lo0 filter all\n"
    )
    assert main(["dkim", "list", "-f", str(conf)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    bits = str(rsa_key(1024).key_size)
    assert rows == [
        ["FILTER", "DOMAIN", "SELECTOR", "KEY", "FILE"],
        ["sign", "example.org", "2026a", "rsa", bits, f"{tmp_path}/a.key"],
        ["sign", "*.example.org", "2026a", "rsa", bits, f"{tmp_path}/a.key"],
        ["sign", "example.net", "2026e", "ed25519", "256", f"{tmp_path}/e.key"],
        ["all", "example.com", "s1", "rsa", bits, f"{tmp_path}/a.key"],
    ]
    conf.write_text('filter "other" proc-exec "filter-rdns -f"\n')
    assert main(["dkim", "list", "-f", str(conf)]) == 1
    assert "nothing signs" in capsys.readouterr().out


def test_keygen_says_what_to_do_with_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "k"
    assert ctl.run(["keygen", "-d", "example.org", "-s", "s", "-a", "ed25519", str(path)]) == 0
    told = capsys.readouterr()
    assert f"chgrp _dkimsign {path} && chmod 0640 {path}\n" in told.err
    one = told.err.partition("as one string, for a form: ")[2].partition("\n")[0]
    assert one.startswith("v=DKIM1; k=ed25519; p=")
    assert f'"{one}"' in told.out
    assert os.stat(path).st_mode & 0o777 == 0o600
