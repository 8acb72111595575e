"""Option -l: only clients that a list knows wait, and whoever a welcome list knows does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from filter_api.errors import UsageError
from filter_api.net.dns import Status
from filter_greylist.options import parse
from tests.filter_greylist.smtp import Smtpd

GREYLISTED = "451 4.7.1 greylisted, please try again in 25 minutes"
LISTS: dict[tuple[str, str], Any] = {
    ("2.0.0.127.bl.test", "A"): ["127.0.0.2"],
    ("2.0.0.127.wl.test", "A"): ["127.0.0.2"],
    ("1.2.0.192.bl.test", "A"): ["127.0.0.2"],
    ("2.2.0.192.bl.test", "A"): ["127.0.0.2"],
    ("2.2.0.192.wl.test", "A"): ["127.0.5.1"],
}
OPTIONS = ("-l", "bl.test*2", "-l", "wl.test*-3")


def test_only_listed_clients_wait(tmp_path: Path) -> None:
    with Smtpd(tmp_path, *OPTIONS, zone=LISTS) as smtpd:
        assert smtpd.offer("192.0.2.1") == GREYLISTED
        assert smtpd.offer("192.0.2.2") == "", "a welcome list knows it"
        assert smtpd.offer("192.0.2.3") == "", "no list knows it"


def test_a_listed_client_that_comes_back_is_let_in(tmp_path: Path) -> None:
    with Smtpd(tmp_path, *OPTIONS, zone=LISTS) as smtpd:
        assert smtpd.offer("192.0.2.1") == GREYLISTED
        smtpd.hands.advance(1800)
        assert smtpd.offer("192.0.2.1") == ""


def test_if_no_list_answers_everybody_waits(tmp_path: Path) -> None:
    zone = {("3.2.0.192.bl.test", "A"): Status.TEMPFAIL, ("3.2.0.192.wl.test", "A"): Status.TEMPFAIL}
    with Smtpd(tmp_path, *OPTIONS, zone=zone) as smtpd:
        assert smtpd.offer("192.0.2.3") == GREYLISTED


def test_a_list_that_fails_its_self_test_makes_nobody_wait(tmp_path: Path) -> None:
    zone = {("1.2.0.192.bl.test", "A"): ["127.0.0.2"], ("2.0.0.127.wl.test", "A"): ["127.0.0.2"]}
    with Smtpd(tmp_path, *OPTIONS, zone=zone) as smtpd:
        assert smtpd.offer("192.0.2.1") == ""
        assert any("list=bl.test" in line for line in smtpd.log)


def test_if_the_only_list_is_broken_nobody_waits(tmp_path: Path) -> None:
    zone = {("1.2.0.192.bl.test", "A"): ["127.0.0.2"]}
    with Smtpd(tmp_path, "-l", "bl.test", zone=zone) as smtpd:
        assert smtpd.offer("192.0.2.1") == ""
        assert smtpd.offer("192.0.2.1") == ""


def test_with_u_suspicious_clients_wait_as_well(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-u", *OPTIONS, zone=LISTS) as smtpd:
        assert smtpd.offer("192.0.2.3", rdns=None) == GREYLISTED
        assert smtpd.offer("192.0.2.4", rdns="mx.example.net") == ""
        assert smtpd.offer("192.0.2.2", rdns=None) == "", "a welcome list knows it"


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("zen..org", r"-l: zen\.\.org: no domain name"),
        ("bl.test/s", "-l: bl.test/s: lists are asked about the client's address here; leave /s away"),
        ("@dqs@.zen.test", "-l: @dqs@.zen.test: no list with a key can be asked here; name one without"),
    ],
)
def test_a_list_that_cannot_be_asked_is_named(word: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse(["-l", word])
