"""The daemons beside a private smtpd run, answer, stop, start again and freeze."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tools.private_smtpd import Namespace, require
from tools.private_smtpd.backends import Backend, start_clamd, start_redis, start_spamd


@pytest.mark.parametrize("start", [start_clamd, start_spamd, start_redis])
def test_a_backend_stops_starts_and_freezes(newest: str, start: Callable[[Namespace], Backend]) -> None:
    with Namespace(require(newest)) as room:
        backend = start(room)
        assert backend.answers()
        backend.stop()
        assert not backend.answers()
        backend.start()
        assert backend.answers()
        backend.freeze()
        assert not backend.answers()
        backend.thaw()
        assert backend.answers()
