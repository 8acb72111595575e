"""The cases of DMARC, in a table: the author, the zone, what SPF and DKIM said, and what comes of it.

They are in ../shared/auth beside the checkout; left out, and said so, where that is not at hand.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from filter_api.dmarc.author import Unusable, author_domains
from filter_api.dmarc.evaluate import Dmarc, Found, Identifier, Standing, evaluate
from filter_api.dmarc.walk import Records
from filter_api.net.dns import Resolver, Status
from filter_api.testing.dns import FakeZone

Case: TypeAlias = dict[str, Any]

CASES = Path(__file__).resolve().parents[3] / "shared/auth/cases.yml"
pytestmark = [
    pytest.mark.daemon,  # in CI the data may not be missing
    pytest.mark.skipif(not CASES.exists(), reason="left out: the data in ../shared/auth is not here"),
]


def cases() -> list[Case]:
    return list(yaml.safe_load(CASES.read_bytes())["dmarc"]) if CASES.exists() else []


def zone_of(case: Case) -> FakeZone:
    content: dict[tuple[str, str], Any] = {
        (name, "TXT"): Status.TEMPFAIL if texts == "SERVFAIL" else [text.encode() for text in texts]
        for name, texts in case["zone"].items()
    }
    content.update({(name, "A"): ["192.0.2.1"] for name in case.get("also", [])})
    return FakeZone(content)


def identifiers_of(case: Case) -> list[Identifier]:
    standing = {"pass": Standing.PASS, "temperror": Standing.UNKNOWN}
    given = [("spf", *case["spf"]), *(("dkim", *each) for each in case["dkim"])]
    return [Identifier(method, domain, standing[word]) for method, word, domain in given if word in standing]


def judge(case: Case) -> tuple[Found | None, FakeZone]:
    zone = zone_of(case)

    async def inside() -> Found:
        return await evaluate(Records(Resolver(backend=zone)), authors, identifiers_of(case))

    try:
        authors = author_domains([value.encode() for value in case["From"]])
    except Unusable:
        assert case["authors"] == []
        return None, zone
    assert authors == case["authors"]
    return asyncio.run(inside()), zone


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_a_case_comes_out_as_the_table_says(case: Case) -> None:
    result, policy, _, _ = case["expect"]
    found, zone = judge(case)
    if found is None:
        assert (result, policy) == ("permerror", "-")
        return
    assert (found.result.value, found.policy or "-") == (result, policy), found
    if "record_at" in case and found.result is not Dmarc.TEMPERROR:
        assert found.record_at == case["record_at"]
    assert len(zone.asked) <= 40


def test_the_table_is_whole() -> None:
    assert len(cases()) == 86
