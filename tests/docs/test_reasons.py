"""Decisions are counted by reasons that the manual pages have, and `filterctl why` has a remedy for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from filter_api.filter import Filter
from filter_auth.filter import Authenticate
from filter_clamav.filter import ClamAv
from filter_dkimsign.filter import DkimSign
from filter_dnsbl.filter import DnsLists
from filter_dyndns.filter import DynamicNames
from filter_greylist.filter import Greylist
from filter_lists.filter import Lists
from filter_rdns.filter import ReverseDns
from filter_spamassassin.filter import SpamAssassin
from filterctl.mail.remedies import REASONS

ROOT = Path(__file__).resolve().parents[2]
JUDGING = (DnsLists, DynamicNames, Greylist, Lists, ReverseDns)
OTHERS = (Authenticate, ClamAv, DkimSign, SpamAssassin)

#: Words of facts that a page tells of in a sentence of its own.
SAID = {"exempt", "ours"}


def log_of(page: str) -> str:
    """The section LOG."""
    text = (ROOT / "man" / f"{page}.8").read_text(encoding="utf-8")
    return text[text.index("\n.Sh LOG") :].partition("\n.Sh ")[2].partition("\n.Sh ")[0]


@pytest.mark.parametrize("kind", [*JUDGING, *OTHERS], ids=lambda kind: str(kind.name))
def test_each_reason_is_in_the_section_log(kind: type[Filter]) -> None:
    marked = re.findall(r"^\.(?:It )?(?:Cm|Ql|Po|Dq) (.*)$", log_of(kind.name), re.MULTILINE)
    words = {word for line in marked for word in re.findall(r"[a-z][a-z-]+", line)}
    said = set(re.findall(r"Cm (?:result|reason) Ns = Ns Cm ([a-z-]+)", log_of(kind.name)))
    assert set(kind.reasons) - SAID <= words | said
    assert kind.reasons


@pytest.mark.parametrize("kind", JUDGING, ids=lambda kind: str(kind.name))
def test_filterctl_why_knows_each_reason_to_refuse(kind: type[Filter]) -> None:
    assert set(kind.reasons) <= set(REASONS)
