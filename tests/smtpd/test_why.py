"""filterctl why and report: what they tell of two hundred mails is what happened to them, none missing, none twice."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from filterctl.__main__ import main
from filterctl.mail.logfile import lines
from filterctl.mail.mails import mails
from filterctl.mail.records import Mail
from filterctl.mail.retries import joined
from filterctl.mail.sessions import find
from tests.smtpd.chain import Chain
from tests.smtpd.chain_log import BOB, EACH, Told, as_syslog, offer_two_hundred
from tools.private_smtpd import wait_until


class Logged(NamedTuple):
    told: list[Told]
    log: str


@pytest.fixture(scope="module", params=["six processes", "one process"])
def logged(version: str, request: pytest.FixtureRequest) -> Iterator[Logged]:
    with Chain(version, one=request.param == "one process") as chain:
        before = len(chain.smtpd.log())
        told = offer_two_hundred(chain)
        taken = sum(not each.reply for each in told)
        wait_until(lambda: chain.smtpd.log().count("stat=Delivered") == taken, 30, "not everything was delivered")
        yield Logged(told, chain.smtpd.log()[before:])
        chain.check_alive()


@pytest.fixture
def paths(logged: Logged, tmp_path: Path) -> list[str]:
    """The log, rotated amid it, in the order a shell lists it; the older half has the other format of times."""
    old, new = as_syslog(logged.log, rfc3339=True), as_syslog(logged.log)
    half = len(new) // 2
    (tmp_path / "maillog").write_text("".join(new[half:]))
    (tmp_path / "maillog.0.gz").write_bytes(gzip.compress("".join(old[:half]).encode()))
    return [str(tmp_path / "maillog"), str(tmp_path / "maillog.0.gz")]


def stories(paths: list[str]) -> list[Mail]:
    bad: list[str] = []
    found = find(lines(reversed(paths), bad.append), lambda _: True, lambda _: None)
    assert not bad
    return joined(mail for session in found.sessions for mail in mails(session))


def test_every_mail_is_told_once_and_as_it_was(logged: Logged, paths: list[str]) -> None:
    assert len(logged.told) > 200
    found = [
        Told(
            mail.sender or "",
            ",".join(mail.recipients),
            mail.refusal.reply if mail.refusal else "",
            1 + len(mail.earlier),
        )
        for mail in stories(paths)
    ]
    wanted = Counter(_as_logged(each) for each in logged.told)
    assert Counter(found) == wanted


def _as_logged(each: Told) -> Told:
    """A refusal at MAIL FROM has no recipient."""
    early = each.reply.startswith(("550 5.7.25", "550 5.7.1 mail from residential"))
    return each._replace(recipient="") if early else each


REASONS = {
    "nobody": ("rdns", "no-ptr"),
    "home": ("dyndns", "dynamic"),
    "virus": ("clamav", "virus"),
    "spam": ("spamassassin", "spam"),
    "trapped0": ("greylist", "trap-file"),
    "trapped": ("greylist", "trapped"),
    "wide": ("clamav", "line-too-long"),
    "loop": ("smtpd", "-"),
    "many1": ("clamav", "virus"),
}


def test_who_refused_and_for_which_reason(logged: Logged, paths: list[str]) -> None:
    refused = [mail for mail in stories(paths) if mail.refusal is not None]
    for mail in refused:
        assert mail.sender is not None
        name = next(name for name in REASONS if mail.sender.startswith(name))
        assert mail.refusal is not None
        who = (
            "clamav" if name == "wide" and mail.refusal.who == "mail" else mail.refusal.who
        )  # one process says it for all
        assert (who, mail.refusal.reason) == REASONS[name]
    assert len(refused) == sum(bool(each.reply) for each in logged.told)


def test_the_report_counts_what_happened(logged: Logged, paths: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "decisions", "-j", "-n", "50", *paths]) == 0
    found = json.loads(capsys.readouterr().out)
    replies = Counter(each.reply[:1] for each in logged.told)
    waited = sum(each.attempts - 1 for each in logged.told)
    marked = sum(each.sender.startswith("offers") for each in logged.told)
    assert found["totals"] == {
        "refused": replies["5"],
        "put off": replies["4"] + waited,
        "marked": marked,
        "unchecked": 0,
        "observed": 0,
    }
    assert found["taken"] == replies[""]
    counted = {name: sum(row.values()) for name, row in found["reasons"].items()}
    assert counted["rdns: no-ptr"] == counted["dyndns: dynamic"] == EACH
    assert (counted["clamav: virus"], counted["spamassassin: spam"]) == (EACH + 1, EACH + marked)


def test_the_verb_tells_each_by_its_sender(
    logged: Logged, paths: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for each in logged.told[:12]:
        assert main(["why", "-j", each.sender, *paths]) == 0
        (mail,) = json.loads(capsys.readouterr().out)["mails"]
        assert mail["from"] == each.sender
        assert (mail["outcome"] == "delivered") is not bool(each.reply)
        assert len(mail["attempts"]) == each.attempts


def test_a_session_tells_its_earlier_attempts_too(paths: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (mail,) = [each for each in stories(paths) if each.sender == "virus0@virus.example"]
    assert main(["why", "-j", mail.session, *paths]) == 0
    (found,) = json.loads(capsys.readouterr().out)["mails"]
    assert [attempt["refused"]["reason"] for attempt in found["attempts"]] == ["new", "virus"]
    assert main(["why", mail.fact("id"), *paths]) == 0
    told = capsys.readouterr().out
    assert f"virus0@virus.example -> {BOB}: refused by clamav" in told
    assert f"        filterctl quarantine release {mail.fact('id')}\n" in told
