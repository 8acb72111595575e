"""Whoever asks a control socket, whatever he sends and however he reads: mail goes on, and each answer comes."""

from __future__ import annotations

import socket
import statistics
import tempfile
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_api import Decision, Filter, Junk, Proceed, Reject, Session
from filter_api.control.client import ask
from filter_api.control.http import Request
from filter_api.runtime.controlling import Control
from filter_api.testing import Player
from tests.support.filter_process import FilterProcess, wait_until
from tests.support.metrics import samples

COUNTING = """
from filter_api import *
class Counting(Filter):
    name = "filter-counting"
    def on_mail_from(self, session, sender):
        return Reject(550, "5.7.1", "no") if sender.startswith(b"bad") else Proceed()
main(Counting())
"""


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield f"{directory}/f.sock"


def connected(number: int) -> bytes:
    return b"report|0.7|1.1|smtp-in|link-connect|%016x|mx|pass|192.0.2.1:1|192.0.2.2:25\n" % number


def mail(number: int, sender: bytes = b"a@example.net") -> bytes:
    return b"filter|0.7|1.1|smtp-in|mail-from|%016x|80|%b\n" % (number, sender)


def hanging(path: str, said: bytes, count: int) -> list[socket.socket]:
    """Readers that say something and then nothing; whether they are taken, nobody waits for."""
    made = []
    for _ in range(count):
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        if one.connect_ex(path) == 0:
            one.send(said)
        made.append(one)
    return made


def test_with_a_thousand_sessions_and_readers_that_hang_mail_and_metrics_go_on(path: str) -> None:
    with FilterProcess(["-c", COUNTING, "-C", path]) as smtpd:
        smtpd.handshake()
        assert wait_until(lambda: ask([path], "/ready")[0].done)
        silent = hanging(path, b"", 6) + hanging(path, b"GET /metrics HT", 6)
        deaf = hanging(path, b"GET /status HTTP/1.1\r\n\r\n", 12)
        for start in range(1, 1001, 100):
            smtpd.write(b"".join(connected(number) for number in range(start, start + 100)))
            for number in range(start, start + 100):
                smtpd.write(mail(number, b"bad@example.net" if number % 10 == 0 else b"a@example.net"))
                assert smtpd.line().startswith(b"filter-result|%016x|80|" % number)
        (answer,) = ask([path], "/metrics", seconds=20)
        assert answer.done, answer.why
        found = {(each.name, each.labels.get("verdict")): each.value for each in samples(answer.body.decode())}
        assert found["filter_sessions_open", None] == 1000
        assert found["filter_decisions_total", "reject"] == 100
        assert found["filter_decisions_total", "proceed"] == 900
        for one in [*silent, *deaf]:
            one.close()
        smtpd.write(mail(1))
        assert smtpd.line().endswith(b"|proceed")
        assert smtpd.hang_up() == 0
        assert smtpd.errors().count("Traceback") == 0


def test_a_thousand_connections_one_after_the_other_leave_no_descriptor(path: str) -> None:
    with FilterProcess(["-c", COUNTING, "-C", path]) as smtpd:
        smtpd.handshake()
        assert wait_until(lambda: ask([path], "/ready")[0].done)
        before = smtpd.descriptors()
        for _ in range(60):
            for one in hanging(path, b"GET", 16):
                one.close()
        assert wait_until(lambda: ask([path], "/ready", seconds=20)[0].done)
        assert wait_until(lambda: smtpd.descriptors() <= before)
        smtpd.write(mail(1))
        assert smtpd.line().endswith(b"|proceed")


MARK = b"qzxq"
"""In everything that a client says here."""


class Judging(Filter):
    """Decides differently, for there to be something to tell."""

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        number = int(sender.partition(b"@")[0])
        return (Proceed(), Junk(), Reject(550, f"5.{number % 90}.1", "no"))[number % 3]


@given(st.binary(max_size=300), st.sampled_from(["GET", "POST", "HEAD", "PUT"]), st.text("\x21/?abc0129f", max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_whatever_is_asked_the_answer_repeats_nothing_and_mail_is_judged_as_before(
    sender: bytes, method: str, path: str
) -> None:
    clean = MARK + bytes(byte for byte in sender if byte not in b"\r\n|<>")
    with Player(Judging()) as smtpd:
        control = Control(smtpd.dispatcher, [], "filter-judging", [], unwritten=lambda: 0)
        smtpd.connect(rdns=clean).mail_from(b"1@" + clean)
        response = control.answer(Request(method, "/" + path))
        assert response.status in {200, 404, 405, 503}
        for asked in ("/status", "/metrics"):
            body = control.answer(Request("GET", asked)).body
            assert body.isascii()
            assert MARK not in body
        assert smtpd.connect().mail_from(b"2@example.net").reply == "550 5.2.1 no"


@pytest.mark.timed
def test_a_scrape_of_a_busy_filter_takes_less_than_5_ms_of_processor_time() -> None:
    """With a thousand sessions, nine filters and all the codes that are told apart; and it has 64 KB at most."""
    with Player({f"member-{number}": Judging() for number in range(9)}, observe=True) as smtpd:
        for number in range(1000):
            smtpd.connect().mail_from(b"%d@example.net" % number)
        control = Control(smtpd.dispatcher, [], "filter-chain", [], unwritten=lambda: 0)
        took = []
        for _ in range(30):
            began = time.process_time()
            body = control.answer(Request("GET", "/metrics")).body
            took.append(time.process_time() - began)
        assert statistics.median(took) < 0.005
        assert len(body) < 65_536
