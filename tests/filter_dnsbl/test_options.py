"""The command line of filter-dnsbl, its files, its replies, and its keys, which are shown nowhere."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from filter_api.errors import ConfigError, UsageError
from filter_api.net.dns import Answer, Resolver, Status
from filter_api.testing import FakeZone, Player
from filter_dnsbl.filter import build
from filter_dnsbl.options import Thresholds, parse
from tests.filter_dnsbl.listed import BACKWARDS, BL, CLIENT, listing, player, told


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "no list to ask: name one with -b, or a file of them with -f"),
        (("-b", "zen..org"), "-b: zen..org: no domain name"),
        (("-b", "bl.test*0"), r"-b: \*0: a weight is from -99 to 99"),
        (("-b", "bl.test=127.0.0.[9..2]"), r"the range 9\.\.2 is reversed; write 2\.\.9"),
        (("-b", "@dqs@.bl.test"), "no key is named dqs; add it to the file of keys"),
        (("-b", "bl.test", "-m", "-s", "1:2:3"), "-m is short for"),
        (("-b", "bl.test", "-s", "3:2:1"), "points that rise"),
        (("-b", "bl.test", "-s", "-:-:-"), "one of them at least"),
        (("-b", "bl.test", "-s", "1:2"), "-s takes grey:mark:refuse"),
        (("-b", "bl.test", "-s", "1:2:x"), "-s takes points"),
        (("-b", "bl.test", "-r", "100% sure"), "after % stands A, L, T or another %"),
        (("-b", "bl.test/a"), "give -a"),
        (tuple(["-b", "bl.test"] * 65), "more than 64 lists"),
    ],
)
def test_what_is_wrong_is_told_at_start(arguments: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse(arguments)


def test_thresholds() -> None:
    assert parse(["-b", "bl.test"])[0].thresholds == Thresholds(None, None, 1)
    assert parse(["-m", "-b", "bl.test"])[0].thresholds == Thresholds(None, 1, None)
    assert parse(["-s", "1:-:5", "-b", "bl.test"])[0].thresholds == Thresholds(1, None, 5)


def test_a_bad_line_of_the_file_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "lists"
    path.write_text("bl.test\nzen..org\n")
    with pytest.raises(ConfigError, match=r"lists:2: zen\.\.org: no domain name"):
        parse(["-f", str(path)])


@pytest.mark.parametrize("text", ["", "# none yet\n", "\n\n", "  # bl.test\n"])
@pytest.mark.parametrize("policy", ["accept", "tempfail", "reject"])
def test_a_file_without_a_list_stops_nobody_and_is_told_once(tmp_path: Path, text: str, policy: str) -> None:
    path = tmp_path / "lists"
    path.write_text(text)
    with Player(build(["-f", str(path), "-F", policy], Resolver(backend=FakeZone({})))) as smtpd:
        assert smtpd.connect("192.0.2.1").mail_from("a@example.net").ok
        told = [line for line in smtpd.log if "no list stands in the file of -f" in line]
    assert len(told) == 1
    assert len(parse(["-f", str(path), "-b", "bl.test"])[0].entries()) == 1


@pytest.mark.parametrize("line", ["bl.test/a", "bl.test*3/sa", "bl.test=127.0.0.2/pa", "bl.test*2/phsa"])
def test_a_file_never_asks_about_authors_where_no_message_is_read(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lists"
    path.write_text(f"bl.test\n{line}\n")
    with pytest.raises(ConfigError, match=r"lists:2: bl\.test: a list is asked about authors \(/a\): give -a"):
        parse(["-f", str(path)])
    path.write_text("bl.test\n")
    own, _ = parse(["-f", str(path)])
    path.write_text(f"bl.test\n{line}\n")
    os.utime(path, (1, 1))
    assert own.file is not None
    own.file._next_look = 0.0
    assert [entry.where for entry in own.entries()] == ["c"]


def test_a_bad_file_at_run_time_leaves_the_old_one_in_use(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lists"
    path.write_text("bl.test\n")
    own, _ = parse(["-f", str(path)])
    assert own.file is not None
    caplog.set_level(logging.INFO, "filter_api.files.tables")
    for text, zones in (
        ("bl.test*0 # a weight of nothing\n", ["bl.test"]),
        ("bl.test\nother.test\n", ["bl.test", "other.test"]),
    ):
        path.write_text(text)
        os.utime(path, (1, len(text)))
        for _ in range(2):
            own.file._next_look = 0.0
            assert [entry.zone.shown for entry in own.entries()] == zones
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}:1: *0: a weight is from -99 to 99, and not 0; the version read before stays in use",
        f"{path}: reloaded",
    ]


KEY = "abcdefghij0123456789"


class Telltale(FakeZone):
    """Its trouble names the question, as that of real resolvers does."""

    async def query(self, name: str, kind: str, timeout: float) -> Answer:
        answer = await super().query(name, kind, timeout)
        return replace(answer, why=f"no answer to {name}") if answer.status is Status.TEMPFAIL else answer


@pytest.mark.parametrize("trouble", [False, True])
def test_a_key_is_in_no_reply_no_log_and_no_error(tmp_path: Path, trouble: bool) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"dqs {KEY}\n")
    keys.chmod(0o600)
    zone = listing(f"{KEY}.zen.test")
    zone[f"{BACKWARDS}.{KEY}.zen.test", "TXT"] = [f"see https://{KEY.upper()}.zen.test/?{CLIENT}"]
    if trouble:
        zone[f"{BACKWARDS}.{KEY}.zen.test", "A"] = Status.TEMPFAIL
    built = build(
        ["-v", "-k", str(keys), "-b", "@dqs@.zen.test", "-r", "%L says %T", "-F", "tempfail"],
        Resolver(backend=Telltale(zone)),
    )
    with Player(built) as smtpd:
        reply = smtpd.connect(CLIENT).mail_from().reply
        shown = "\n".join([reply, *smtpd.log, repr(built.own)]).lower()
    expected = "451 4.7.1 no list" if trouble else "550 5.7.1 zen.test says see https://KEY.zen.test/?192.0.2.5"
    assert reply.startswith(expected)
    assert KEY not in shown


def test_the_text_of_a_list_is_one_escaped_line_of_bounded_length() -> None:
    zone = BL | {(f"{BACKWARDS}.bl.test", "TXT"): ["bad\r\nX: y\xff" + "z" * 600]}
    reply = told("-b", "bl.test", "-r", "%A: %T", zone=zone)
    assert reply.startswith(r"550 5.7.1 192.0.2.5: bad\x0d\x0aX: y\xc3\xbfzzz")
    assert reply.endswith("...")
    assert len(reply) <= 500


def test_the_placeholders_of_a_reply() -> None:
    assert told("-b", "bl.test", "-r", "%%A %A %L (100%%)") == "550 5.7.1 %A 192.0.2.5 bl.test (100%)"
    assert told("-b", "bl.test", "-r", "%T") == "550 5.7.1 bl.test"  # the list has no text


def test_an_exempt_sender_passes_if_spf_vouches_for_it(tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text("from:sender.example\n")
    zone = BL | {("sender.example", "TXT"): ["v=spf1 ip4:192.0.2.5 -all"]}
    assert told("-b", "bl.test", "-W", str(table), zone=zone) == ""
    assert told("-b", "bl.test", "-W", str(table)) != ""


def test_an_exempt_client_is_not_asked_about(tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text(f"{CLIENT}\n")
    smtpd, dns = player("-b", "bl.test", "-W", str(table))
    with smtpd:
        assert smtpd.connect(CLIENT).mail().ok
    assert dns.asked == []
