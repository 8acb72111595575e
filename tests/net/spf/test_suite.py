"""The public test suite of RFC 7208, every case, against a zone in memory; and the further tables of pyspf.

They are data of others, outside this project: rfc7208-tests.yml is the suite as pyspf distributes it, its licence
beside it. Where their folder is missing these cases are left out, which the report says, and in CI that is a failure.
Of each case the result is checked; explanations are not, as exp= is never fetched.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from filter_api.net.dns import Resolver, Status
from filter_api.net.dns.answer import KINDS, Record
from filter_api.net.spf import SpfResult, check_sender
from filter_api.testing.dns import FakeZone

TABLES = Path(__file__).resolve().parents[4] / "shared" / "auth" / "pyspf"
CASES = {"rfc7208-tests.yml": 203, "rfc4408-tests.yml": 191, "test.yml": 14}
"""Files and their cases. Those of test.yml with the key ``strict`` are about modes of pyspf, not about the RFC."""

Entry = Mapping[str, Any] | str


def cases(file: str) -> list[Any]:
    """The cases of a table; none where it is missing."""
    if not TABLES.is_dir():
        return []
    found = []
    for number, scenario in enumerate(yaml.safe_load_all((TABLES / file).read_bytes())):
        zone = read_zone(scenario["zonedata"])
        for name, case in scenario["tests"].items():
            if file != "test.yml" or "strict" not in case:
                found.append(pytest.param(zone, case, id=f"{scenario.get('description', number)}: {name}"))
    return found


def read_zone(zonedata: Mapping[str, Sequence[Entry]]) -> dict[tuple[str, str], Sequence[Record] | Status]:
    zone: dict[tuple[str, str], Sequence[Record] | Status] = {}
    for owner, entries in zonedata.items():
        for kind, content in read_owner(entries).items():
            zone[owner, kind] = content
    return zone


def read_owner(entries: Sequence[Entry]) -> dict[str, Sequence[Record] | Status]:
    """The records of one name. TIMEOUT stands for every kind that is not there; SPF for TXT, unless TXT is there."""
    pairs = [pair for entry in entries if isinstance(entry, Mapping) for pair in entry.items()]
    has_txt = any(kind == "TXT" for kind, _ in pairs)
    found: dict[str, list[Record] | Status] = {}
    if "TIMEOUT" in entries:
        found.update(dict.fromkeys(KINDS, Status.TEMPFAIL))
    for kind, value in pairs:
        kept = "TXT" if kind == "SPF" and not has_txt else kind
        if kept not in KINDS or value == "NONE":
            continue
        if value == "TIMEOUT":
            found[kept] = Status.TEMPFAIL
            continue
        records = found.get(kept)
        if not isinstance(records, list):
            records = found[kept] = []
        records.append(read_record(kept, value))
    return dict(found)


def read_record(kind: str, value: object) -> Record:
    match kind, value:
        case "TXT", list():
            return "".join(value).encode("latin-1")
        case "TXT", str():
            return value.encode("latin-1")
        case "MX", [int() as preference, str() as exchange]:
            return preference, exchange
    return str(value)


async def evaluate(zone: Mapping[tuple[str, str], Sequence[Record] | Status], case: Mapping[str, Any]) -> SpfResult:
    resolver = Resolver(backend=FakeZone(zone))
    address = ipaddress.ip_address(case["host"])
    return await check_sender(resolver, address, case["mailfrom"].encode(), case["helo"].encode())


@pytest.mark.daemon  # in CI the tables may not be missing
@pytest.mark.parametrize("file", CASES)
def test_a_table_is_whole(file: str) -> None:
    if not TABLES.is_dir():
        pytest.skip(f"no {TABLES}: {CASES[file]} cases are left out")
    assert len(cases(file)) == CASES[file]


@pytest.mark.parametrize(("zone", "case"), [case for file in CASES for case in cases(file)])
def test_case(zone: Mapping[tuple[str, str], Sequence[Record] | Status], case: Mapping[str, Any]) -> None:
    found = asyncio.run(evaluate(zone, case))
    allowed = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert found.result.value in allowed, found
