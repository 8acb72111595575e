"""A wall clock that jumps does not make the greylist jump."""

from filter_greylist.deciding.clock import JUMP, SUSPENSION, SteadyClock


class Hands:
    """A wall clock and a monotonic one, set by hand."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.monotonic = 50.0
        self.clock = SteadyClock(lambda: self.wall, lambda: self.monotonic)

    def passes(self, seconds: float) -> int:
        self.wall += seconds
        self.monotonic += seconds
        return self.clock.now()


def test_it_follows_time_and_small_corrections() -> None:
    hands = Hands()
    assert hands.passes(10) == 1_800_000_010
    hands.wall += JUMP
    assert hands.passes(0) == 1_800_000_010 + JUMP
    hands.wall -= 600
    assert hands.passes(0) == 1_800_000_010 + JUMP - 600
    assert not hands.clock.suspended


def test_a_jump_is_not_followed_for_a_day() -> None:
    for jump in (365 * 86400, -86400):
        hands = Hands()
        hands.wall += jump
        assert hands.passes(60) == 1_800_000_060
        assert hands.clock.suspended
        assert abs(hands.clock.jump - jump) < 2
        assert hands.passes(SUSPENSION - 1) == 1_800_000_060 + SUSPENSION - 1
        assert hands.passes(2) == 1_800_000_061 + SUSPENSION + jump
        assert not hands.clock.suspended


def test_a_clock_that_was_set_right_again_is_followed_at_once() -> None:
    hands = Hands()
    hands.wall += 7200
    hands.passes(100)
    hands.wall -= 7200
    assert hands.passes(100) == 1_800_000_200
    assert hands.clock.suspended, "expiry waits the day out"
    hands.passes(SUSPENSION)
    assert not hands.clock.suspended


def test_a_second_jump_begins_a_day_of_its_own() -> None:
    hands = Hands()
    hands.wall += 7200
    hands.passes(SUSPENSION / 2)
    hands.wall += 7200
    hands.passes(1)
    hands.passes(SUSPENSION / 2)
    assert hands.clock.suspended
    assert hands.passes(SUSPENSION / 2) == 1_800_000_001 + SUSPENSION * 1.5 + 14400


def test_a_store_from_the_future_suspends_expiry_too() -> None:
    hands = Hands()
    hands.clock.distrust()
    assert hands.clock.suspended
    hands.passes(SUSPENSION)
    assert not hands.clock.suspended
