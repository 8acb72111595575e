"""The rules, free of stores and clocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_greylist.rules.policy import (
    Delay,
    Facts,
    Known,
    Outcome,
    Pass,
    Trap,
    advance,
    before_tuple,
    learned,
    minutes_left,
    on_tuple,
)
from filter_greylist.rules.records import SLACK, TRAP_SECONDS, Life, Timers

NOW = 1_800_000_000
TIMERS = Timers()
LIVE = Life(NOW - 100, NOW - 100, NOW + 100)
DEAD = Life(NOW - 100, NOW - 100, NOW)
DOMAIN = Life(NOW - 100, NOW - 100, NOW + 100, 0, 2)


def test_a_tuple_passes_after_passtime_and_before_greyexp() -> None:
    first = advance(None, NOW, TIMERS)
    assert first == Life(NOW, NOW + 1500, NOW + 14400, 1, 0)
    early = advance(first, NOW + 1499, TIMERS)
    assert early == first._replace(blocked=2), "an early retry does not restart the clock"
    late = advance(early, NOW + 1500, TIMERS)
    assert late.passed == 1
    assert late.expires == NOW + 1500 + 14400, "what passed lives on for greyexp"
    again = advance(late, NOW + 1501, TIMERS)
    assert again.passed == 2, "it is not greylisted again"


def test_a_tuple_that_comes_back_too_late_begins_anew() -> None:
    first = advance(None, NOW, TIMERS)
    assert advance(first, NOW + 14400, TIMERS) == advance(None, NOW + 14400, TIMERS)


def test_with_a_passtime_of_zero_the_first_retry_passes() -> None:
    timers = Timers(0, 3600, 7200)
    first = advance(None, NOW, timers)
    assert isinstance(on_tuple(first, Facts(), NOW, timers), Delay)
    assert isinstance(on_tuple(advance(first, NOW, timers), Facts(), NOW, timers), Pass)


def test_a_tuple_from_the_future_begins_anew() -> None:
    ahead = advance(None, NOW + SLACK + 1, TIMERS)
    assert advance(ahead, NOW, TIMERS) == advance(None, NOW, TIMERS)
    within = advance(None, NOW + SLACK, TIMERS)
    assert advance(within, NOW, TIMERS).first == NOW + SLACK


@given(st.lists(st.integers(0, 40_000), max_size=30), st.integers(0, 3000), st.integers(1, 20_000))
def test_nobody_passes_before_passtime_and_everybody_who_retries_in_time_does(
    steps: list[int], passes: int, grey: int
) -> None:
    timers = Timers(passes, grey, grey)
    life, now = None, NOW
    for step in steps:
        now += step
        before, life = life, advance(life, now, timers)
        if life.passed:
            assert before is not None
            assert now >= life.first + passes
        elif before is not None and before.first + passes <= now < before.expires:
            pytest.fail("a retry in time was not let in")


@pytest.mark.parametrize(
    ("known", "facts", "outcome"),
    [
        (Known(), Facts(), None),
        (Known(white=LIVE), Facts(), Pass("white")),
        (Known(white=DEAD), Facts(), None),
        (Known(white=LIVE, trapped=LIVE, spamtrap=LIVE), Facts(trap="foreign-domain"), Pass("white")),
        (Known(trapped=LIVE), Facts(), Trap("trapped", fresh=False)),
        (Known(trapped=DEAD), Facts(), None),
        (Known(trapped=LIVE), Facts(null_sender=True), Trap("trapped", fresh=False)),
        (Known(trapped=LIVE._replace(expires=NOW + TRAP_SECONDS + SLACK + 1)), Facts(), None),
        (Known(spamtrap=LIVE), Facts(), Trap("spamtrap", fresh=True)),
        (Known(), Facts(trap="foreign-domain"), Trap("foreign-domain", fresh=True)),
        (Known(spamtrap=LIVE), Facts(null_sender=True), None),
        (Known(spamtrap=LIVE), Facts(common=True), Pass("common")),
        (Known(pair=LIVE), Facts(), None),
        (Known(pair=LIVE), Facts(spf_strong=True), Pass("learned")),
        (Known(pair=DEAD), Facts(spf_strong=True), None),
        (Known(domain=DOMAIN), Facts(spf_strong=True), Pass("learned")),
        (Known(domain=DOMAIN), Facts(), None),
        (Known(domain=DOMAIN._replace(passed=1)), Facts(spf_strong=True), None),
        (Known(), Facts(spf_strong=True), None),
        (Known(), Facts(suspicious=False), Pass("unsuspicious")),
        (Known(spamtrap=LIVE), Facts(suspicious=False), Trap("spamtrap", fresh=True)),
        (Known(spamtrap=LIVE), Facts(suspicious=False, null_sender=True), Pass("unsuspicious")),
        (Known(trapped=LIVE), Facts(suspicious=False), Trap("trapped", fresh=False)),
    ],
)
def test_what_decides_before_the_tuple(known: Known, facts: Facts, outcome: Outcome | None) -> None:
    assert before_tuple(known, facts, NOW) == outcome


@pytest.mark.parametrize(
    ("life", "facts", "outcome"),
    [
        (None, Facts(), Delay("full", 1500)),
        (Life(NOW, NOW + 1500, NOW + 9999, 1, 0), Facts(), Delay("new", 1500)),
        (Life(NOW, NOW + 1500, NOW + 9999, 1, 0), Facts(low_mx=True), Trap("low-priority-mx", fresh=True)),
        (Life(NOW, NOW + 1500, NOW + 9999, 1, 0), Facts(low_mx=True, null_sender=True), Delay("new", 1500)),
        (Life(NOW - 60, NOW + 1440, NOW + 9999, 2, 0), Facts(low_mx=True), Delay("early", 1440)),
        (Life(NOW - 2000, NOW - 500, NOW + 9999, 1, 1), Facts(), Pass("retried", 2000)),
    ],
)
def test_what_the_tuple_decides(life: Life | None, facts: Facts, outcome: Outcome) -> None:
    assert on_tuple(life, facts, NOW, TIMERS) == outcome


def test_a_domain_is_learned_after_two_messages() -> None:
    assert not learned(Known(domain=Life(NOW, NOW, NOW + 9, 0, 1)), NOW)
    assert learned(Known(domain=Life(NOW, NOW, NOW + 9, 0, 2)), NOW)


def test_minutes_are_rounded_up() -> None:
    assert [minutes_left(seconds) for seconds in (0, 1, 60, 61, 1500)] == [1, 1, 1, 2, 25]


@pytest.mark.parametrize(
    ("known", "knows"),
    [
        (Known(), False),
        (Known(pair=LIVE), True),
        (Known(pair=DEAD), False),
        (Known(domain=DOMAIN), True),
        (Known(domain=DOMAIN._replace(passed=1)), False),
        (Known(domain=DOMAIN._replace(expires=NOW)), False),
        (Known(domain=DOMAIN._replace(expires=NOW + 1)), True),
        (Known(pair=DEAD, domain=DOMAIN), True),
    ],
)
def test_what_our_users_wrote_to_is_known_until_its_last_second(known: Known, knows: bool) -> None:
    assert learned(known, NOW) is knows


@pytest.mark.parametrize(
    ("expires", "holds"),
    [(NOW, False), (NOW + 1, True), (NOW + TRAP_SECONDS + SLACK, True), (NOW + TRAP_SECONDS + SLACK + 1, False)],
)
def test_a_trap_holds_until_its_end_and_not_at_all_if_no_trap_lasts_so_long(expires: int, holds: bool) -> None:
    known = Known(trapped=Life(NOW - 100, NOW - 100, expires))
    assert (before_tuple(known, Facts(), NOW) == Trap("trapped", fresh=False)) is holds


@pytest.mark.parametrize(("seconds", "minutes"), [(0, 1), (1, 1), (60, 1), (61, 2), (120, 2), (1500, 25)])
def test_a_client_is_told_whole_minutes(seconds: int, minutes: int) -> None:
    assert minutes_left(seconds) == minutes


def test_a_retry_in_the_same_second_has_waited_for_no_time() -> None:
    assert on_tuple(Life(100, 100, 200, 1, 1), Facts(), 100, Timers()) == Pass("retried", 0)


def test_an_operators_trap_counts_though_the_domains_have_just_changed() -> None:
    known, facts = Known(spamtrap=Life(1, 1, 200)), Facts(trap_settled=False)
    assert before_tuple(known, facts, 100) == Trap("spamtrap", fresh=True)
    assert before_tuple(Known(), facts._replace(trap="foreign-domain"), 100) == Trap("foreign-domain", fresh=False)
