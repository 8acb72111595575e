"""``filterctl auth domain``: what the world would do with mail of a domain, by its DMARC, SPF and DKIM records."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from filter_api.dkim.results import Unfit
from filter_api.dkim.syntax import is_name
from filter_api.dmarc.record import Record
from filter_api.dmarc.walk import Doubt, Records, Walk, walk
from filter_api.errors import UsageError
from filter_api.net.dns import Resolver, Status
from filter_api.net.spf.budget import budget
from filter_api.net.spf.check import MAX_TERMS, TempError
from filter_api.net.spf.macro import SpfSyntaxError
from filter_api.options import options_of
from filter_api.text.escape import printable
from filter_api.text.idn import a_labels
from filter_auth.reports.destinations import destinations
from filter_auth.tool.arguments import TEMPFAIL, resolver_of, show_records

SECONDS: Final = 30.0

OPTIONS: Final = """\
-n server   ask this name server, address or address@port
-s names    look at the DKIM keys of these selectors, a comma between two
-v          show every question to the DNS
"""


def domain(arguments: list[str], resolver: Resolver | None = None) -> int:
    """The verb. Raises UsageError; `resolver` is for tests."""
    options, names = options_of(arguments, OPTIONS)
    if len(names) != 1:
        raise UsageError("domain takes one name")
    name = a_labels(names[0].encode("utf-8", "surrogateescape")).removesuffix(b".")
    if not is_name(name):
        raise UsageError(f"not a domain name: '{printable(names[0], 40)}'")
    selectors = [each.strip().encode("utf-8", "surrogateescape") for each in options.get("-s", "").split(",") if each]
    for selector in selectors:
        if not is_name(selector):
            raise UsageError(f"-s: not a selector: '{printable(selector, 40)}'")
    return asyncio.run(_domain(name.decode("ascii"), selectors, resolver or resolver_of(options)))


async def _domain(name: str, selectors: Sequence[bytes], resolver: Resolver) -> int:
    records = Records(resolver, asyncio.get_running_loop().time() + SECONDS)
    try:
        found = await walk(records, name)
        place = name if name in found.records else found.above
        exists = place in {"", name} or await records.exists(name)
    except Doubt as doubt:
        show_records(records)
        print(f"unknown: {doubt}")
        return TEMPFAIL
    show_records(records)
    print(f"organisation     {found.organization}")
    status = await _policy(found, place, resolver, exists=exists)
    answer = await resolver.resolve(name, "TXT")
    spf = [text for text in answer.texts() if text.lower() == b"v=spf1" or text[:7].lower() == b"v=spf1 "]
    unknown = answer.status is Status.TEMPFAIL
    print(f"SPF              {'unknown: ' + answer.why if unknown else '; '.join(map(printable, spf)) or 'no record'}")
    if spf:
        print(f"SPF questions    {await _cost(name, resolver)}")
    for selector in selectors:
        print(f"DKIM key         {printable(selector)}: {await _key(selector, name, resolver)}")
    return status


async def _key(selector: bytes, name: str, resolver: Resolver) -> str:
    """What verifiers find for a selector: they try each record there is."""
    from filter_api.dkim.published import key_texts  # cryptography takes longer to load than all else

    try:
        texts = await key_texts(resolver, selector, name.encode("ascii"))
    except Unfit as problem:
        return str(problem)
    return "; ".join(map(_shown, texts))


def _shown(text: bytes) -> str:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from filter_api.dkim.record import KeyRecord

    try:
        record = KeyRecord.parse(text)
    except ValueError as error:
        return str(error)
    kind = record.algorithm.removesuffix("-sha256")
    size = f", {record.key.key_size} bits" if isinstance(record.key, RSAPublicKey) else ""
    return f"{kind}{size}{', in test: a failure counts for nothing' if record.testing else ''}"


async def _cost(name: str, resolver: Resolver) -> str:
    """How many questions to the DNS the record costs its readers at the most."""
    try:
        found = await budget(resolver, name)
    except (SpfSyntaxError, TempError) as error:
        return f"unknown: {printable(str(error))}"
    return "none" if found is None else f"{found.questions} of {MAX_TERMS}"


async def _policy(found: Walk, place: str, resolver: Resolver, *, exists: bool) -> int:
    """place: where the record is, or empty. exists: whether the name does, where that matters."""
    if not place:
        print("policy           none: there is no DMARC record, anybody may write in its name")
        return 1
    record = found.records[place]
    if not record.usable:
        print(f"policy           none: the record of {place} has no valid policy")
        return 1
    own = place == found.domain
    asked = record.policy(own=own, exists=exists)
    notes = ["in test: one step weaker"] if record.testing else []
    notes += [] if exists else ["there is no such name"]
    print(f"policy           {asked} ({', '.join([f'record of {place}', *notes])})")
    if own:
        print(f"names below      {record.sp}; those that do not exist {record.np}")
    await _reports(record, place, resolver)
    return 0


async def _reports(record: Record, place: str, resolver: Resolver) -> None:
    """Where reports go, as ``report`` would send them."""
    found = await destinations(resolver, place, record)
    if not found:
        print("reports          nobody gets any")
    for target in found:
        print(
            f"reports          {printable(target.uri)}{f' (not sent: {printable(target.why)})' if target.why else ''}"
        )
