"""Lists that say who waits, and the low-priority MX: when nothing more can change."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from filter_api.net.dnsbl import Tally
from filter_greylist.deciding.listed import _is_settled
from filter_greylist.deciding.trap import BEAT_VALID, FIRST_SECONDS, LowPriorityMx

MX = ip_address("192.0.2.25")
OTHER = ip_address("192.0.2.26")


@pytest.mark.parametrize(
    ("low", "high", "settled"),
    [(1, 3, True), (0, 3, False), (-3, -1, True), (-3, 0, False), (-1, 1, False), (0, 0, True), (2, 2, True)],
)
def test_what_is_open_matters_as_long_as_it_can_change_the_sign(low: int, high: int, settled: bool) -> None:
    assert _is_settled(Tally(low=low, high=high)) is settled


@pytest.mark.parametrize("trusted", [False, True])
def test_in_its_first_seconds_a_server_has_not_seen_enough(trusted: bool) -> None:
    mx = LowPriorityMx(MX, 100.0)
    mx.saw(OTHER)
    if trusted:
        mx.trust_the_start()
    assert mx.out_of_order(MX, 100.0, falling_back=False) is trusted
    assert mx.out_of_order(MX, 100.0 + FIRST_SECONDS - 1, falling_back=False) is trusted
    assert mx.out_of_order(MX, 100.0 + FIRST_SECONDS, falling_back=False)


@pytest.mark.parametrize(
    ("age", "valid"),
    [(0.0, True), (BEAT_VALID - 1, True), (BEAT_VALID, False), (-BEAT_VALID, False), (1 - BEAT_VALID, True)],
)
def test_a_beat_of_the_primary_counts_while_it_is_fresh(age: float, valid: bool) -> None:
    mx = LowPriorityMx(MX, 0.0)
    mx.trust_the_start()
    mx.heard(1_000_000.0, age)
    assert mx.out_of_order(MX, 1_000_000.0, falling_back=False) is valid
    assert not mx.out_of_order(MX, 1_000_000.0 + BEAT_VALID, falling_back=False)
    assert not mx.out_of_order(OTHER, 1_000_000.0, falling_back=False)
    assert not mx.out_of_order(MX, 1_000_000.0, falling_back=True)
