"""examples/two-mx.conf on two servers with one Redis between them: what one has seen, the other knows, also when the
first one is gone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.host import FILTERCTL, run
from demo.pair import Mx, open_pair
from tests.smtpd.chain import mail
from tests.smtpd.chain_config import GOOD, LONE_1, ZONE
from tools.private_smtpd import wait_until


@pytest.fixture
def pair(version: str) -> Iterator[tuple[Mx, Mx]]:
    with open_pair(version, ZONE) as (first, second):
        yield first, second
        assert second.smtpd.alive(), second.smtpd.log()


def wait_known(mx: Mx, address: str) -> None:
    """A client is answered before the store has heard that it is known now; another server may ask too soon."""
    command = (FILTERCTL, "greylist", "-f", "file:/etc/mail/greylist-store")
    wait_until(lambda: f"WHITE|{address}|" in run(mx.smtpd, *command), 20, f"{address} is not known")


def test_one_of_two_is_killed_and_no_server_waits_twice(pair: tuple[Mx, Mx]) -> None:
    first, second = pair
    text = mail("to two")
    assert first.offer(GOOD, "alice@good.example", text).code == 451
    assert first.offer(LONE_1, "alice@lone.example", text).code == 451
    first.kill()
    with pytest.raises(ConnectionRefusedError):
        first.offer(GOOD, "alice@good.example", text)
    assert second.offer(GOOD, "alice@good.example", text).code == 250
    assert b"hello" in second.smtpd.wait_mail("bob")[0]
    first.start()
    wait_known(first, GOOD)
    assert first.offer(GOOD, "somebody@good.example", mail("from a known server")).code == 250
    assert first.offer(LONE_1, "alice@lone.example", text).code == 250
    wait_known(second, LONE_1)
    assert second.offer(LONE_1, "somebody@lone.example", mail("from another known server")).code == 250
