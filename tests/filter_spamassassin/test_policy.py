"""Points and thresholds, without a scanner."""

from __future__ import annotations

from math import inf

import pytest

from filter_spamassassin.policy import Judgement, judge, number, refused
from filter_spamassassin.spamd import Scan


@pytest.mark.parametrize(
    ("scan", "points", "spam", "score", "tests"),
    [
        (Scan(False, 4.9, 5.0, ("A",)), None, False, 4.9, ("A",)),
        (Scan(True, 5.0, 5.0, ("A",)), None, True, 5.0, ("A",)),
        (Scan(False, 5.0, 5.0), None, False, 5.0, ()),  # 4.96 as spamd shows it: its word counts
        (Scan(False, 4.9, 5.0, ("A",)), 0.1, True, 5.0, ("A", "SENDER_SCORE=0.1")),
        (Scan(False, 1.0, 5.0), 10.0, True, 11.0, ("SENDER_SCORE=10",)),
        (Scan(True, 8.0, 5.0, ("A",)), -5.0, False, 3.0, ("A", "SENDER_SCORE=-5")),
        (Scan(True, 8.0, 5.0), 0.0, True, 8.0, ()),
        (Scan(False, 4.9, 5.0), 0.0996, True, 5.0, ("SENDER_SCORE=0.0996",)),  # 4.9996: as many digits as -s takes
        (Scan(False, 4.5, 5.0), 0.499, False, 4.999, ("SENDER_SCORE=0.499",)),
    ],
)
def test_judge(scan: Scan, points: float | None, spam: bool, score: float, tests: tuple[str, ...]) -> None:
    assert judge(scan, points) == Judgement(spam, score, scan.required, tests)


def judgement(score: float) -> Judgement:
    return Judgement(score >= 5, score, 5.0, ())


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([(20.0, inf)], False),
        ([(20.0, 15.0)], True),
        ([(15.0, 15.0)], True),
        ([(14.9, 15.0)], False),
        ([(-3.0, -3.0)], True),
        ([(20.0, 15.0), (14.9, 15.0)], False),
        ([(20.0, 15.0), (15.0, 15.0)], True),
        ([(9.0, 8.0), (9.0, 10.0)], False),
        ([(9.0, 8.0), (9.0, 9.0)], True),
        ([(9.0, 8.0), (9.0, inf)], False),
        ([], False),
    ],
)
def test_refused_only_if_it_is_for_everybody(scores: list[tuple[float, float]], expected: bool) -> None:
    assert refused([(judgement(score), threshold) for score, threshold in scores]) is expected


@pytest.mark.parametrize(("value", "shown"), [(15.9, "15.9"), (0.0, "0.0"), (-0.25, "-0.2"), (1007.5, "1007.5")])
def test_number(value: float, shown: str) -> None:
    assert number(value) == shown
