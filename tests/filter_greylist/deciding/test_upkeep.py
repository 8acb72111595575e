"""What the greylist does beside its decisions, on a real store: rounds, signs of life, and the clock of the store."""

from __future__ import annotations

from pathlib import Path

from filter_api.figures import Figure
from filter_greylist.rules.records import Kind, Life, Record
from tests.filter_greylist.smtp import Smtpd

NOW = 1_800_000_000


def test_rounds_and_the_end_of_the_last_one_are_figures(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        upkeep = smtpd.filter.upkeep
        rounds = "Rounds through the records, to remove what has expired."
        ended = "When the last of them ended; 0 for never."
        assert upkeep.figures() == [
            Figure("greylist_rounds", "counter", rounds, 0, {}),
            Figure("greylist_round_seconds", "gauge", ended, 0.0, {}),
        ]
        for _ in range(2):
            smtpd.loop.run_until_complete(upkeep.sweep())
        assert [figure.value for figure in upkeep.figures()] == [2, NOW]


def test_while_the_clock_is_in_doubt_no_round_is_made(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.put([Record(Kind.WHITE, b"192.0.2.1", Life(NOW, NOW, NOW + 10))])
        smtpd.hands.jump(5 * 3600)
        smtpd.loop.run_until_complete(smtpd.filter.upkeep.beat())
        smtpd.loop.run_until_complete(smtpd.filter.upkeep.sweep())
        assert [figure.value for figure in smtpd.filter.upkeep.figures()] == [0, 0.0]
        assert len(smtpd.records(Kind.WHITE)) == 1
