"""Marks, texts, observing, the log and bad input, played in memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.errors import UsageError
from filter_rdns.filter import ReverseDns, build
from tests.filter_rdns.play import (
    BARE,
    DOWN,
    GOOD,
    LIAR,
    player,
    refusal,
)


@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
def test_marks_are_made_at_mail_from(phase: str) -> None:
    smtpd, _ = player("-m", "-p", phase)
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        assert client.verdict == "proceed"
        assert client.mail_from().verdict == "junk"
        assert client.rcpt_to().verdict == "proceed"
        assert not smtpd.connect(DOWN, rdns=None, fcrdns="fail").mail_from().ok


def test_a_text_of_the_operator() -> None:
    assert refusal("-r", "no name, no mail", address=BARE, rdns=None) == ("reject", "550 5.7.25 no name, no mail")
    assert refusal("-r", "no name", address=DOWN, rdns=None)[1].endswith("cannot be looked up, try again later")


def test_observing_refuses_nobody_and_tells_everything() -> None:
    smtpd, _ = player("-n")
    with smtpd:
        assert smtpd.connect(BARE, rdns=None, fcrdns="fail").mail_from().ok
        assert len(smtpd.log) == 1
        assert " action=observe-reject " in smtpd.log[0]


def test_the_line_of_a_refusal() -> None:
    smtpd, _ = player("-f")
    with smtpd:
        client = smtpd.connect(LIAR, rdns=b"www.example.org", fcrdns="fail")
        client.helo("liar.example")
        client.mail_from("joe@example.net")
        assert smtpd.log == [
            client.id.decode() + ' mail-from action=reject reply="550 5.7.25 reverse DNS of 192.0.2.4 does not lead'
            ' back to it" reason=mismatch ptr=www.example.org client=192.0.2.4 rdns=www.example.org helo=liar.example'
            " from=<joe@example.net>"
        ]


def test_verbose_tells_why_somebody_was_let_through() -> None:
    smtpd, _ = player("-fv")
    with smtpd:
        smtpd.connect(GOOD, rdns=None, fcrdns="fail").mail_from()
        assert [line.split(" ", 1)[1] for line in smtpd.log] == [
            'looked-up finding=confirmed ptr=mx.example.org why=""'
        ]


@pytest.mark.parametrize("arguments", [["-p", "data"], ["-r", ""], ["-r", "a\nb"], ["-x"], ["extra"], ["-F", "maybe"]])
def test_a_bad_command_line(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        build(arguments)


WORD = st.binary(max_size=40).filter(lambda word: b"\n" not in word and b"\0" not in word and b"|" not in word)


@given(rdns=WORD, fcrdns=st.sampled_from(["pass", "fail", "error", ""]), helo=WORD, sender=WORD)
@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
def test_whatever_clients_say_every_question_gets_one_answer(
    phase: str, rdns: bytes, fcrdns: str, helo: bytes, sender: bytes
) -> None:
    smtpd, _ = player("-fHSv", "-p", phase)
    with smtpd:
        client = smtpd.connect(BARE, rdns=rdns, fcrdns=fcrdns)
        if client.verdict == "proceed":
            client.helo(helo)
            client.mail_from(sender)
            client.rcpt_to(sender)
    assert isinstance(smtpd.filter, ReverseDns)
    assert all(line.isascii() and line.isprintable() for line in smtpd.log)
