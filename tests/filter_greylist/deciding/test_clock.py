"""A wall clock that jumps does not make the greylist jump."""

import pytest

from filter_greylist.deciding.clock import JUMP, PLAUSIBLE, SUSPENSION, CurrentClock, SteadyClock


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
    assert hands.clock.distrust() == 0
    assert hands.clock.suspended
    hands.passes(SUSPENSION)
    assert not hands.clock.suspended


class Booted(Hands):
    """A host whose clock starts at `wall`."""

    def __init__(self, wall: float) -> None:
        super().__init__()
        self.wall = wall
        self.clock = SteadyClock(lambda: self.wall, lambda: self.monotonic)


STORE = 1_800_000_000


def test_a_clock_that_cannot_be_right_gives_way_to_the_store() -> None:
    for boot in (100, 946_684_800):
        hands = Booted(boot)
        assert hands.clock.distrust(STORE) == STORE - boot
        assert hands.clock.jump == boot - STORE
        assert hands.clock.suspended
        assert hands.passes(60) == STORE + 60
        hands.wall = STORE + 600
        assert hands.passes(5) == STORE + 605, "the step is followed at once"
        assert not hands.clock.suspended
        (move,) = hands.clock.moves()
        assert move.since == STORE - 1, "the second before this filter began"
        assert move.until >= STORE + 65
        assert move.by == 540
        assert hands.clock.jump == 540
        assert hands.clock.moves() == []


@pytest.mark.parametrize("boot", [0, 315_532_800, 1_000_000_000, 1_665_999_999, STORE - 90 * 86_400, STORE - 5_000])
@pytest.mark.parametrize("past", [0, 1, 3_599, 3_601, 86_400, 400 * 86_400])
def test_a_step_to_the_time_of_the_store_or_past_it_is_followed_at_once(boot: int, past: int) -> None:
    hands = Booted(boot)
    hands.clock.distrust(STORE)
    hands.passes(30)
    hands.wall = STORE + past
    assert hands.passes(0) == STORE + past
    assert not hands.clock.suspended
    assert hands.passes(26 * 3_600) == STORE + past + 26 * 3_600
    assert not hands.clock.suspended


@pytest.mark.parametrize(
    "steps", [[STORE - 90 * 86_400, STORE], [1_000_000_000, STORE + 60], [STORE - 7_200, STORE + 1]]
)
def test_a_clock_that_is_set_in_two_steps_is_followed_at_the_second(steps: list[int]) -> None:
    hands = Booted(100)
    hands.clock.distrust(STORE)
    hands.passes(10)
    for wall in steps:
        hands.wall = wall
        hands.passes(5)
    assert hands.passes(0) == steps[-1] + 5
    assert not hands.clock.suspended


def test_a_clock_that_may_be_right_keeps_its_time_until_it_is_set() -> None:
    for behind in (8 * 3600, 50 * 86400):
        hands = Booted(STORE - behind)
        assert hands.clock.distrust(STORE) == behind
        assert hands.passes(60) == STORE - behind + 60
        hands.wall += behind
        assert hands.passes(5) == STORE + 65
        (move,) = hands.clock.moves()
        assert move.by == behind
        assert STORE - behind - 2 <= move.since <= STORE - behind
        assert move.until == STORE - behind + 66


def test_without_a_store_a_clock_of_1970_is_followed_when_it_is_set() -> None:
    hands = Booted(100)
    assert hands.clock.doubtful
    assert hands.passes(60) == 160
    hands.wall = STORE
    assert hands.passes(1) == STORE + 1
    assert not hands.clock.doubtful
    (move,) = hands.clock.moves()
    assert move.since <= 100
    assert move.until >= 160
    assert move.by == STORE - 160


def test_a_step_that_does_not_reach_the_store_is_not_followed() -> None:
    hands = Booted(100)
    hands.clock.distrust(STORE)
    hands.wall = STORE - 40 * 86400
    assert hands.passes(1) == STORE + 1
    assert hands.clock.moves() == []
    hands.wall = STORE + 3600
    assert hands.passes(1) == STORE + 3601


def test_a_store_a_little_ahead_and_one_behind_are_no_reason_for_doubt() -> None:
    for written in (STORE + JUMP, STORE, STORE - 10**6, 0):
        hands = Hands()
        assert hands.clock.distrust(int(written)) == 0
        assert not hands.clock.suspended
        assert not hands.clock.doubtful


def test_a_doubt_ends_when_time_has_come_to_the_store() -> None:
    hands = Booted(STORE - 7200)
    hands.clock.distrust(STORE)
    for _ in range(80):
        hands.passes(100)
    assert not hands.clock.doubtful
    hands.wall += 365 * 86400
    assert hands.passes(1) < STORE + 10**6, "now a jump is a jump"


def test_being_told_twice_changes_nothing() -> None:
    hands = Booted(STORE - 7200)
    assert hands.clock.distrust(STORE) == 7200
    assert hands.clock.distrust(STORE) == 0


def test_a_jump_that_is_followed_after_a_day_moves_all_that_was_remembered() -> None:
    hands = Hands()
    hands.wall += 50 * 86400
    hands.passes(60)
    assert hands.clock.moves() == []
    hands.passes(SUSPENSION)
    (move,) = hands.clock.moves()
    assert move.since == 0
    assert move.by == 50 * 86400


def test_a_jump_as_wide_as_the_last_one_that_was_followed_is_a_jump() -> None:
    hands = Hands()
    hands.wall += 7200
    hands.passes(0)
    assert hands.passes(SUSPENSION) == 1_800_007_200 + SUSPENSION
    hands.wall += 7200
    assert hands.passes(0) == 1_800_007_200 + SUSPENSION
    assert hands.clock.suspended


def test_a_second_jump_of_an_hour_at_most_is_no_new_one() -> None:
    hands = Hands()
    hands.wall += 7200
    hands.passes(0)
    hands.wall += JUMP
    hands.passes(SUSPENSION - 1)
    assert hands.clock.suspended
    assert hands.passes(1) == 1_800_000_000 + SUSPENSION + 7200 + JUMP


def test_a_second_jump_of_more_than_an_hour_begins_a_day_of_its_own() -> None:
    hands = Hands()
    hands.wall += 7200
    hands.passes(0)
    hands.wall += JUMP + 1
    hands.passes(0)
    hands.monotonic += 1
    hands.passes(SUSPENSION - 2)
    assert hands.clock.suspended


def test_a_step_to_an_hour_before_the_time_of_the_store_is_followed() -> None:
    hands = Booted(100)
    hands.clock.distrust(STORE)
    hands.wall = STORE - JUMP
    assert hands.passes(0) == STORE - JUMP
    assert [move.by for move in hands.clock.moves()] == [-JUMP]


def test_a_step_of_an_hour_is_a_correction_though_it_comes_to_the_time_of_the_store() -> None:
    hands = Booted(STORE - 7200)
    hands.clock.distrust(STORE)
    hands.wall += JUMP
    assert hands.passes(0) == STORE - JUMP
    assert hands.clock.moves() == []
    assert hands.clock.doubtful
    hands.passes(JUMP)
    assert not hands.clock.doubtful, "the time of the store has come"


def test_a_clock_that_has_just_become_possible_keeps_its_own_time() -> None:
    assert Booted(PLAUSIBLE - 1).clock.doubtful
    hands = Booted(PLAUSIBLE)
    assert (hands.clock.doubtful, hands.clock.jump) == (False, 0)
    hands.clock.distrust(STORE)
    assert hands.passes(0) == 1_666_000_000


def test_after_a_step_that_was_followed_a_new_doubt_keeps_the_time_of_the_wall() -> None:
    hands = Booted(100)
    hands.clock.distrust(STORE)
    hands.wall = STORE
    hands.passes(0)
    assert len(hands.clock.moves()) == 1
    hands.clock.distrust(STORE + 7200)
    hands.passes(3600)
    assert hands.clock.moves() == [], "there was no step"


def test_a_store_has_the_clock_that_the_filter_has_at_the_moment() -> None:
    first, second = Hands(), Hands()
    second.wall += 100
    second.monotonic = 70.0
    second.clock = SteadyClock(lambda: second.wall, lambda: second.monotonic)
    clocks = [first.clock]
    current = CurrentClock(lambda: clocks[0])
    assert (current.time(), current.monotonic(), current.source) == (1_800_000_000.0, 50.0, (first.clock, 50.0))
    clocks[0] = second.clock
    assert (current.time(), current.monotonic(), current.source) == (1_800_000_100.0, 70.0, (second.clock, 70.0))
