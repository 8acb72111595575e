"""The public suites of ARC (ValiMail), to validate and to seal; left out, and said so, where ../shared/auth is not."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from filter_api.dkim.arc import ArcChain
from filter_api.dkim.canonical import body_canonicalizer
from filter_api.dkim.fields import split
from filter_api.dkim.record import parse_tags
from filter_api.dkim.seal import Unsealable, next_link, seal
from filter_api.dkim.signature import Layout, cover
from filter_api.dkim.verify import blocks_of, judge, with_crlf
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone
from filter_dkimsign.sealing import merged

FOLDER = Path(__file__).resolve().parents[3] / "shared/auth/arc_test_suite/tests"
SUITE = FOLDER / "arc-draft-validation-tests.yml"
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
    """C14; C10 is one of its cases, and so are those of C11."""
    expected = {case.values[0]: case.values[3] for case in cases()}
    assert len(expected) == 168
    assert expected["ams_fields_c_na"] == "pass"
    assert expected["ams_fields_h_includes_as"] == expected["as_fields_a_sha1"] == "fail"
    assert DEVIATIONS.keys() <= expected.keys()
    assert len(list(sealing_cases())) == 17


@dataclass(frozen=True)
class Key:
    """Who seals in the suite."""

    tags: bytes
    secret: bytes

    def sign(self, data: bytes) -> bytes:
        key = load_pem_private_key(self.secret, None)
        assert isinstance(key, RSAPrivateKey)
        return key.sign(data, PKCS1v15(), SHA256())


def sealing_cases() -> Iterator[Any]:
    if not SUITE.exists():
        return
    for scenario in yaml.safe_load_all((FOLDER / "arc-draft-sign-tests.yml").read_bytes()):
        zone = {(name.lower(), "TXT"): [text.encode()] for name, text in scenario["txt-records"].items()}
        tags = f"a=rsa-sha256; d={scenario['domain']}; s={scenario['sel']};"
        key = Key(tags.encode(), scenario["privatekey"].encode())
        for name, case in scenario["tests"].items():
            yield pytest.param(zone, key, case, id=name)


@pytest.mark.parametrize(("zone", "key", "case"), list(sealing_cases()))
def test_sealing(zone: dict[tuple[str, str], list[bytes]], key: Key, case: dict[str, Any]) -> None:
    """Tag by tag but for b=, which goes by the order of the tags: whether that holds, the verifier says."""
    message = with_crlf(case["message"].encode())
    fields, body = split(message)
    arrived = chain_of(message, zone).result
    if not case["AS"]:
        with pytest.raises(Unsealable, match="failed-before"):
            next_link(fields, arrived)
        return
    link = next_link(fields, arrived)
    digest = body_canonicalizer("relaxed", hashlib.sha256())
    digest.update(body)
    names = tuple(case["sig-headers"].encode().split(b":"))
    covered = cover(Layout(names=names, oversigned=frozenset()), fields)
    said = merged([raw.partition(b":")[2].strip() for name, raw in fields if name == b"authentication-results"])
    made = seal(key, link, covered, digest.digest(), results=said, now=case["t"])
    values = dict(made)
    for name, expected in (("ARC-Seal", "AS"), ("ARC-Message-Signature", "AMS")):
        tags, wanted = parse_tags(values[name]), parse_tags(with_crlf(case[expected].encode()))
        assert {tag: value for tag, value in tags.items() if tag != b"b"} == {
            tag: value for tag, value in wanted.items() if tag != b"b"
        }
    results, wanted_results = values["ARC-Authentication-Results"], with_crlf(case["AAR"].encode())
    assert b"".join(results.split()).rstrip(b";") == b"".join(wanted_results.split()).rstrip(b";")
    sealed = b"".join(b"%b: %b\r\n" % (name.encode(), value) for name, value in made) + message
    chain = chain_of(sealed, zone)
    assert chain.result == ("fail" if link.verdict == "fail" else "pass")
    assert chain.reason == ("the chain had failed before: cv=fail" if link.verdict == "fail" else "")
