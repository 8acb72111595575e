"""What is made of evidence: names, scores, actions, decisions."""

from __future__ import annotations

import pytest

from filter_api.bases.phase import Phase
from filter_api.decision import Junk, Proceed, Reject
from filter_api.names.dynamic import Evidence, Item
from filter_dyndns.options import Options
from filter_dyndns.policy import Action, action, decide, needs_whole_name, whole_name


@pytest.mark.parametrize(("name", "cut"), [(b"n" * 62, False), (b"n" * 63, True), (b"n" * 64, True)])
def test_a_name_that_is_as_long_as_smtpd_keeps_may_have_been_cut(name: bytes, cut: bool) -> None:
    assert needs_whole_name(name) is cut


def test_the_whole_name_is_one_that_begins_like_the_cut_one_and_else_any() -> None:
    names = ["mx.example.net", "host-1.example.net"]
    assert whole_name(b"HOST-1.EXA", names) == [b"host-1.example.net"]
    assert whole_name(b"other", names) == [b"mx.example.net", b"host-1.example.net"]
    assert whole_name(b"x", []) == []


def test_a_name_that_is_no_latin_1_is_judged_as_far_as_it_is() -> None:
    assert whole_name(b"x", ["\u0436-\xe9.example.net"]) == [b"?-\xe9.example.net"]


@pytest.mark.parametrize(
    ("total", "plain", "junk", "mark"),
    [
        (3, Action.PASS, Action.PASS, Action.PASS),
        (4, Action.PASS, Action.MARK, Action.PASS),
        (5, Action.REFUSE, Action.REFUSE, Action.MARK),
        (6, Action.REFUSE, Action.REFUSE, Action.MARK),
    ],
)
def test_a_score_is_good_for_what_it_reaches(total: int, plain: Action, junk: Action, mark: Action) -> None:
    assert action(total, Options(refuse=5)) is plain
    assert action(total, Options(refuse=5, junk=4)) is junk
    assert action(total, Options(refuse=5, mark=True)) is mark


EVIDENCE = Evidence((Item(5, "address", "5B2A1C3D"), Item(3, "dsl", "dip")))
FACTS = {"reason": "dynamic", "score": 8, "signs": "address+5,dsl+3", "name": b"p5B2A1C3D.dip0.example"}


def test_refusals_are_of_their_phase_and_marks_of_mail_from_and_the_log_has_the_signs() -> None:
    name = b"p5B2A1C3D.dip0.example"
    refused = decide(name, EVIDENCE, Options(text="no"), Phase.MAIL_FROM)
    assert (refused, refused.facts) == (Reject(550, "5.7.1", "no"), FACTS)
    marked = decide(name, EVIDENCE, Options(mark=True), Phase.MAIL_FROM)
    assert (marked, marked.facts) == (Junk(), FACTS)
    for options in (Options(phase=Phase.RCPT_TO), Options(refuse=9)):
        passed = decide(name, EVIDENCE, options, Phase.MAIL_FROM)
        assert (passed, passed.facts) == (Proceed(), {})
    assert decide(name, EVIDENCE, Options(mark=True), Phase.RCPT_TO) == Proceed()
