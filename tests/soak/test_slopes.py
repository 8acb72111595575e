"""What the soak holds to be growth, and what it does not."""

from __future__ import annotations

import random

import pytest

from tools.soak.slopes import judge, lowest, slope

HOURS_2 = [float(second) for second in range(0, 7200, 10)]


def test_the_slope_of_a_line_is_its_rise_in_an_hour() -> None:
    assert slope([(0.0, 10.0), (1800.0, 11.0), (3600.0, 12.0)]) == 2.0


def test_one_odd_value_in_many_moves_no_slope() -> None:
    points = [(second, 30.0) for second in HOURS_2[:50]]
    points[40] = (points[40][0], 900.0)
    assert slope(points) == 0.0


def test_less_than_two_points_have_no_slope() -> None:
    assert slope([]) == 0.0
    assert slope([(5.0, 1.0)]) == 0.0


def test_what_is_in_use_for_a_moment_is_not_seen() -> None:
    """Descriptors of connections that come and go."""
    points = [(second, 10.0 + second % 40 / 10) for second in HOURS_2]
    assert {value for _, value in lowest(points)} == {10.0}


@pytest.mark.parametrize("hourly", [1.2, 3.0, 50.0])
def test_a_leak_grows(hourly: float) -> None:
    dice = random.Random(2)
    points = [(second, 30.0 + hourly * second / 3600 + dice.uniform(0, 0.4)) for second in HOURS_2]
    found = judge("filter-x resident", "MB", points, after=1800.0, bound=1.0, least=0.5)
    assert found.grows
    assert " GROWS" in str(found)
    assert found.hourly == pytest.approx(hourly, abs=0.1)


def test_what_grows_while_it_warms_up_does_not() -> None:
    points = [(second, 30.0 + min(second, 1700.0) / 100) for second in HOURS_2]
    found = judge("filter-x resident", "MB", points, after=1800.0, bound=1.0, least=0.5)
    assert (found.first, found.last, found.hourly) == (47.0, 47.0, 0.0)
    assert found.judged
    assert not found.grows


def test_one_descriptor_lost_in_each_half_hour_grows() -> None:
    points = [(second, float(10 + second // 1800)) for second in HOURS_2]
    assert judge("descriptors", "", points, after=1800.0, bound=0.01, least=0.5).grows


def test_a_single_step_and_no_more_does_not() -> None:
    """A connection that is kept from some time on."""
    points = [(second, 10.0 if second < 2400 else 11.0) for second in HOURS_2]
    assert not judge("descriptors", "", points, after=1800.0, bound=0.01, least=0.5).grows


def test_a_share_of_the_first_value_is_a_bound_too() -> None:
    doubled = [(second, 20.0 + second / 300) for second in HOURS_2]
    steady = [(second, 20.0 + second / 7200) for second in HOURS_2]
    assert judge("p50", "ms", doubled, after=0.0, share=1.0, least=5.0).grows
    assert not judge("p50", "ms", steady, after=0.0, share=1.0, least=5.0).grows


def test_minutes_are_too_short_to_judge() -> None:
    points = [(float(second), 30.0 + second) for second in range(300)]
    found = judge("filter-x resident", "MB", points, after=60.0, bound=1.0, least=0.5)
    assert not found.judged
    assert not found.grows
    assert str(found).endswith(" -")


def test_nothing_measured_is_nothing_judged() -> None:
    assert not judge("data in Redis", "MB", [], after=60.0, bound=1.0, least=0.5).judged
