"""The command line: what it means, and how it complains."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api import ConfigError, UsageError
from filter_greylist.filter import build
from filter_greylist.options import parse, parse_bounds, parse_prefixes, parse_timers
from filter_greylist.rules.records import Timers
from filter_greylist.store.base import Bounds
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.target import DEFAULT_FALLBACK, parse_target


def test_defaults_are_spamds() -> None:
    own, _ = parse([])
    assert own.timers == Timers(1500, 14400, 864 * 3600)
    assert own.prefixes == (24, 64)
    assert own.trapped_code == 450


def test_what_the_options_say_is_taken(tmp_path: Path) -> None:
    own, common = parse(["-5oux", "-G", "5:24:864", "-k", "32:56", "-s", "3", "-M", "192.0.2.2", "-n"])
    assert own.timers == Timers(300, 86400, 864 * 3600)
    assert own.prefixes == (32, 56)
    assert (own.trapped_code, own.learn, own.suspicious_only, own.header, own.tarpit) == (550, True, True, True, 3.0)
    assert str(own.low_mx) == "192.0.2.2"
    assert common.observe


@pytest.mark.parametrize(
    ("options", "phases", "outgoing"),
    [
        ([], False, False),
        (["-x"], True, False),
        (["-o"], False, True),
        (["-o", "-x"], True, True),
    ],
)
def test_only_what_is_needed_is_registered(tmp_path: Path, options: list[str], phases: bool, outgoing: bool) -> None:
    made = build(["-f", str(tmp_path / "x.db"), *options])
    assert ("data-line" in made.wanted().phases) is phases
    assert (("smtp-out", "tx-commit") in made.wanted().reports) is outgoing


@pytest.mark.parametrize(
    "value", ["", "25", "25:4", "a:4:864", "25:4:864:1", "-1:4:864", "240:4:864", "25:864:4", "1:2:99999"]
)
def test_a_bad_g_names_itself(value: str) -> None:
    with pytest.raises(UsageError, match=r"^-G "):
        parse_timers(value)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        ("500:100000:20000", Bounds(500, 100_000, 20_000, 500_000)),
        ("500:100000:20000:50000", Bounds(500, 100_000, 20_000, 50_000)),
        ("1:1:1:1", Bounds(1, 1, 1, 1)),
    ],
)
def test_bounds_may_leave_out_the_last(value: str, bounds: Bounds) -> None:
    assert parse_bounds(value) == bounds


@pytest.mark.parametrize(
    "value", ["", "1", "1:2", "1:2:3:4:5", "0:1:1", "1:1:1:0", "1:1:x", "1:1:1:", "1:1:9999999999"]
)
def test_a_bad_b_names_itself(value: str) -> None:
    with pytest.raises(UsageError, match=r"^-b "):
        parse_bounds(value)


@pytest.mark.parametrize("value", ["", "24", "33:64", "24:129", "0:64", "24:0", "x:y"])
def test_a_bad_k_names_itself(value: str) -> None:
    with pytest.raises(UsageError, match=r"^-k "):
        parse_prefixes(value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-y", "bge0"], r"^-y is spamd's: hosts share one store.*docs/migrating\.md"),
        (["-Y", "mx2.example"], r"^-Y is spamd's: .*docs/migrating\.md"),
        (["-4"], r"^-4 is spamd's: .*docs/migrating\.md"),
        (["-S", "90"], r"^-S is spamd's: .*docs/migrating\.md"),
        (["-o", "-hmx.example"], r"^-h is spamd's: .*docs/migrating\.md"),
        (["-C", "/etc/ssl/mx.crt"], r"^-C is spamd's: .*docs/migrating\.md"),
        (["-n", "Sendmail 8.11"], r"^-n takes no name, .*docs/migrating\.md"),
        (["-w"], r"-w: .*docs/migrating\.md"),
        (["-o", "-w", "1", "-x"], r"-w: .*docs/migrating\.md"),
        (["-w1"], r"-w: .*docs/migrating\.md"),
        (["-ow"], r"-w: .*docs/migrating\.md"),
        (["-M", "nonsense"], "-M nonsense"),
        (["-M", "0.0.0.0"], r"-M 0\.0\.0\.0: the address of one listener"),
        (["-M", "::"], "-M ::"),
        (["-s", "9"], "-s takes seconds"),
        (["-s", "0"], "-s takes seconds"),
    ],
)
def test_bad_usage_names_itself(arguments: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse(arguments)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("relative.db", "-f relative.db: not an absolute path"),
        ("mysql://host/db", "-f mysql://host/db: not a URL"),
        ("redis://", "-f redis://: not a URL"),
        ("redis://host:port/0", "'port' is no number"),
        ("redis://[::1", "is no .address.:port"),
        ("redis://[::1]6379", "is no .address.:port"),
        ("redis://host/0/1", "the path is"),
        ("redis://host/0?pool=9", "unknown option 'pool'"),
        ("redis+sentinel://a,b", "the path is /name/db"),
        ("redis+sentinel://a,,b/mx", "a host is missing"),
        ("redis://user:secret@host/0", "no password in the command line"),
        ("redis+sentinel://host/mx?sentinel_password=secret", "no password in the command line"),
        ("file:/nonexistent/secret", "-f file:/nonexistent/secret: "),
    ],
)
def test_a_bad_store_names_itself_and_never_its_password(value: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        parse(["-f", value])
    assert "secret@" not in str(caught.value)
    assert "=secret" not in str(caught.value)


def test_the_password_comes_from_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("rediss://mx:s%40cret@redis.example.org:7000/2?prefix=mx:\n")
    secret.chmod(0o604)
    with pytest.raises(ConfigError, match="others may read"):
        parse_spec(f"file:{secret}")
    secret.chmod(0o620)
    with pytest.raises(ConfigError, match="others may read or change"):
        parse_spec(f"file:{secret}")
    secret.chmod(0o640)
    spec = parse_spec(f"file:{secret}")
    target = parse_target(spec)
    assert target.hosts == (("redis.example.org", 7000),)
    assert (target.username, target.password, target.db, target.tls) == ("mx", "s@cret", 2, True)
    assert target.prefix == b"mx:"
    assert target.fallback == DEFAULT_FALLBACK
    assert "cret" not in spec.shown
    link = tmp_path / "link"
    link.symlink_to(secret)
    with pytest.raises(ConfigError, match="link"):
        parse_spec(f"file:{link}")


def test_sentinels_and_ipv6_hosts() -> None:
    target = parse_target(parse_spec("redis+sentinel://a,b:7001,[2001:db8::1]:7002/mx/3?fallback=/tmp/x.db"))
    assert target.hosts == (("a", 26379), ("b", 7001), ("2001:db8::1", 7002))
    assert (target.master, target.db, target.fallback) == ("mx", 3, "/tmp/x.db")


def test_lists_are_read_at_start(tmp_path: Path) -> None:
    bad = tmp_path / "list"
    bad.write_text("fine.example\nnot a domain\n")
    for option in ("-a", "-c", "-t"):
        with pytest.raises(ConfigError, match=f"{bad}:2: "):
            parse([option, str(bad)])
    bad.write_text("# nothing\n")
    with pytest.raises(ConfigError, match="no domain in it"):
        parse(["-a", str(bad)])


def test_a_store_that_cannot_be_there_is_told_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no directory"):
        build(["-f", str(tmp_path / "missing" / "x.db")])


def test_a_redis_that_cannot_be_reached_by_any_means_is_told_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"rediss://127.0.0.1:1/0?fallback={tmp_path / 'x.db'}"
    with pytest.raises(ConfigError, match=r"missing\.pem cannot be read"):
        build(["-f", url + "&ca=/missing.pem"])
    with pytest.raises(ConfigError, match="/missing is no directory"):
        build(["-f", "redis://127.0.0.1:1/0?fallback=/missing/x.db"])
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"install python3-redis, .*opensmtpd-filters\[redis\]"):
        build(["-f", url])
