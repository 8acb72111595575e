"""How what a stranger's input costs grows with it: processor time at a tenth of the largest input, and at the largest.

    python -m bench.run growth

The largest is what smtpd or the DNS can bring, or the bound in `filter_api.bounds` beyond which it is refused. Work in
proportion costs ten times as much there; a loop in a loop a hundred times. The note has the time at the largest.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Final

from bench.figures import Figure
from filter_api.bounds import BLOCK, LOG_LINE, MAX_FIELDS, MAX_FROM, MAX_HEADER, MAX_SPF_RECORD
from filter_api.decision import AddHeader, Edit, RemoveHeader, ReplaceHeader
from filter_api.dkim.canonical import body_canonicalizer, relaxed_field
from filter_api.dkim.mailboxes import parse_mailboxes
from filter_api.dkim.record import parse_tags
from filter_api.dkim.verify import blocks_of, verify
from filter_api.files.networks import parse_networks
from filter_api.files.rules import Rules
from filter_api.message.message import Message, TooManyFields
from filter_api.names.dynamic import score
from filter_api.net.dns import Resolver
from filter_api.net.dns.wire import cut_answer
from filter_api.net.spf import check_sender
from filter_api.net.spf import record as spf_record
from filter_api.protocol.framing import Framing
from filter_api.quarantine.directory import dump_facts
from filter_api.testing.dns import FakeZone
from filter_api.text.escape import format_pairs, parse_pairs, printable
from filter_api.text.lines import content_lines
from filter_clamav.clamd import read_result
from filter_greylist.rules.key import mailbox, normal_sender
from filter_spamassassin.headers import tag_subject
from filter_spamassassin.spamd import check

Work = Callable[[], object]

MOST: Final = 13
_LEAST: Final = 0.01  # seconds one measurement takes at least
_ROUNDS: Final = 5
_CLIENT: Final = ip_address("192.0.2.1")


def _seconds(work: Work) -> float:
    """Processor time of one run: the best of some rounds, each of as many runs as it takes."""
    work()
    began, runs = time.process_time(), 1
    work()
    once = time.process_time() - began
    runs = max(1, int(_LEAST / max(once, 1e-7)))
    best = float("inf")
    for _ in range(_ROUNDS):
        gc.collect()
        began = time.process_time()
        for _ in range(runs):
            work()
        best = min(best, (time.process_time() - began) / runs)
    return best


def _message(head: bytes, body: bytes = b"") -> Message:
    held = Message()
    text = head + b"\n" + body
    for start in range(0, len(text), BLOCK):
        held.append(
            text[start : start + BLOCK].removesuffix(b"\n")
            if start + BLOCK >= len(text)
            else text[start : start + BLOCK]
        )
    return held


def _header(head: Callable[[int], bytes]) -> Callable[[int], Work]:
    """A message with that header, whose header is read anew at each run."""

    def make(size: int) -> Work:
        text = head(size)

        def run() -> None:
            held = Message()
            held.append(text + b"\nbody")
            try:
                held.header.get("Subject")
            except TooManyFields:
                return

        return run

    return make


def _edits(edits: Callable[[Message, int], list[Edit]]) -> Callable[[int], Work]:
    def make(fields: int) -> Work:
        held = Message()
        held.append(b"Subject: x\n" * fields + b"\nbody")
        wanted = edits(held, fields)
        return lambda: b"".join(held.wire(wanted))

    return make


def _text(line: bytes) -> Callable[[int], Work]:
    """Text of so many bytes made of one line, given to a scanner."""

    def make(size: int) -> Work:
        held = Message()
        run = b"\n".join([line] * max(1, BLOCK // (len(line) + 1)))
        for _ in range(max(1, size // len(run))):
            held.append(run)
        return lambda: sum(map(len, held.text()))

    return make


def _spf(record: Callable[[int], str], sender: bytes = b"a." * 380 + b"@evil.example") -> Callable[[int], Work]:
    def make(size: int) -> Work:
        zone = FakeZone({("evil.example", "TXT"): [record(size)]})

        def run() -> None:
            spf_record._known = spf_record.KnownRecords()
            asyncio.run(check_sender(Resolver(backend=zone), _CLIENT, sender, b"x"))

        return run

    return make


def _one_term(head: str, piece: str) -> Callable[[int], str]:
    return lambda size: f"v=spf1 {head}" + piece * ((size - len(head) - 12) // len(piece)) + " -all"


def _terms(term: str) -> Callable[[int], str]:
    return lambda size: "v=spf1 " + (term + " ") * ((size - 12) // (len(term) + 1)) + "-all"


def _dns(size: int) -> Work:
    """An answer with so many bytes of addresses."""
    record = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\x0a\0\0\x01"
    count = (size - 30) // len(record)
    head = b"\0\x01\x81\x80\0\x01" + count.to_bytes(2, "big") + b"\0\0\0\0"
    wire = head + b"\x01a\x07example\0\0\x01\0\x01" + record * count
    return lambda: cut_answer(wire)


def _body(form: str, shape: bytes) -> Callable[[int], Work]:
    def make(size: int) -> Work:
        body = shape * (size // len(shape))

        def run() -> None:
            canonicalizer = body_canonicalizer(form, hashlib.sha256())
            for block in blocks_of(body):
                canonicalizer.update(block)
            canonicalizer.digest()

        return run

    return make


def _verify(size: int) -> Work:
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=AAAA; b=AAAA\r\n"
    message = signature * 10 + b"From: a@a.example\r\n\r\n" + b"a line of thirty bytes or so..\r\n" * (size // 32)
    return lambda: asyncio.run(verify(message, Resolver(backend=FakeZone({}))))


def _spamd(size: int) -> Work:
    body = b"A_TEST," * (size // 7)
    reply = b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: False ; 0.1 / 5.0\r\n\r\n" % len(body) + body
    question = check(lambda: (b"x",), 1)

    def run() -> None:
        for end in range(16_384, len(reply) + 16_384, 16_384):
            question.finished(reply[:end])
        question.read(reply)

    return run


def _clamd(size: int) -> Work:
    reply = b"stream: " + b"\xff" * (size - 20) + b" FOUND\0"

    def run() -> None:
        try:
            read_result(reply)
        except Exception:  # noqa: BLE001 - what it says is not the matter here
            return

    return run


def _lines(size: int) -> Work:
    """One read of smtpd's, cut anywhere."""
    data = b"report|0.7|1.1|smtp-in|link-identify|00000000000000aa|EHLO|x\n" * (size // 62)

    def run() -> None:
        framing = Framing()
        for start in range(0, len(data), 1_000):
            framing.feed(data[start : start + 1_000])

    return run


def _tag(held: Message, _fields: int) -> list[Edit]:
    return tag_subject(held.header, "[spam]")


def _many_removals(_held: Message, fields: int) -> list[Edit]:
    added: list[Edit] = [AddHeader(f"X-{number}", "y") for number in range(fields // 10)]
    return [RemoveHeader("X-Spam-*"), *added, *[RemoveHeader(f"X-{number}") for number in range(fields // 10)]]


def _replacements(_held: Message, fields: int) -> list[Edit]:
    return [ReplaceHeader("Subject", "tag", number) for number in range(fields)]


def _facts(count: int) -> Work:
    facts = {"to": ["\xff" * 60 + "@example.org"] * count}
    return lambda: json.loads(dump_facts(facts))


def cases() -> Iterator[tuple[str, Callable[[int], Work], int, str]]:
    """Each with the function that makes its work of a size, the largest size, and its unit."""
    yield "header: tiny fields", _header(lambda n: b"a:\n" * n), MAX_FIELDS, "fields"
    yield "header: one field of folds", _header(lambda n: b"To: x\n" + b" y\n" * (n // 3)), 60_000, "bytes"
    yield (
        "header: fields of twelve lines",
        _header(lambda n: (b"X: " + b"y" * 74 + (b"\n " + b"y" * 76) * 11 + b"\n") * (n // 936)),
        MAX_HEADER,
        "bytes",
    )
    yield "header: fields beyond the bound", _header(lambda n: b"a:\n" * (n // 3)), MAX_HEADER, "bytes"
    yield "edits: a tag in each Subject", _edits(_tag), MAX_FIELDS, "fields"
    yield "edits: each field replaced", _edits(_replacements), MAX_FIELDS, "fields"
    yield "edits: many removals", _edits(_many_removals), MAX_FIELDS, "fields"
    yield "dots: lines of dots", _text(b".."), 36 << 20, "bytes"
    yield "dots: long lines", _text(b".." * 30_000), 36 << 20, "bytes"
    yield "dots: empty lines", _text(b""), 36 << 20, "bytes"
    yield "framing: reads cut anywhere", _lines, 1 << 20, "bytes"
    yield "SPF: macros in one term", _spf(_one_term("exists:", "%{s}")), MAX_SPF_RECORD, "bytes"
    yield "SPF: networks", _spf(_terms("ip4:10.9.8.7/31")), MAX_SPF_RECORD, "bytes"
    yield "SPF: terms with macros", _spf(_terms("exists:%{l1r}.%{d2}")), MAX_SPF_RECORD, "bytes"
    yield "SPF: beyond the bound", _spf(_one_term("exists:", "%{s}")), 60_000, "bytes"
    yield "DNS: addresses", _dns, 65_000, "bytes"
    yield (
        "names: words of access lines",
        lambda n: lambda: score(b"dsl-" * (n // 4) + b"x.example", _CLIENT),
        250,
        "bytes",
    )
    yield "names: digits", lambda n: lambda: score(b"1-2." * (n // 4) + b"x.example", _CLIENT), 250, "bytes"
    yield (
        "From: addresses",
        lambda n: lambda: parse_mailboxes(b"a@b.example, " * (n // 13) + b"c@d.example"),
        MAX_FROM,
        "bytes",
    )
    yield "From: comments in comments", lambda n: lambda: parse_mailboxes(b"(" * n), MAX_FROM, "bytes"
    yield "DKIM: relaxed field", lambda n: lambda: relaxed_field(b"X: " + b" \t" * (n // 2) + b"\r\n"), 65_000, "bytes"
    for form in ("simple", "relaxed"):
        for what, shape in (("blanks", b" \t"), ("empty lines", b"\r\n"), ("lines", b"a line  of words \r\n")):
            yield f"DKIM: {form} body, {what}", _body(form, shape), 1 << 20, "bytes"
    yield "DKIM: tags", lambda n: lambda: _ignored(lambda: parse_tags(b"a=b;" * (n // 4))), 65_000, "bytes"
    yield "DKIM: verify, ten signatures", _verify, 5 << 20, "bytes"
    yield "log: escaping", lambda n: lambda: printable(b"\xff" * n, n), 65_000, "bytes"
    yield "log: a line", lambda n: lambda: format_pairs({"a": b"\xff" * n, "b": b'"' * n}, LOG_LINE), 65_000, "bytes"
    yield "log: reading quotes", lambda n: lambda: parse_pairs('a="' * (n // 3)), 16_000, "bytes"
    yield "log: reading words", lambda n: lambda: parse_pairs("a=" * (n // 4) + "a=b " * (n // 8)), 16_000, "bytes"
    yield "tables: domains", lambda n: _rules(n, b"%d.example.org\n"), 20_000, "lines"
    yield "tables: networks", _networks, 20_000, "lines"
    yield "quarantine: facts", _facts, 1_000, "recipients"
    yield "spamd: names of tests", _spamd, 65_000, "bytes"
    yield "clamd: an answer", _clamd, 4_000, "bytes"
    yield (
        "greylist: a sender of numbers",
        lambda n: lambda: normal_sender(b"1-" * (n // 2) + b"@example.org"),
        2_000,
        "bytes",
    )
    yield (
        "greylist: a sender of signs",
        lambda n: lambda: mailbox(b"prvs=" * (n // 5) + b"@example.org"),
        2_000,
        "bytes",
    )


def _ignored(work: Work) -> None:
    try:
        work()
    except ValueError:
        return


def _rules(count: int, line: bytes) -> Work:
    data = b"".join(line % number for number in range(count))
    return lambda: Rules((each, None) for each in content_lines(data))


def _networks(count: int) -> Work:
    data = b"".join(b"10.%d.%d.0/24\n" % (number >> 8 & 255, number & 255) for number in range(count))
    return lambda: parse_networks(content_lines(data))


def _keep_memory() -> None:
    """Have malloc(3) keep what is freed, where it can be told so: else the kernel's fresh pages are measured, too."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
        mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD


def figures() -> list[Figure]:
    """Each as the ratio of the largest input to a tenth of it."""
    found = []
    _keep_memory()
    for what, make, largest, unit in cases():
        small, large = _seconds(make(largest // 10)), _seconds(make(largest))
        note = f"{largest:,} {unit}: {1e3 * large:.3g} ms"
        found.append(Figure(what, large / small, "x", MOST, 10, note=note))
    return found
