"""``filterctl dnsbl``: what it prints and its exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.errors import UsageError
from filter_api.net.dns import Resolver, Status
from filter_api.testing import FakeZone
from filter_dnsbl.ctl import run
from filterctl.conf.deadlists import dead_lists
from tests.filter_dnsbl.listed import BACKWARDS, BL, CLIENT, Zone, listing, passing


def status(*arguments: str, zone: Zone) -> int:
    return run(list(arguments), Resolver(backend=FakeZone(zone)))


WELCOME = (
    BL | listing("wl.test", "127.0.5.1") | passing("other.test") | {(f"{BACKWARDS}.down.test", "A"): Status.TEMPFAIL}
)
LISTS = ("-b", "bl.test*3", "-b", "wl.test*-2", "-b", "other.test", "-b", "bl.test=127.0.0.9", "-b", "down.test")


def test_explain_shows_each_list_and_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("explain", "-s", "-:2:3", *LISTS, CLIENT, zone=WELCOME) == 0
    assert capsys.readouterr().out.splitlines() == [
        "  +3  bl.test                          127.0.0.2",
        "      bl.test                          not these: 127.0.0.2",
        "  -2  wl.test                          127.0.5.1",
        "      other.test                       not listed",
        "      down.test                        does not count: as the test says",
        "   1  accepted",
    ]


def test_explain_shows_the_reply_to_a_refused_client(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("explain", "-b", "bl.test", CLIENT, zone=BL) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "   1  refused",
        "      550 5.7.1 192.0.2.5 is listed by bl.test",
    ]


def test_explain_asks_lists_of_domains_about_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    zone = listing("dbl.test", label="sender.example")
    assert status("explain", "-b", "dbl.test*2/s", CLIENT, "sender.example", zone=zone) == 1
    assert "  +2  dbl.test" in capsys.readouterr().out
    with pytest.raises(UsageError, match="no domain that a list could know: localhost"):
        status("explain", "-b", "dbl.test/s", CLIENT, "localhost", zone=zone)


def test_a_key_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = tmp_path / "keys"
    keys.write_text("dqs sesame99\n")
    keys.chmod(0o600)
    options = ("-k", str(keys), "-b", "@dqs@.zen.test")
    for zone in (listing("sesame99.zen.test"), {(f"{BACKWARDS}.sesame99.zen.test", "A"): Status.TEMPFAIL}):
        for verb, operands in (("explain", [CLIENT]), ("test", []), ("own", [CLIENT])):
            status(verb, *options, *operands, zone=zone)
    out = capsys.readouterr().out
    assert "zen.test" in out
    assert "sesame99" not in out


def test_the_self_tests_of_all_lists(capsys: pytest.CaptureFixture[str]) -> None:
    zone = passing("bl.test") | {("1.0.0.127.all.test", "A"): ["127.0.0.2"]} | passing("dbl.test")
    lists = ("-b", "bl.test", "-b", "all.test", "-b", "dbl.test/s", "-b", "dnsbl.sorbs.net")
    assert status("test", *lists, zone=zone) == 1
    assert capsys.readouterr().out.splitlines() == [
        "bl.test                          IPv4     works",
        "bl.test                          IPv6     not asked",
        "all.test                         IPv4     off: lists its test entry for what is never listed, "
        "so it may list everybody",
        "all.test                         IPv6     not asked",
        "dbl.test                         domains  works",
        "dnsbl.sorbs.net                  IPv4     has ended: ask it no more",
        "dnsbl.sorbs.net                  IPv6     has ended: ask it no more",
    ]
    assert status("test", "-b", "bl.test", zone=zone) == 0


def test_our_own_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("own", "-b", "bl.test", CLIENT, "192.0.2.6", zone=BL) == 1
    assert capsys.readouterr().out.splitlines() == [
        "192.0.2.5                                listed by bl.test",
        "192.0.2.6                                not listed",
    ]
    assert status("own", "-b", "bl.test", "192.0.2.6", zone=BL) == 0


@pytest.mark.parametrize(
    "arguments", [[], ["nothing"], ["explain", "-b", "bl.test"], ["explain", "-b", "bl.test", "joe"]]
)
def test_what_makes_no_sense_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        status(*arguments, zone=BL)


def test_lists_that_have_ended_are_known_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "lists"
    path.write_text("zen.example.org\n@k@.virbl.dnsbl.bit.nl*2 # gone\n")
    command = ["/usr/libexec/smtpd/filter-dnsbl", "-n", "-b", "dnsbl.sorbs.net=127.0.0.2*3", "-f", str(path)]
    assert dead_lists(command) == ["dnsbl.sorbs.net", "virbl.dnsbl.bit.nl"]
    assert dead_lists(["filter-dnsbl", "-b", "notsorbs.net", "-f", "/nonexistent"]) == []
    assert dead_lists(["filter-rdns", "-f"]) == []


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (
            "1",
            ["   1  told to try again", "      451 4.7.1 a list that may welcome you does not answer, try again later"],
        ),
        ("9", ["   9  refused", "      550 5.7.1 192.0.2.5 is listed by bl.test"]),
    ],
)
def test_explain_says_when_a_welcome_list_that_does_not_answer_could_have_saved_the_client(
    weight: str, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    zone = BL | passing("wl.test") | {(f"{BACKWARDS}.wl.test", "A"): Status.TEMPFAIL}
    assert status("explain", "-b", f"bl.test*{weight}", "-b", "wl.test*-1", CLIENT, zone=zone) == 1
    assert capsys.readouterr().out.splitlines()[2:] == said


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        (["down.test"], "   ?  no list answers: -F decides"),
        (["down.test", "parked.test"], "   ?  no list answers: -F decides"),
        (["down.test", "other.test"], "   0  accepted"),
        (["parked.test"], "   0  accepted"),
    ],
)
def test_explain_says_when_no_list_answers(lists: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    zone = WELCOME | listing("parked.test", "203.0.113.9")
    assert status("explain", *(word for each in lists for word in ("-b", each)), CLIENT, zone=zone) == 0
    assert capsys.readouterr().out.splitlines()[-1] == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("-N", "192.0.2.0/24"), "192.0.2.5 is one of ours (-N): no list is asked"),
        (("-N", "10.0.0.0/8,192.0.2.5"), "192.0.2.5 is one of ours (-N): no list is asked"),
        (("-W", "192.0.2.5"), "192.0.2.5 is exempt (-W): no list is asked"),
        (("-W", "192.0.2.0/28"), "192.0.2.5 is exempt (-W): no list is asked"),
    ],
)
@pytest.mark.parametrize("address", [CLIENT, f"::ffff:{CLIENT}"])
def test_explain_says_of_whom_no_list_is_asked(
    given: tuple[str, str], said: str, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option, value = given
    if option == "-W":
        table = tmp_path / "exempt"
        table.write_text(f"{value}\n")
        value = str(table)
    dns = FakeZone(BL)
    assert run(["explain", option, value, "-b", "bl.test", address], Resolver(backend=dns)) == 0
    assert capsys.readouterr().out == f"{said}\n"
    assert dns.asked == []


@pytest.mark.parametrize("name", ["dnsbl.sorbs.net", "sorbs.net", "bl.spamcannibal.org", "db.wpbl.info"])
def test_a_list_that_has_ended_fails_the_test_whatever_it_answers(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("test", "-b", name, zone=passing(name)) == 1
    assert "has ended: ask it no more" in capsys.readouterr().out
