"""Sessions that are open, and those that have ended: a late line of one does not bring it back."""

from __future__ import annotations

from filter_api import Filter, Proceed, Session
from filter_api.runtime.sessions import Sessions
from filter_api.testing import Player

ID = b"00000000000000aa"


def test_a_session_that_ended_is_not_kept_when_a_late_line_comes() -> None:
    sessions = Sessions()
    assert not sessions.add(ID, 1.0).outgoing
    assert (len(sessions), sessions.seen) == (1, 1)
    sessions.end(ID)
    assert sessions.has_ended(ID)
    late = sessions.add(ID, 2.0, True)
    assert (late.id, late.outgoing, late.connected_at) == (ID, True, 2.0)
    assert len(sessions) == 0
    assert not sessions.begin(ID, 3.0).outgoing
    assert sessions.open[ID].connected_at == 3.0
    assert not sessions.has_ended(ID)
    assert (len(sessions), sessions.seen) == (1, 2)


def test_what_is_no_id_of_a_session_is_not_kept() -> None:
    """A stranger cannot choose ids; a newer smtpd might write other things there."""
    sessions = Sessions()
    sessions.add(b"no-id", 1.0)
    sessions.begin(b"no-id", 1.0)
    assert (len(sessions), sessions.seen) == (0, 0)


def test_only_so_many_that_ended_are_remembered() -> None:
    sessions = Sessions()
    most = 0
    for number in range(20_000):
        sessions.end(b"%016x" % number)
        most = max(most, len(sessions._gone) + len(sessions._gone_before))
    assert sessions.has_ended(b"%016x" % 19_999)
    assert sessions.has_ended(b"%016x" % 16_000)
    assert not sessions.has_ended(b"%016x" % 0)
    assert most <= 2 * 4_096


def test_an_id_that_smtpd_uses_again_is_a_new_session() -> None:
    seen: list[Session] = []

    class Seeing(Filter):
        def on_connect(self, session: Session) -> Proceed:
            seen.append(session)
            return Proceed()

    with Player(Seeing()) as smtpd:
        client = smtpd.connect()
        client.vanish()
        for name in (b"link-connect", b"link-disconnect"):
            fields = b"|mx|pass|192.0.2.9:1|198.51.100.1:25" if name == b"link-connect" else b""
            smtpd.feed(b"report|0.7|1.1|smtp-in|%b|%b%b\n" % (name, client.id, fields))
            if name == b"link-connect":
                question = b"filter|0.7|1.1|smtp-in|connect|%b|%b|mx|192.0.2.9\n"
                smtpd.feed(question % (client.id, smtpd.token(b"connect")))
        assert len(smtpd.dispatcher.sessions) == 0
    assert [session.source[:9] for session in seen] == [b"192.0.2.1", b"192.0.2.9"]


def test_an_id_that_was_used_long_ago_may_be_used_again() -> None:
    sessions = Sessions()
    sessions.end(ID)
    for number in range(4_096):
        sessions.end(b"%016x" % (number + 1_000))
    assert sessions.has_ended(ID)
    sessions.begin(ID, 1.0)
    assert not sessions.has_ended(ID)
    assert list(sessions.open) == [ID]
