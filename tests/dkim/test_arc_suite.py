"""The public validation suite of ARC (ValiMail), left out, and said so, where ../shared/auth is not at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from filter_api.dkim.arc import ArcChain
from filter_api.dkim.fields import split
from filter_api.dkim.verify import blocks_of, judge, with_crlf
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone

SUITE = Path(__file__).resolve().parents[3] / "shared/auth/arc_test_suite/tests/arc-draft-validation-tests.yml"
pytestmark = [
    pytest.mark.daemon,  # in CI the data may not be missing
    pytest.mark.skipif(not SUITE.exists(), reason="left out: the data in ../shared/auth is not here"),
]

DEVIATIONS = {"ams_fields_h_empty": "fail"}
"""A message signature that covers no field vouches for no author: stricter than the suite."""


def cases() -> Iterator[Any]:
    if not SUITE.exists():
        return
    for scenario in yaml.safe_load_all(SUITE.read_bytes()):
        zone = {(name.lower(), "TXT"): [text.encode()] for name, text in (scenario["txt-records"] or {}).items()}
        for name, case in scenario["tests"].items():
            if case["cv"]:  # three cases leave open what comes out
                yield pytest.param(name, zone, case["message"].encode(), case["cv"].lower(), id=name)


def chain_of(message: bytes, zone: dict[tuple[str, str], list[bytes]]) -> ArcChain:
    fields, body = split(with_crlf(message))
    chain = ArcChain(fields)

    async def inside() -> None:
        await judge(fields, blocks_of(body), Resolver(backend=FakeZone(zone)), also=[chain])

    asyncio.run(inside())
    return chain


@pytest.mark.parametrize(("name", "zone", "message", "expected"), list(cases()))
def test_validation(name: str, zone: dict[tuple[str, str], list[bytes]], message: bytes, expected: str) -> None:
    chain = chain_of(message, zone)
    assert chain.result == DEVIATIONS.get(name, expected), chain.reason
    assert (chain.result == "fail") == bool(chain.reason)
    assert chain.reason.isprintable()


def test_the_suite_is_whole() -> None:
    assert len(list(cases())) == 168
