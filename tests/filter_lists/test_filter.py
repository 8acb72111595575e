"""filter-lists as smtpd sees it: who is refused, with which words, when, and what changes while it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_api.net.dns import Resolver, Status
from filter_api.testing.dns import FakeZone
from filter_api.testing.player import Player
from filter_lists.filter import Lists, build
from tests.filter_lists.support import Site

LISTED, FREE, SPARED = "198.51.100.7", "198.51.100.8", "198.51.100.9"
WALL = 1_700_000_000.0  # the player's clock


def simple(site: Site, *more: str) -> None:
    """A black list and a white one behind it."""
    black = site.text("black", LISTED, SPARED, "203.0.113.0/24", "2001:db8:bad::/48")
    white = site.text("white", SPARED)
    site.write(f'drop black {black} msg="%A is on DROP"', f"mine white {white}", *more, "order drop mine")


def player(site: Site, *arguments: str) -> Player:
    return Player(build([*site.options, *arguments]))


def mail_from(smtpd: Player, address: str, sender: str = "joe@example.net") -> str:
    """The refusal a client gets at MAIL FROM; empty if it gets none."""
    return smtpd.connect(address).mail_from(sender).reply or ""


def test_a_listed_client_is_told_so_and_others_are_not(site: Site) -> None:
    simple(site)
    with player(site) as smtpd:
        assert mail_from(smtpd, LISTED) == f"450 4.7.1 {LISTED} is on DROP"
        assert mail_from(smtpd, "203.0.113.255") == "450 4.7.1 203.0.113.255 is on DROP"
        assert mail_from(smtpd, "2001:db8:bad::9") == "450 4.7.1 2001:db8:bad::9 is on DROP"
        assert smtpd.connect(FREE).mail().ok
        assert smtpd.connect(SPARED).mail().ok
        assert smtpd.connect("2001:db8::1").mail().ok
    assert [line for line in smtpd.log if "reason=listed lists=drop" in line]


@pytest.mark.parametrize("client", ["fe80::7%em0", "fe80::7%2", "fe80::7%vlan.100", "fe80::7"])
def test_a_link_local_client_is_found_whatever_link_it_comes_by(site: Site, client: str) -> None:
    site.write(f'links black {site.text("links", "fe80::7")} msg="%A is listed"', "order links")
    with player(site) as smtpd:
        assert mail_from(smtpd, client) == "450 4.7.1 fe80::7 is listed"
        assert smtpd.connect(client.replace("::7", "::8")).mail().ok


def test_for_good_with_5(site: Site) -> None:
    simple(site)
    with player(site, "-5") as smtpd:
        assert mail_from(smtpd, LISTED) == f"550 5.7.1 {LISTED} is on DROP"


def test_at_connect_a_client_is_disconnected(site: Site) -> None:
    simple(site)
    with player(site, "-5", "-p", "connect") as smtpd:
        client = smtpd.connect(LISTED)
        assert (client.verdict, client.reply) == ("disconnect", f"550 5.7.1 {LISTED} is on DROP")
        assert smtpd.connect(FREE).mail().ok


def test_at_rcpt_to_postmaster_hears_everybody(site: Site) -> None:
    simple(site)
    with player(site, "-p", "rcpt-to") as smtpd:
        client = smtpd.connect(LISTED)
        assert client.mail_from("joe@example.net").ok
        assert client.rcpt_to("bob@example.org").reply == f"450 4.7.1 {LISTED} is on DROP"
        assert client.rcpt_to("postmaster@example.org").ok


def test_marks_instead_of_refusals(site: Site) -> None:
    simple(site)
    with player(site, "-m", "-p", "rcpt-to") as smtpd:
        assert smtpd.connect(LISTED).mail_from("joe@example.net").verdict == "junk"
        assert smtpd.connect(FREE).mail_from("joe@example.net").ok


def test_observing_refuses_nobody(site: Site) -> None:
    simple(site)
    with player(site, "-n") as smtpd:
        assert smtpd.connect(LISTED).mail().ok
    assert [line for line in smtpd.log if "observe-reject" in line]


ORDERS = [
    ("A W", {"both": "", "a": ""}),
    ("A W B", {"both": "in B", "a": ""}),
    ("A W B W", {"both": "", "a": ""}),
    ("A B", {"both": "in A", "a": "in A"}),
    ("B A", {"both": "in B", "a": "in A"}),
    ("A B V", {"both": "", "a": ""}),
]


@pytest.mark.parametrize(("order", "told"), ORDERS)
def test_order(site: Site, order: str, told: dict[str, str]) -> None:
    a, b, w = site.text("a", LISTED, FREE), site.text("b", LISTED), site.text("w", LISTED, FREE)
    site.write(
        f'A black {a} msg="in A"', f'B black {b} msg="in B"', f"W white {w}", f"V white all {w}", f"order {order}"
    )
    with player(site) as smtpd:
        for name, address in (("both", LISTED), ("a", FREE)):
            assert mail_from(smtpd, address) == (f"450 4.7.1 {told[name]}" if told[name] else "")


def test_the_first_list_replies_and_all_are_logged(site: Site) -> None:
    a, b = site.text("a", LISTED), site.text("b", LISTED)
    site.write(f'A black {a} msg="in A"', f'B black {b} msg="in B"', "order A B")
    with player(site) as smtpd:
        assert mail_from(smtpd, LISTED) == "450 4.7.1 in A"
    assert [line for line in smtpd.log if "lists=A,B" in line]


def test_who_is_never_judged(site: Site, tmp_path: Path) -> None:
    simple(site)
    exempt = tmp_path / "exempt"
    exempt.write_text(f"{LISTED}\n")
    with player(site, "-N", "203.0.113.0/25", "-W", str(exempt)) as smtpd:
        for address in (LISTED, "203.0.113.7", "unix"):
            assert smtpd.connect(address).mail().ok
        client = smtpd.connect("203.0.113.200")
        client.auth("alice")
        assert client.mail().ok
        assert mail_from(smtpd, "203.0.113.200")


def test_a_sender_that_spf_vouches_for_is_spared(site: Site, tmp_path: Path) -> None:
    simple(site)
    exempt = tmp_path / "exempt"
    exempt.write_text("from:good.example\nfrom:broken.example\n")
    zone: dict[tuple[str, str], Sequence[str] | Status] = {
        ("good.example", "TXT"): [f"v=spf1 ip4:{LISTED} -all"],
        ("broken.example", "TXT"): Status.TEMPFAIL,
    }
    built = build([*site.options, "-W", str(exempt)], Resolver(backend=FakeZone(zone)))
    with Player(built) as smtpd:
        assert mail_from(smtpd, LISTED, "a@good.example") == ""
        assert mail_from(smtpd, "203.0.113.1", "a@good.example").startswith("450 4.7.1 203.0.113.1")
        assert mail_from(smtpd, LISTED, "a@broken.example").startswith("451 4.7.1")


def test_a_client_whose_address_is_unknown_is_answered_by_the_failure_policy(site: Site) -> None:
    simple(site)
    with player(site) as smtpd:
        assert mail_from(smtpd, "garbage").startswith("451 4.7.1")
    with player(site, "-F", "accept") as smtpd:
        assert smtpd.connect("garbage").mail().ok


def published(site: Site, **options: str) -> None:
    words = " ".join(f"{key}={value}" for key, value in options.items())
    site.write(f'pub black https://lists.example/x {words} msg="in pub"', "order pub")


def test_a_compiled_list_is_used_as_soon_as_it_is_there(site: Site) -> None:
    published(site)
    built = build(site.options)
    with Player(built) as smtpd:
        assert smtpd.connect(LISTED).mail().ok
        site.compiled("pub", LISTED, now=WALL)
        assert _after_a_second(smtpd, built, LISTED) == "450 4.7.1 in pub"
        site.compiled("pub", FREE, now=WALL)
        assert _after_a_second(smtpd, built, LISTED) == ""
        assert mail_from(smtpd, FREE) == "450 4.7.1 in pub"
        (site.directory / "pub.ranges").write_bytes(b"<html>")
        assert _after_a_second(smtpd, built, FREE) == "450 4.7.1 in pub"


def _after_a_second(smtpd: Player, built: Lists, address: str) -> str:
    """The refusal a client gets when the files have been looked at again."""
    for opened in built.book.current().lists.values():
        if opened.compiled is not None:
            opened.compiled._next_look = 0
    return mail_from(smtpd, address)


def test_a_list_that_is_too_old_refuses_nobody_and_is_told_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    published(site, every="1h", expire="2d")
    site.compiled("pub", LISTED, age=3 * 86_400, now=WALL)
    with caplog.at_level("INFO"):
        built = build(site.options)
        with Player(built) as smtpd:
            for _ in range(3):
                assert smtpd.connect(LISTED).mail().ok
            os.utime(site.directory / "pub.ranges", (WALL, WALL))
            assert _after_a_second(smtpd, built, LISTED) == "450 4.7.1 in pub"
    assert [record.message for record in caplog.records if "pub: " in record.message] == [
        "pub: not confirmed for 3d, and no longer used",
        "pub: confirmed, and used again",
    ]


def test_without_its_white_list_a_black_list_refuses_nobody(site: Site) -> None:
    black = site.text("black", LISTED)
    site.write(f"mine black {black}", "pub white https://lists.example/x every=1h expire=2d", "order mine pub")
    built = build(site.options)
    with Player(built) as smtpd:
        assert smtpd.connect(LISTED).mail().ok
        site.compiled("pub", FREE, age=30 * 86_400, now=WALL)  # an old white list still spares
        assert _after_a_second(smtpd, built, LISTED).startswith("450")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a black file:{path}/nothing", "order a"], r"lists.conf:1: a: .*/nothing: No such file"),
        (["# c", "a black file:{path}/bad", "order a"], r"lists.conf:2: a: .*/bad:2: .*host bits"),
        (["a black file:{path}/good msg={path}/nothing", "order a"], r"lists.conf:1: a: .*/nothing: No such file"),
        (["a black file:{path}/good msg={path}/empty", "order a"], r"lists.conf:1: a: .*/empty:1: .*empty"),
        (["a black file:{path}/long", "order a"], r"/long:10001: more than 10000 entries: write every=1h"),
    ],
)
def test_a_file_that_cannot_be_used_keeps_the_filter_from_starting(site: Site, lines: list[str], message: str) -> None:
    site.text("bad", "192.0.2.1", "192.0.2.1/24")
    site.text("good", "192.0.2.1")
    site.text("empty")
    site.text("long", *["192.0.2.1"] * 10_001)
    site.write(*(line.format(path=site.path) for line in lines))
    with pytest.raises(ConfigError, match=message):
        build(site.options)


def test_changes_while_it_runs(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A new order is followed, a bad one is not, and the text of a file that vanished stays."""
    site.text("told", "%A: see", "https://example.org/")
    simple(site)
    site.write(f"drop black file:{site.path}/black msg={site.path}/told", "order drop")
    built = build(site.options)

    def look() -> None:
        for file in (built.book, built.book.current().lists["drop"]._message):
            if file is not None:
                file._next_look = 0

    with Player(built) as smtpd:
        assert mail_from(smtpd, LISTED) == f"450 4.7.1 {LISTED}: see / https://example.org/"
        (site.path / "told").unlink()
        look()
        assert mail_from(smtpd, LISTED) == f"450 4.7.1 {LISTED}: see / https://example.org/"
        site.conf.write_text(site.conf.read_text() + "order drop nothing and more\n")
        look()
        assert mail_from(smtpd, LISTED).startswith("450")
    told = [record.message for record in caplog.records]
    assert any("/told: No such file" in line and "stays in use" in line for line in told)
    assert any("lists.conf:3: the order stands in line 2 already; the version" in line for line in told)


LATE = """
import sys
from filter_api.testing.player import Player
from filter_lists.filter import build
filter_ = build(sys.argv[1:])
filter_.preload()
with Player(filter_) as smtpd:
    before = set(sys.modules)
    client = smtpd.connect("198.51.100.7")
    print(client.mail_from("joe@good.example").reply)
    print(sorted(set(sys.modules) - before), "dns" in sys.modules)
"""


def test_nothing_is_imported_while_it_runs(site: Site) -> None:
    """And dnspython not at all, where nothing will be asked."""
    published(site)
    site.compiled("pub", LISTED, now=WALL)
    done = subprocess.run([sys.executable, "-c", LATE, *site.options], capture_output=True, text=True, timeout=60)
    assert done.stdout == "450 4.7.1 in pub\n[] False\n", done.stderr


def test_its_figures_tell_how_old_each_list_is_and_whether_it_counts(site: Site) -> None:
    site.compiled("fresh", "198.51.100.0/24", "203.0.113.7", age=60, now=WALL)
    site.compiled("old", "198.51.100.0/24", age=30 * 86_400, now=WALL)
    black = site.text("mine", LISTED)
    site.write(
        f'mine black {black} msg="no"',
        'fresh black https://lists.example/fresh every=1h msg="no"',
        'old black https://lists.example/old every=1h msg="no"',
        'never black https://lists.example/never every=1h msg="no"',
        "order mine fresh old never",
    )
    os.utime(site.path / "mine", (WALL - 5, WALL - 5))
    with player(site) as smtpd:
        (member,) = smtpd.dispatcher.members
        found = {f"{each.name} {each.labels['list']}": each.value for each in member.figures()}
    assert found == {
        "list_in_use mine": 1,
        "list_ranges mine": 1,
        "list_confirmed_seconds mine": WALL - 5,
        "list_in_use fresh": 1,
        "list_ranges fresh": 2,
        "list_confirmed_seconds fresh": WALL - 60,
        "list_in_use old": 0,
        "list_ranges old": 0,
        "list_confirmed_seconds old": WALL - 30 * 86_400,
        "list_in_use never": 0,
        "list_ranges never": 0,
        "list_confirmed_seconds never": 0,
    }
