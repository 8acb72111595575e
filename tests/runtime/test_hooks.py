"""What a hook is called with: the fields of smtpd's line, as they are meant."""

from __future__ import annotations

import pytest

from filter_api import Filter, Session
from filter_api.testing import Player


class Told(Filter):
    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def saw_filter_response(self, session: Session, phase: str, response: str, parameter: bytes) -> None:
        self.told.append((phase, response, parameter))

    def saw_filter_report(self, session: Session, kind: str, name: bytes, text: bytes) -> None:
        self.told.append((kind, name, text))

    def saw_commit(self, session: Session, size: int) -> None:
        self.told.append((size,))


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (b"filter-response|%b|connected|proceed", ("connected", "proceed", b"")),
        (b"filter-response|%b|rcpt-to|reject|550 5.7.1 a|b", ("rcpt-to", "reject", b"550 5.7.1 a|b")),
        (b"filter-response|%b|mail-from|rewrite|<a|b@x>", ("mail-from", "rewrite", b"<a|b@x>")),
        (b"filter-report|%b|warn|name|text|with bars", ("warn", b"name", b"text|with bars")),
        (b"tx-commit|%b|0badcafe|497", (497,)),
        (b"tx-commit|%b|0badcafe|many", (0,)),
        (b"tx-commit|%b|0badcafe|" + b"9" * 5_000, (0,)),
    ],
)
def test_the_fields_of_a_report_are_the_arguments(report: bytes, told: tuple[object, ...]) -> None:
    filter_ = Told()
    with Player(filter_) as smtpd:
        name, _, rest = report.partition(b"|")
        client = smtpd.connect()
        smtpd.feed(b"report|0.7|1.1|smtp-in|" + name + b"|" + rest % client.id + b"\n")
    assert filter_.told == [told]
