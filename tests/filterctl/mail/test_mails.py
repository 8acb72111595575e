"""The mails of a session from its lines: outcomes, what strangers write, garbage, memory."""

from __future__ import annotations

import json
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterctl.__main__ import VERBS
from filterctl.mail.logfile import Line
from filterctl.mail.mails import mails, visit
from filterctl.mail.remedies import REASONS
from filterctl.mail.retries import joined
from filterctl.mail.sessions import Session, find
from filterctl.mail.telling import data, story
from tests.filterctl.mail.test_why import LOG, S1


def test_a_mail_is_delivered_when_each_of_its_envelopes_is() -> None:
    """Two recipients: one has it, the other not yet."""
    made = session(
        "smtpd: smtp message msgid=4634fec3 size=783 nrcpt=2 proto=ESMTP",
        "smtpd: smtp envelope evpid=4634fec3da1abc21 from=<a@b> to=<c@d>",
        "smtpd: smtp envelope evpid=4634fec3da1abc22 from=<a@b> to=<e@d>",
    )
    text = "mda delivery evpid={} from=<a@b> to=<{}> rcpt=<{}> user=x delay=0s result={} stat={}"
    outcomes = []
    for evpid, to, result in (("21", "c@d", "Ok"), ("22", "e@d", "TempFail"), ("22", "e@d", "PermFail")):
        line = text.format("4634fec3da1abc" + evpid, to, to, result, "x")
        made.add(Line("2026-01-01T00:00:01", "-", "mx", "smtpd", "0" * 16, line), delivery=True)
        (mail,) = mails(made)
        outcomes.append(mail.outcome)
    assert outcomes == ["queued", "queued", "undeliverable"]


def session(*texts: str) -> Session:
    made = Session("mx", S1)
    for text in texts:
        who, _, rest = text.partition(": ")
        made.add(Line("2026-01-01T00:00:00", "Jan  1 00:00:00", "mx", who, S1, rest), delivery=False)
    return made


def test_a_client_cannot_write_its_own_result() -> None:
    """smtpd logs a command as it came: what it holds is no result."""
    (mail,) = mails(session('smtpd: smtp failed-command command="MAIL FROM:<a@b> x" result="250 ok" result="550 no"'))
    assert mail.refusal is not None
    assert mail.refusal.reply == "550 no"


TEXT = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    ["\x1b[2J", "\x9b31m", "\u202e", "\x7f", "\r"]
)


@settings(deadline=None)
@given(TEXT, TEXT, st.sampled_from(sorted(REASONS)))
def test_nothing_a_stranger_wrote_drives_a_terminal_or_a_shell(one: str, two: str, reason: str) -> None:
    texts = (
        f"smtpd: smtp connected address=192.0.2.1 host={one}",
        f'f: rcpt-to action=reject reply="550 {two}" reason={reason} name={one} id={two} from=<{one}> to=<{two}>',
        f"smtpd: smtp authentication user={two} result=ok",
        f"f: message result=spam action=proceed from=<{two}> to=<{one}> subject={one} msgid={two}",
        f'smtpd: smtp failed-command command="RCPT TO:<{one}>" result="550 {two}"',
        f"smtpd: smtp disconnected reason={one}",
    )
    for mail in mails(session(*texts)):
        for line in story(mail):
            assert line.isprintable(), line
            if line.startswith(" " * 8):
                assert not set(line.split(">>")[0]) & set(';|`\\\n()<"'), line


def test_the_memory_of_a_log_is_bounded() -> None:
    """A session is kept while it may go on, and to the end only if it was asked for."""
    several = (
        Line("2026-01-01T00:00:00", "-", "mx", "smtpd", f"{number:016x}", "smtp connected address=192.0.2.1 host=x")
        for number in range(50_000)
    )
    tracemalloc.start()
    found = find(several, lambda text: text.startswith("00000000000000ff"), lambda _: None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [each.name for each in found.sessions] == ["00000000000000ff"]
    assert peak < 12_000_000


def test_a_session_that_was_asked_for_is_one_however_long_it_takes() -> None:
    def of(name: int, text: str) -> Line:
        return Line("2026-01-01T00:00:00", "-", "mx", "smtpd", f"{name:016x}", text)

    others = (of(number, "smtp connected address=192.0.2.1 host=x") for number in range(1, 20_000))
    found = find([of(0, "smtp connected host=mine"), *others, of(0, "smtp disconnected host=mine")], _is_mine, _ignore)
    assert [len(each.lines) for each in found.sessions] == [2]


def test_sessions_that_were_asked_for_are_kept_within_bounds_and_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filterctl.mail.sessions.LOG_LINES_HELD", 100)
    several = (Line("2026-01-01T00:00:00", "-", "mx", "smtpd", f"{n // 10:016x}", "smtp mine") for n in range(500))
    found = find(several, _is_mine, _ignore)
    assert found.more
    assert 90 <= sum(each.size for each in found.sessions) <= 100
    assert found.sessions[0].size == 10


def _is_mine(text: str) -> bool:
    return "mine" in text


def _ignore(_: Line) -> None:
    pass


@pytest.mark.parametrize(("page", "least"), [("filter-rdns.8", 10), ("filter-greylist.8", 7)])
def test_each_reason_of_the_manuals_has_a_remedy(page: str, least: int) -> None:
    text = (Path(__file__).parents[3] / "man" / page).read_text()
    log = text[text.index("\n.Sh LOG") :]
    entry = log[log.index(".It Cm reason\n") :]
    reasons = re.findall(r"^\.It Cm ([a-z-]+)$", entry[: entry.index("\n.El")], re.MULTILINE)[1:]
    assert len(reasons) >= least
    assert set(reasons) <= set(REASONS)


def test_the_commands_of_remedies_have_verbs_that_exist() -> None:
    commands = [command.split() for remedy in REASONS.values() for command in remedy.commands]
    assert {words[1] for words in commands if words[0] == "filterctl"} <= set(VERBS)
    assert {words[0] for words in commands} == {"filterctl", "echo"}


PIECES = st.sampled_from([*LOG.split(), "smtp", "mda delivery", "message", "rcpt-to action=reject", "=", "<", '"'])
GARBAGE = st.lists(st.lists(PIECES, max_size=12).map(" ".join), min_size=1, max_size=8)


@settings(deadline=None)
@given(GARBAGE, GARBAGE)
def test_garbage_is_never_an_error(one: list[str], two: list[str]) -> None:
    made = session(*(f"smtpd: {text}" for text in one), *(f"f: {text}" for text in two))
    for text in one:
        made.add(Line("2026-01-01T00:00:01", "-", "mx", "smtpd", "0" * 16, text), delivery=True)
    for mail in joined([*mails(made), visit(made)]):
        assert all(line.isprintable() for line in story(mail))
        assert json.dumps(data(mail))
