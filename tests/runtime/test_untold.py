"""A client whose address smtpd cannot tell: told once a session, judged by no address, trusted by nobody."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from filter_api import Decision, Filter, Proceed, Reject, Session
from filter_api.bases.judging import JudgingFilter
from filter_api.bases.phase import Phase
from filter_api.decision import Failure
from filter_api.files.exempt import ExemptTable
from filter_api.options import CommonOptions
from filter_api.testing import Player

UNTOLD = [
    (b"unknown", b"<unknown>", b"fail"),
    (b"", b"", b"fail"),
    (b":0", b"<unknown>", b"error"),
    (b"unix:/run/smtpd.sock", b"<unknown>", b"error"),  # a proxy (proxy-v2) that was spoken with over a unix socket
    (b"rubbish:25", b"mx.example.net", b"pass"),
]


class Asked(Filter):
    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        ours, exempt = self.ours(session), self.exempt(session)
        return Reject(550, "5.7.1", f"ours={ours} exempt={exempt} address={session.address}")


def connected(smtpd: Player, source: bytes, rdns: bytes, fcrdns: bytes, number: int = 1) -> bytes:
    session = b"%016x" % number
    smtpd.feed(
        b"report|0.7|1.000000|smtp-in|link-connect|%s|%s|%s|%s|192.0.2.25:25\n" % (session, rdns, fcrdns, source)
    )
    return session


def asked(smtpd: Player, session: bytes, phase: bytes = b"mail-from") -> bytes:
    smtpd.feed(b"filter|0.7|1.000000|smtp-in|%s|%s|%s|a@example.net\n" % (phase, session, smtpd.token(phase)))
    return smtpd.lines()[-1].split(b"|", 3)[3]


@pytest.mark.parametrize(("source", "rdns", "fcrdns"), UNTOLD)
def test_it_is_told_once_a_session_and_is_neither_ours_nor_exempt(source: bytes, rdns: bytes, fcrdns: bytes) -> None:
    with Player(Asked()) as smtpd:
        session = connected(smtpd, source, rdns, fcrdns)
        for _ in range(3):
            assert asked(smtpd, session) == b"reject|550 5.7.1 ours=False exempt=False address=None"
        untold = [line for line in smtpd.log if " untold " in line]
        assert len(untold) == 1
        assert untold[0].startswith("0000000000000001 untold source=")
        connected(smtpd, source, rdns, fcrdns, 2)
        assert len([line for line in smtpd.log if " untold " in line]) == 2


@pytest.mark.parametrize(("source", "rdns", "fcrdns"), UNTOLD)
def test_a_name_in_the_list_of_the_exempt_does_not_help(
    source: bytes, rdns: bytes, fcrdns: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("w") / "exempt"
    path.write_text("host:.example.net\n0.0.0.0/0\n::/0\n")
    filter_ = Asked()
    filter_.options = CommonOptions()
    filter_.options.exempt = ExemptTable(str(path))
    with Player(filter_) as smtpd:
        assert b"exempt=False" in asked(smtpd, connected(smtpd, source, rdns, fcrdns))


@pytest.mark.parametrize(
    ("source", "rdns", "fcrdns"),
    [
        (b"192.0.2.1:5", b"<unknown>", b"fail"),
        (b"[2001:db8::1]:5", b"<unknown>", b"error"),
        (b"unix:/run/smtpd.sock", b"mx.example.org", b"pass"),
        (b"unix:/run/smtpd.sock", b"localhost", b"pass"),
    ],
)
def test_a_client_that_is_told_is_no_news(source: bytes, rdns: bytes, fcrdns: bytes) -> None:
    with Player(Asked()) as smtpd:
        session = connected(smtpd, source, rdns, fcrdns)
        assert (b"ours=True" in asked(smtpd, session)) == source.startswith(b"unix:")
        assert not [line for line in smtpd.log if " untold " in line]


def test_an_outgoing_connection_is_no_client() -> None:
    class Watching(Asked):
        watch_outgoing = True

    with Player(Watching()) as smtpd:
        smtpd.feed(b"report|0.7|1.000000|smtp-out|link-connect|%016x|x|fail|unknown|unknown\n" % 1)
        assert smtpd.log == []


class Nobody(JudgingFilter):
    def __init__(self, phase: Phase) -> None:
        super().__init__()
        self.phase = phase

    def decides_at(self) -> Collection[Phase]:
        return (self.phase,)

    def judge(self, session: Session, phase: Phase, sender: bytes | None = None) -> Decision:
        return Proceed() if self.left_alone(session) else phase.refuse(550, "5.7.1", "no")


POLICIES = [
    (None, b"451 4.3.0 temporary local problem"),
    (Failure.TEMPFAIL, b"451 4.3.0 temporary local problem"),
    (Failure.REJECT, b"550 5.3.0 message cannot be checked here"),
    (Failure.ACCEPT, b""),
]


@pytest.mark.parametrize(("policy", "expected"), POLICIES)
@pytest.mark.parametrize("at", list(Phase))
def test_who_judges_clients_lets_the_failure_policy_answer(at: Phase, policy: Failure | None, expected: bytes) -> None:
    filter_, phase = Nobody(at), at.value.encode()
    filter_.options = CommonOptions()
    filter_.options.failure = policy
    word = b"proceed" if not expected else b"disconnect|" if phase == b"connect" else b"reject|"
    with Player(filter_) as smtpd:
        for number, client in enumerate(UNTOLD, 1):
            session = connected(smtpd, *client, number)
            assert asked(smtpd, session, phase) == word + expected
            if phase != b"connect":
                smtpd.feed(b"report|0.7|1.000000|smtp-in|link-auth|%s|pass|alice\n" % session)
                assert asked(smtpd, session, phase) == b"proceed", "who has authenticated is ours"
