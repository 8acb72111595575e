"""filterctl greylist, on SQLite and on a real Redis, and as root beside a filter of another user."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filter_api.net.dns import Resolver
from filter_api.testing import FakeZone
from filter_greylist.deciding.upkeep import BEAT, SETTINGS
from filter_greylist.rules.key import Prefixes, details_of, group_of, network_name, tuple_for
from filter_greylist.rules.records import FOREVER, Kind, Life, Record
from filter_greylist.store.base import Store
from filter_greylist.store.opening import open_spec
from filter_greylist.store.spec import parse_spec
from filter_greylist.tool import explain
from filterctl.__main__ import main
from tests.filter_greylist.servers import RedisServer
from tests.filter_greylist.smtp import Smtpd
from tests.support.directories import open_directory

HERE = Path(__file__).parent
NOW = int(time.time())


@pytest.fixture(autouse=True)
def _now() -> None:
    """Count from the start of each test: a whole run may have collected this file minutes ago."""
    global NOW
    NOW = int(time.time())


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.daemon)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What -f is given."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return server.url(f"ctl-{tmp_path.name}-{os.getpid()}", tmp_path / "fallback.db")
    work(path := str(tmp_path / "greylist.db"), lambda store: store.note("made", b"1"))
    return path


def work(where: str, what: Callable[[Store], object]) -> None:
    """Do something with the store as a filter would."""

    async def inside() -> None:
        store = open_spec(parse_spec(where), print, alone=True)
        await store.open()
        await what(store)  # type: ignore[misc]  # an awaitable of the store
        await store.close()

    asyncio.run(inside())


def waiting(address: str = "192.0.2.1", sender: bytes = b"them@example.net", passes: int = 600) -> Record:
    from ipaddress import ip_address

    client = ip_address(address)
    network = network_name(client, Prefixes())
    details = details_of(group_of(network), client, b"mx.example.net", sender, b"us@example.org")
    one = tuple_for(network, sender, b"us@example.org", details)
    return Record(Kind.GREY, one.key, Life(NOW - 900, NOW + passes, NOW + 9000, 1, 0), details)


def ctl(where: str, *arguments: str) -> int:
    return main(["greylist", "-f", where, *arguments])


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_it_lists_what_holds(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    records = [
        waiting(),
        Record(Kind.WHITE, b"192.0.2.9", Life(NOW, NOW, NOW + 99, 0, 1)),
        Record(Kind.WHITE, b"192.0.2.8", Life(NOW - 99, NOW - 99, NOW, 0, 1)),
        Record(Kind.DOMAIN, b"one.example", Life(NOW, NOW, NOW + 99, 0, 1)),
        Record(Kind.DOMAIN, b"two.example", Life(NOW, NOW, NOW + 99, 0, 2)),
    ]
    work(where, lambda store: store.put(records))
    assert ctl(where) == 0
    assert lines(capsys) == [
        f"GREY|192.0.2.1|mx.example.net|<them@example.net>|<us@example.org>|{NOW - 900}|{NOW + 600}|{NOW + 9000}|1|0",
        f"WHITE|192.0.2.9|||{NOW}|{NOW}|{NOW + 99}|0|1",
        f"DOMAIN|two.example|{NOW}|{NOW}|{NOW + 99}|0|2",
    ]
    assert ctl(where, "-H") == 0
    table = lines(capsys)
    assert table[0].startswith("KIND     CLIENT")
    assert "passes in 9 minutes" in table[1] or "passes in 10 minutes" in table[1]


def test_entries_are_added_and_deleted(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    work(where, lambda store: store.note(SETTINGS, b"-G 5:24:100 -k 24:64"))
    assert ctl(where, "-a", "192.0.2.1", "2001:db8::7", "example.net") == 0
    assert ctl(where, "-a", "-t", "192.0.2.2") == 0
    assert ctl(where, "-aT", "Trap@Example.org") == 0
    found = lines_of_listing(where, capsys)
    assert [line.split("|")[:2] for line in found] == [
        ["WHITE", "192.0.2.1"],
        ["WHITE", "2001:db8::/64"],
        ["TRAPPED", "192.0.2.2"],
        ["SPAMTRAP", "trap@example.org"],
        ["DOMAIN", "example.net"],
    ]
    assert 0 <= int(found[0].split("|")[6]) - NOW - 100 * 3600 < 60, "white as long as the filter's -G says"
    assert 0 <= int(found[2].split("|")[2]) - NOW - 86400 < 60
    assert ctl(where, "-d", "192.0.2.1", "2001:db8::/64", "example.net") == 0
    assert ctl(where, "-dt", "192.0.2.2") == 0
    assert ctl(where, "-dT", "trap@example.org") == 0
    assert lines_of_listing(where, capsys) == []
    assert ctl(where, "-d", "192.0.2.1") == 1
    assert "192.0.2.1: no such entry" in capsys.readouterr().err


def lines_of_listing(where: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert ctl(where) == 0
    return sorted(
        lines(capsys),
        key=lambda line: (["GREY", "WHITE", "TRAPPED", "SPAMTRAP", "DOMAIN", "PAIR"].index(line.split("|")[0]), line),
    )


def test_what_a_terminal_cannot_show_is_taken_as_bytes_or_as_the_listing_has_it(
    where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word of the command line that is no UTF-8 comes as surrogates."""
    for typed in (os.fsdecode(b"tr\xe4p@example.org"), r"tr\xe4p@example.org"):
        assert ctl(where, "-a", "-T", typed) == 0
        assert lines_of_listing(where, capsys) == [r"SPAMTRAP|tr\xe4p@example.org"]
        assert ctl(where, "explain", "192.0.2.1", "<>", typed, os.fsdecode(b"\xff")) == 1
        assert "spamtrap, for ever" in capsys.readouterr().out
        assert ctl(where, "-d", "-T", typed) == 0


def test_to_make_white_is_to_free_from_a_trap(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    ctl(where, "-at", "192.0.2.1")
    ctl(where, "-a", "192.0.2.1")
    assert [line.split("|")[0] for line in lines_of_listing(where, capsys)] == ["WHITE"]


def test_waiting_mail_is_let_pass_or_forgotten(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    others = [waiting("192.0.2.1", b"a@b.example"), waiting("192.0.2.2", b"c@d.example")]
    work(where, lambda store: store.put(others))
    assert ctl(where, "-aG", "192.0.2.1") == 0
    first, second = sorted(lines_of_listing(where, capsys))
    assert int(first.split("|")[6]) <= time.time() < int(second.split("|")[6])
    assert ctl(where, "-dG", "192.0.2.1") == 0
    assert lines_of_listing(where, capsys) == [second]
    assert ctl(where, "-dG", "192.0.2.1") == 1


def test_a_listing_of_spamdb_is_imported(where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing = tmp_path / "spamdb.txt"
    listing.write_text(
        f"WHITE|192.0.2.1|||{NOW - 10}|{NOW - 5}|{NOW + 900}|1|7\n"
        f"WHITE|192.0.2.2|||{NOW - 10}|{NOW - 5}|{NOW - 1}|1|7\n"
        f"GREY|192.0.2.3|mx|<a@b.example>|<c@d.example>|{NOW - 10}|{NOW + 5}|{NOW + 900}|1|0\n"
        "SPAMTRAP|trap@example.org\n"
        "nonsense\n"
        f"TRAPPED|192.0.2.4|{NOW + 60}\n"
    )
    assert ctl(where, "import", str(listing)) == 1
    told = capsys.readouterr()
    assert told.out == "4 entries imported, 1 left out: expired, 1 left out: not to be read\n"
    assert f"{listing}:5: no such kind of entry: nonsense" in told.err
    before = lines_of_listing(where, capsys)
    assert len(before) == 4
    assert f"WHITE|192.0.2.1|||{NOW - 10}|{NOW - 5}|{NOW + 900}|1|7" in before
    ctl(where, "import", str(listing))
    assert lines_of_listing(where, capsys) == before, "importing twice changes nothing"
    assert ctl(where, "import", str(tmp_path / "missing")) == 1


def test_addresses_are_exported_for_pf(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    ctl(where, "-a", "192.0.2.1", "2001:db8::7", "example.net")
    ctl(where, "-at", "192.0.2.2")
    assert ctl(where, "export") == 0
    assert sorted(lines(capsys)) == ["192.0.2.1", "2001:db8::/64"]
    assert ctl(where, "export", "trapped") == 0
    assert lines(capsys) == ["192.0.2.2"]
    assert ctl(where, "export", "grey") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["-a"],
        ["-a", "-d", "x"],
        ["-GT", "-a", "x"],
        ["-t"],
        ["-a", "no domain"],
        ["-aT", ""],
        ["-aT", "x"],
        ["-aT", "@example.org"],
        ["-at", "x"],
        ["-z"],
        ["what"],
    ],
)
def test_bad_usage_is_told(tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "greylist.db")
    work(path, lambda store: store.note("made", b"1"))
    assert ctl(path, *arguments) == 1
    assert "usage: filterctl greylist" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["-H"], ["export"], ["-d", "192.0.2.1"], ["-dT", "a@b.example"], ["-aG", "192.0.2.1"]]
)
def test_a_greylist_that_is_not_there_is_not_made_for_looking(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "greylist.db"
    assert ctl(str(path), *arguments) == 1
    assert "no greylist is there" in capsys.readouterr().err
    assert not path.exists()


@pytest.fixture
def of_the_filter(tmp_path: Path) -> Iterator[Path]:
    """A directory as a package makes it, owned by the user of the filter."""
    with open_directory() as top:
        path = top / "greylist"
        path.mkdir(mode=0o700)
        os.chown(path, 12345, 12346)
        yield path


def as_root(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The tool in a process of its own: it gives up its rights for good."""
    command = [sys.executable, "-m", "filterctl", "greylist", "-f", str(path / "greylist.db"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize(
    "arguments",
    [
        ["-a", "192.0.2.1"],
        ["-aT", "trap@example.org"],
        ["-at", "192.0.2.2"],
        ["-a", "partner.example"],
        ["import", "LIST"],
    ],
)
def test_what_is_added_before_the_first_start_is_there_and_belongs_to_the_filter(
    of_the_filter: Path, tmp_path: Path, arguments: list[str]
) -> None:
    listing = tmp_path / "listing"
    listing.write_text(f"WHITE|192.0.2.9|||{NOW}|{NOW}|{NOW + 900}|1|7\n")
    done = as_root(of_the_filter, *(str(listing) if word == "LIST" else word for word in arguments))
    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in of_the_filter.iterdir()} == {12345}
    assert len(as_root(of_the_filter).stdout.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="as root")
def test_a_store_is_not_made_where_no_filter_could_use_it(of_the_filter: Path) -> None:
    os.chown(of_the_filter, 0, 0)
    done = as_root(of_the_filter, "-a", "192.0.2.1")
    assert (done.returncode, list(of_the_filter.iterdir())) == (1, [])
    assert "belongs to root, not to the user of filter-greylist: chown _greylist" in done.stderr
    done = as_root(of_the_filter / "missing", "-a", "192.0.2.1")
    assert done.returncode == 1
    assert "no such directory: install -d -m 700 -o _greylist" in done.stderr


@pytest.mark.parametrize(
    "old",
    [
        f"WHITE|192.0.2.1|||{NOW - 9}|{NOW - 8}|{NOW - 1}|1|7\n",
        f"GREY|192.0.2.3|mx|<a@b.example>|<c@d.example>|{NOW - 10}|{NOW - 5}|{NOW - 2}|1|0\n",
        f"TRAPPED|192.0.2.4|{NOW - 60}\n",
        f"WHITE|2001:db8::1|||{NOW - 9}|{NOW - 8}|{NOW}|1|7\n",
    ],
    ids=["white", "grey", "trapped", "white, just now"],
)
def test_an_import_of_nothing_but_the_past_says_so(
    where: str, tmp_path: Path, old: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = tmp_path / "old"
    listing.write_text(old * 3)
    assert ctl(where, "import", str(listing)) == 0
    assert capsys.readouterr().out == "0 entries imported, 3 left out: expired\n"
    listing.write_text(f"{old}TRAPPED|192.0.2.9|{NOW + 600}\n")
    assert ctl(where, "import", str(listing)) == 0
    assert capsys.readouterr().out == "1 entries imported, 1 left out: expired\n"
    assert lines_of_listing(where, capsys) == [f"TRAPPED|192.0.2.9|{NOW + 600}"]


def test_a_running_filter_sees_a_change_at_once(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        assert smtpd.offer("192.0.2.1").startswith("451")
        ahead = str(int(smtpd.hands.wall))
        listing = tmp_path / "listing"
        listing.write_text(f"WHITE|192.0.2.1|||{ahead}|{ahead}|{int(ahead) + 99}|0|0\n")
        done = subprocess.run(
            [sys.executable, "-m", "filterctl", "greylist", "-f", str(tmp_path / "greylist.db"), "import", listing],
            capture_output=True,
            text=True,
        )
        assert done.stdout == "1 entries imported\n", done.stderr
        assert smtpd.offer("192.0.2.1") == ""


@pytest.mark.skipif(shutil.which("perl") is None, reason="perl is not installed")
def test_a_script_written_for_spamdb_prints_our_listing(where: str, tmp_path: Path) -> None:
    """print-spamdb.pl is Paul Gorman's, from his runbook of an OpenBSD mail smarthost."""
    records = [
        waiting(sender=b"a|b\xe9@example.net"),
        Record(Kind.WHITE, b"192.0.2.9", Life(NOW, NOW, NOW + 99, 3, 1)),
        Record(Kind.TRAPPED, b"192.0.2.7", Life(NOW, NOW, NOW + 99)),
        Record(Kind.SPAMTRAP, b"trap@example.org", Life(NOW, NOW, FOREVER)),
    ]
    work(where, lambda store: store.put(records))
    (tmp_path / "bin").mkdir()
    spamdb = tmp_path / "bin" / "spamdb"
    spamdb.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m filterctl greylist -f '{where}'\n")
    spamdb.chmod(0o755)
    done = subprocess.run(
        ["perl", HERE / "print-spamdb.pl"],
        env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TZ": "UTC", "LC_ALL": "C"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    day = [
        time.strftime("%b %d %H:%M:%S", time.gmtime(when)) for when in (NOW - 900, NOW + 600, NOW + 9000, NOW, NOW + 99)
    ]
    grey, white, trapped, trap = done.stdout.splitlines()
    assert grey == (
        f"GREY  1ST {day[0]}  PASS {day[1]}  EXP {day[2]}    BLCT 1   PSCT 0      192.0.2.1       "
        "mx.example.net                 a\\x7cb\\xe9@example.net -> us@example.org"
    )
    assert white == f"WHITE 1ST {day[3]}  PASS {day[3]}  EXP {day[4]}    BLCT 3   PSCT 1      192.0.2.9 "
    assert trapped == f"TRAPPED    192.0.2.7    {NOW + 99}"
    assert trap == "SPAMTRAP    trap@example.org"


def explained(where: str, *arguments: str, zone: dict[tuple[str, str], list[bytes]] | None = None) -> int:
    return explain.run(["-f", where, *arguments], Resolver(backend=FakeZone(zone or {})))


def test_it_explains_what_would_happen(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    case = ("192.0.2.1", "them@example.net", "us@example.org")
    assert explained(where, *case) == 1
    assert lines(capsys) == [
        "known    nothing",
        "spf      none no SPF record",
        "tuple    of the client's network: never seen",
        "outcome  451, come back in 25 minutes (new)",
    ]
    zone = {("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"]}
    assert explained(where, "-G", "5:24:864", *case, zone=zone) == 1
    assert lines(capsys)[1:] == [
        "spf      pass by ip4:192.0.2.0/24 of example.net, which vouches for the client",
        "tuple    of the sender's domain: never seen",
        "outcome  451, come back in 5 minutes (new)",
    ]
    work(where, lambda store: store.put([waiting(passes=-1)]))
    assert explained(where, *case) == 0
    assert lines(capsys)[-2:] == [
        "tuple    of the client's network: first seen 15 minutes ago, refused once",
        "outcome  let in (retried)",
    ]
    ctl(where, "-at", "192.0.2.1")
    assert explained(where, *case) == 1
    assert "outcome  refused, the client is trapped (trapped)" in lines(capsys)
    ctl(where, "-a", "192.0.2.1")
    assert explained(where, *case) == 0
    assert lines(capsys)[-1] == "outcome  let in (white)"
    assert explained(where, "203.0.113.1", "x@y.example", "postmaster@example.org") == 0


@pytest.mark.parametrize("scope", ["%em0", "%1", "%vlan.100", ""])
def test_a_link_local_client_is_explained_without_its_link(
    where: str, scope: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = ("fe80::1" + scope, "them@example.net", "us@example.org")
    assert explained(where, *case) == 1
    assert lines(capsys)[-1] == "outcome  451, come back in 25 minutes (new)"
    zone = {("example.net", "TXT"): [b"v=spf1 ip6:fe80::1 -all"]}
    assert explained(where, *case, zone=zone) == 1
    assert "spf      pass by ip6:fe80::1 of example.net, which vouches for the client" in lines(capsys)
    ctl(where, "-a", "fe80::1")
    assert explained(where, *case) == 0
    assert lines(capsys)[-1] == "outcome  let in (white)"


def test_it_names_the_common_domain(where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "common").write_text("other.example\nbig.example\n")
    zone = {("big.example", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"]}
    arguments = ("-c", str(tmp_path / "common"), "192.0.2.1", "x@shop.example", "us@example.org")
    assert explained(where, *arguments, zone=zone) == 0
    assert lines(capsys)[1:] == [
        "common   the client is in the SPF record of big.example",
        "outcome  let in (common)",
    ]


@pytest.mark.parametrize(
    ("options", "case", "outcome"),
    [
        ([], ("127.0.0.1", "them@example.net", "us@example.org"), "let in (ours, -N)"),
        ([], ("::1", "<>", "us@example.org"), "let in (ours, -N)"),
        (["-N", "192.0.2.0/24"], ("192.0.2.1", "them@example.net", "us@example.org"), "let in (ours, -N)"),
        (
            ["-N", "192.0.2.0/24"],
            ("203.0.113.1", "them@example.net", "us@example.org"),
            "451, come back in 25 minutes (new)",
        ),
        (["-W", "exempt"], ("198.51.100.7", "them@example.net", "us@example.org"), "let in (exempt, -W)"),
        (["-W", "exempt"], ("203.0.113.1", "them@example.net", "abroad@example.org"), "let in (exempt, -W)"),
        (["-W", "exempt"], ("192.0.2.1", "them@example.net", "us@example.org"), "let in (exempt)"),
        (["-W", "exempt"], ("203.0.113.1", "them@example.net", "us@example.org"), "451, come back in 25 minutes (new)"),
        (["-W", "exempt"], ("192.0.2.77", "x@y.example", "us@example.org"), "let in (exempt, -W)"),
        (["-u"], ("192.0.2.77", "x@y.example", "us@example.org"), "let in (unsuspicious)"),
        (["-u"], ("203.0.113.1", "x@y.example", "us@example.org"), "451, come back in 25 minutes (new)"),
        (
            ["-t", "traps"],
            ("203.0.113.1", "x@y.example", "Trap@example.org"),
            "refused, the client is trapped by this (trap-file)",
        ),
        (["-t", "traps"], ("203.0.113.1", "<>", "trap@example.org"), "451, come back in 25 minutes (new)"),
        (
            ["-s", "5", "-5", "-t", "traps"],
            ("203.0.113.1", "x@y.example", "trap@example.org"),
            "refused, the client is trapped by this (trap-file)",
        ),
        ([], ("203.0.113.1", "x@y.example", "abuse@example.org"), "let in (role address)"),
        (["-n"], ("203.0.113.1", "x@y.example", "us@example.org"), "451, come back in 25 minutes (new)"),
    ],
)
def test_it_is_the_filter_that_decides(  # noqa: PLR0917 - what it is given, and what comes of it
    where: str,
    tmp_path: Path,
    options: list[str],
    case: tuple[str, ...],
    outcome: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "exempt").write_text(
        "198.51.100.0/24\nto:abroad@example.org\nfrom:them@example.net\nhost:.good.example\n"
    )
    (tmp_path / "traps").write_text("trap@example.org\n")
    words = [str(tmp_path / word) if word in {"exempt", "traps"} else word for word in options]
    zone: dict[tuple[str, str], list[bytes]] = {
        ("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"],
        ("77.2.0.192.in-addr.arpa", "PTR"): ["mx.good.example"],  # type: ignore[list-item]  # a name is text
        ("mx.good.example", "A"): ["192.0.2.77"],  # type: ignore[list-item]
    }
    before = lines_of_listing(where, capsys)
    assert explained(where, *words, *case, zone=zone) == (0 if outcome.startswith("let in") else 1)
    assert lines(capsys)[-1] == f"outcome  {outcome}"
    assert lines_of_listing(where, capsys) == before


def test_with_option_m_the_low_priority_listener_is_explained_too(
    where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = ("203.0.113.1", "x@y.example", "us@example.org")
    assert explained(where, "-M", "198.51.100.2", *case) == 1
    assert lines(capsys)[-1] == "at -M    451, come back in 25 minutes (new)", "no primary gives signs of life"
    work(where, lambda store: store.mark(BEAT, NOW))
    assert explained(where, "-M", "198.51.100.2", *case) == 1
    assert lines(capsys)[-2:] == [
        "outcome  451, come back in 25 minutes (new)",
        "at -M    refused, the client is trapped by this (low-priority-mx)",
    ]
    work(where, lambda store: store.put([waiting("203.0.113.1", b"x@y.example")]))
    assert explained(where, "-M", "198.51.100.2", *case) == 1
    assert lines(capsys)[-1].startswith("at -M    451, come back in ")
    assert lines_of_listing(where, capsys) != []


def test_explaining_writes_nothing(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    explained(where, "192.0.2.1", "them@example.net", "us@example.org")
    assert lines_of_listing(where, capsys) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_shuts_nobodys_filter_out() -> None:
    """As root beside a filter of another user: no file of root's appears, and the filter goes on writing."""
    nobody = pwd.getpwnam("nobody")
    with open_directory() as directory:
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        path = directory / "greylist.db"
        with the_filter_of(nobody.pw_uid, path) as commit:
            commit("198.51.100.1")
            for arguments in (["-a", "192.0.2.1"], [], ["-d", "192.0.2.1"], ["export"]):
                done = subprocess.run(
                    [sys.executable, "-m", "filterctl", "greylist", "-f", path, *arguments],
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == 0, done.stderr
                assert {file.stat().st_uid for file in directory.iterdir()} == {nobody.pw_uid}
            commit("198.51.100.2")


_FILTER = """
import asyncio, sys
from filter_greylist.rules.records import Kind, Life, Record
from filter_greylist.store.sqlite.store import SqliteStore

async def serve():
    store = SqliteStore(sys.argv[1], print)
    await store.open()
    while address := (await asyncio.to_thread(sys.stdin.readline)).strip():
        await store.merge([Record(Kind.WHITE, address.encode(), Life(1, 1, 2**40))])
        print("done", flush=True)

asyncio.run(serve())
"""


@contextlib.contextmanager
def the_filter_of(uid: int, path: Path) -> Iterator[Callable[[str], None]]:
    """A process of another user that has the store open and writes to it."""
    command = [sys.executable, "-c", _FILTER, str(path)]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=uid, group=uid, extra_groups=[]
        )
    except PermissionError:
        pytest.skip("this interpreter lies where only root can run it")
    assert process.stdin is not None
    assert process.stdout is not None

    def commit(address: str) -> None:
        print(address, file=process.stdin, flush=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"

    with process:
        yield commit
        process.stdin.close()
