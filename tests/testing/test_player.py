"""smtpd in memory speaks the protocol it is told to: versions are numbers, and 0.10 is later than 0.7."""

from __future__ import annotations

import pytest

from filter_api import Filter, Proceed, Session
from filter_api.testing import Player


class Told(Filter):
    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def on_mail_from(self, session: Session, sender: bytes) -> Proceed:
        return Proceed()

    def saw_auth(self, session: Session, result: str, user: bytes) -> None:
        self.told.append((result, user))

    def saw_rcpt(self, session: Session, result: str, recipient: bytes) -> None:
        self.told.append((result, recipient))


@pytest.mark.parametrize("protocol", ["0.4", "0.5", "0.6", "0.7", "0.8", "0.10", "0.11", "1.0"])
def test_fields_stand_where_that_version_has_them(protocol: str) -> None:
    filter_ = Told()
    with Player(filter_, protocol=protocol) as smtpd:
        client = smtpd.connect()
        client.auth("alice", "pass")
        assert client.mail_from().ok
        client.rcpt_to("us@example.org")
        written = [line for line in smtpd.lines() if line.startswith(b"filter-result|")]
        first = b"filter-result|" + (smtpd.token(b"mail-from") if protocol == "0.4" else client.id)
        assert all(line.startswith(first) for line in written)
    assert filter_.told == [("pass", b"alice"), ("ok", b"us@example.org")]
