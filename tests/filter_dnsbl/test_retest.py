"""SIGHUP: lists that are off are tested again, and what was known holds until then."""

from __future__ import annotations

import pytest

from filter_api.net.dns import Resolver, Status
from filter_api.testing import FakeZone, Player
from filter_dnsbl.filter import build
from tests.filter_dnsbl.listed import BL, CLIENT, Zone

TEST = ("2.0.0.127.bl.test", "A")
OFF = {
    "nobody": {TEST: []},
    "everybody": {("1.0.0.127.bl.test", "A"): ["127.0.0.2"]},
    "parked": {TEST: ["203.0.113.9"]},
    "no answer": {TEST: Status.TEMPFAIL},
}


@pytest.mark.parametrize("trouble", OFF.values(), ids=OFF.keys())
def test_after_sighup_a_list_that_was_mended_counts_again(trouble: Zone) -> None:
    dns = FakeZone(BL | dict(trouble))
    built = build(["-b", "bl.test"], Resolver(backend=dns))
    with Player(built) as smtpd:
        assert smtpd.connect(CLIENT).mail_from().ok
        dns.content.update({TEST: ["127.0.0.2"], ("1.0.0.127.bl.test", "A"): []})
        assert smtpd.connect(CLIENT).mail_from().ok
        built.reload()
        smtpd.connect(CLIENT).mail_from()  # this one begins the test
        smtpd.advance(1)
        assert smtpd.connect(CLIENT).mail_from().reply == "550 5.7.1 192.0.2.5 is listed by bl.test"


def test_sighup_before_any_question_does_no_harm() -> None:
    built = build(["-q", "-b", "bl.test"], Resolver(backend=FakeZone(BL)))
    with Player(built) as smtpd:
        built.reload()
        assert not smtpd.connect(CLIENT).mail_from().ok
