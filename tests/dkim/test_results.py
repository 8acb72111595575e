"""What is shown of a verdict on a signature."""

from __future__ import annotations

import pytest

from filter_api.dkim.results import Outcome, Result


@pytest.mark.parametrize(
    ("result", "word", "note", "passed"),
    [
        (Result.PASS, "pass", "", True),
        (Result.FAIL, "fail", "", False),
        (Result.POLICY, "fail", " (dkim=policy)", False),
        (Result.NEUTRAL, "fail", " (dkim=neutral)", False),
        (Result.PERMERROR, "fail", " (dkim=permerror)", False),
        (Result.TEMPERROR, "unknown", "", None),
    ],
)
def test_an_outcome_is_one_line_that_begins_with_pass_fail_or_unknown(
    result: Result, word: str, note: str, passed: bool | None
) -> None:
    told = Outcome("example.org", "s", "rsa-sha256", result, "why", ("one", "two"))
    assert str(told) == f"{word} d=example.org s=s a=rsa-sha256: why{note} (one) (two)"
    assert str(Outcome("example.org", "s", "rsa-sha256", result)) == f"{word} d=example.org s=s a=rsa-sha256{note}"
    assert told.passed is passed
