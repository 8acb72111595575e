"""The soak in its shortest form, under real daemons: half a minute of mixed mail and faults, and Postfix beside it.

What takes hours to see, growth, is not judged here; docs/endurance.md has the result of hours.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.private_smtpd import Unavailable, require
from tools.private_smtpd.systems import POSTFIX, usable
from tools.soak import __main__ as soak
from tools.soak import mta

pytestmark = [pytest.mark.daemon, pytest.mark.slow, pytest.mark.timeout(500)]


def skip_unless_there(*, postfix: bool = False) -> None:
    try:
        require("7")
        if postfix:
            usable(POSTFIX)
    except Unavailable as error:
        pytest.skip(str(error))


def test_every_question_is_answered_and_no_mail_is_lost_while_everything_fails_in_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skip_unless_there()
    status = soak.main(["-d", "12s", "-p", "2s", "-r", "3", "-o", str(tmp_path)])
    told = capsys.readouterr().out
    assert status == 0, told
    assert told.count("faults: spamd stopped 1") == 2, told
    assert (tmp_path / "report.txt").read_text() == told
    assert "\tone\tfilter-chain\t" in (tmp_path / "samples.tsv").read_text()


def test_every_mail_that_postfix_sends_or_is_given_is_accounted_for() -> None:
    skip_unless_there(postfix=True)
    done = mta.run(80, one=True, rate=8, period=2, patience=180)
    told = "\n".join(done.lines())
    assert told.endswith("every mail is accounted for"), told
    assert done.faults["smtpd restarted"], told
    assert "451 4.7.1 greylisted" in told
    assert sum(done.smtpd.mails.values()) > 40
    assert sum(done.postfix.mails.values()) > 5
    assert sum(done.postfix.bounces.values()) > 5
