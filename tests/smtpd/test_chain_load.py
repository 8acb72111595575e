"""Two thousand mails over fifty connections, while everything the chain talks to fails in turn.

What must hold: every mail that was answered 250 is delivered once, every other one never; no virus gets in; what was
not examined for spam says so; smtpd and its filters live; every refusal is explained by one line of the log. And what
is wanted does get through in the end.
"""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from itertools import chain as joined

import pytest

from tests.smtpd.chain import Chain, lines_of
from tests.smtpd.chain_load import VANISHING, Load, Mail, Vanishing, mails_for, numbers_of, zone_for
from tools.private_smtpd import Trouble, wait_until

RULES = r"""
body   GTUBE     /XJS\*C4JDBQADN1\.NSBN3\*2IDNEN\*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL\*C\.34X/
score  GTUBE     1000
header HAS_SUBJECT Subject =~ /./
score  HAS_SUBJECT 0.1
required_score 5
"""
"""Rules enough for spamd to tell what is sent here, and few enough for two thousand mails."""

FAULT, REST = 4.0, 1.0  # seconds
WANTED = ("ham", "fresh", "large", "scored", "bounce")
UNEXAMINED = b"\nX-Spam-Status: Unknown, not checked (spamd not available)\n"
FAILED = re.compile(r'^([0-9a-f]{16}) smtp failed-command .*result="(.*)"$', re.M)


class Faults:
    """What can go wrong with the chain: (how it begins, how it ends). Between two of one daemon lie the ten seconds for
    which a filter leaves it alone after failures, and a message that one scanner puts off never reaches the next.
    """

    def __init__(self, chain: Chain) -> None:
        self.dns = chain.smtpd.dns
        self.zone = self.dns.zone
        clamd, spamd, redis = (chain.backends[name] for name in ("clamd", "spamd", "redis"))
        self.all: list[tuple[Callable[[], None], Callable[[], None]]] = [
            (spamd.stop, spamd.start),
            (lambda: redis.process.signal(signal.SIGKILL), redis.start),
            (lambda: self.answer(Trouble.DROP), self.answer_again),
            (spamd.freeze, spamd.thaw),
            (redis.freeze, redis.thaw),
            (lambda: clamd.process.signal(signal.SIGKILL), clamd.start),
            (lambda: self.answer(Trouble.SERVFAIL), self.answer_again),
            (chain.smtpd.hang_up, chain.smtpd.hang_up),
            (clamd.freeze, clamd.thaw),
        ]

    def answer(self, trouble: Trouble) -> None:
        self.dns.zone = dict.fromkeys(self.zone, trouble)

    def answer_again(self) -> None:
        self.dns.zone = self.zone


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_is_lost_or_let_through(version: str) -> None:
    check(version, one=False)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_neither_does_one_process_with_all_filters(newest: str) -> None:
    check(newest, one=True)


def check(version: str, *, one: bool) -> None:
    mails = mails_for(2000, 50)
    with Chain(version, seconds=3, rules=RULES, one=one) as chain:
        chain.smtpd.dns.zone = zone_for(mails)
        load = run(chain, Load(chain.smtpd, mails, pause=0.6))
        texts = delivered(chain, sum(load.accepted.values()))
        log = chain.smtpd.log()
    check_delivery(load, {mail.number: mail for mail in joined.from_iterable(mails)}, texts)
    check_log(load, log)
    check_unexamined(texts, log)
    check_that_faults_were_felt(load, log)


def run(chain: Chain, load: Load) -> Load:
    """The load, with each fault in its turn."""
    vanishing = Vanishing(chain.smtpd)
    vanishing.start()
    load.start(200)
    time.sleep(REST)
    for begin, end in Faults(chain).all:
        begin()
        time.sleep(FAULT)
        end()
        time.sleep(REST)
    load.pause = 0.0
    load.finish()
    vanishing.stop()
    assert vanishing.visits > 50
    assert not load.broken, load.broken
    assert not load.unfinished, load.unfinished
    chain.check_alive()
    return load


def delivered(chain: Chain, count: int) -> list[bytes]:
    """Everything that lies in a mailbox, when nothing more will come."""

    def everything() -> list[bytes]:
        boxes = (("bob", ""), ("bob", ".Junk"), ("carol", ""), ("alice", ""))
        return [text for user, folder in boxes for text in chain.smtpd.maildir(user, folder)]

    wait_until(lambda: len(everything()) >= count, 60, "not everything was delivered")
    wait_until(lambda: chain.smtpd.room.run(["smtpctl", "show", "queue"]) == (0, ""), 10, "the queue is not empty")
    return everything()


def check_delivery(load: Load, mails: dict[int, Mail], texts: list[bytes]) -> None:
    assert Counter(numbers_of(texts)) == load.accepted
    for number, text in zip(numbers_of(texts), texts, strict=True):
        check_text(mails[number], text)
    assert not {number for number, mail in mails.items() if mail.kind in WANTED} - load.accepted.keys()


def check_text(mail: Mail, text: bytes) -> None:
    """What was delivered is what was sent, with what was found out about it."""
    head, _, body = text.partition(b"\n\n")
    assert mail.kind in {*WANTED, "spam", "trap"}, head
    assert body == mail.body.encode() + b"\n"
    assert re.findall(rb"^X-Virus-Status: (.*)$", head, re.M) == [b"Clean"], head
    spam = re.findall(rb"^X-Spam-Status: (\w+)", head, re.M)
    examined = {"spam": [], "large": [], "scored": [b"Yes"]}.get(mail.kind, [b"No"])
    assert spam in (examined, [b"Unknown"]), head
    assert (b"\nX-Spam-Flag: YES" in head) == (spam == [b"Yes"])


def check_log(load: Load, log: str) -> None:
    """Each refusal a client heard is one line of one filter, in the session in which smtpd said it."""
    lines = lines_of(log)
    vanished = {line.session for line in lines if line.pairs.get("helo") == VANISHING}
    refusals = [line for line in lines if line.refusal and line.session not in vanished]
    told = Counter((mail.sender, seen.phase, seen.reply) for mail, seen in load.heard if seen.code >= 400)
    explained = Counter((line.pairs["from"].strip("<>"), line.what, line.pairs["reply"]) for line in refusals)
    assert told == explained, (told - explained, explained - told)
    said = Counter((session, reply) for session, reply in FAILED.findall(log) if session not in vanished)
    logged = Counter((line.session, line.pairs["reply"]) for line in refusals)
    assert said == logged, (said - logged, logged - said)


def check_unexamined(texts: list[bytes], log: str) -> None:
    """What was let in without an examination for spam says so, and so does the log."""
    marked = {number for number, text in zip(numbers_of(texts), texts, strict=True) if UNEXAMINED in text}
    failed = [line for line in lines_of(log) if line.filter == "spamassassin" and line.pairs.get("result") == "failed"]
    assert Counter(line.pairs["subject"] for line in failed) == Counter(f"load {number}" for number in marked)
    assert marked


def check_that_faults_were_felt(load: Load, log: str) -> None:
    """A load that met no fault would show nothing."""
    replies = Counter(seen.reply for _, seen in load.heard)
    assert any("cannot be scanned for viruses" in reply for reply in replies), replies
    assert any(reply.startswith("451 4.1.8") for reply in replies), replies
    assert "greylist: store" in log
    kinds = Counter(mail.kind for mail, seen in load.heard if seen.code == 554)
    assert set(kinds) == {"virus", "archive"}
