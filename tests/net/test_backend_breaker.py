"""The breaker: opens after five failures in a row, probes every ten seconds, and says so once."""

from __future__ import annotations

import logging

import pytest

from filter_api.net.breaker import Breaker


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_opens_probes_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "filter_api.backend")
    clock = Clock()
    breaker = Breaker("/run/x", clock=clock)
    for _ in range(4):
        breaker.failed("refused")
        assert breaker.admits()
    assert not caplog.records
    breaker.failed("refused")
    assert breaker.is_open
    assert not breaker.admits()
    clock.now += 9.9
    assert not breaker.admits()
    clock.now += 0.1
    assert breaker.admits()
    assert not breaker.admits(), "one probe, not all that wait"
    for _ in range(20):
        breaker.failed("refused")
    clock.now += 10
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.admits()
    assert breaker.admits()
    assert [record.getMessage() for record in caplog.records] == [
        "backend /run/x is down: refused (tried again every 10 seconds)",
        "backend /run/x is back after 20 seconds",
    ]


def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = Breaker("x")
    for _ in range(10):
        for _ in range(4):
            breaker.failed("refused")
        breaker.succeeded()
    assert breaker.admits()


def test_late_failures_of_questions_under_way_do_not_keep_it_open() -> None:
    clock = Clock()
    breaker = Breaker("x", clock=clock)
    for _ in range(5):
        breaker.failed("refused")
    clock.now += 9
    breaker.failed("a question asked before")
    clock.now += 1
    assert breaker.admits()
