"""What is fuzzed: for each reader of foreign input a function that takes bytes, and fails if the reader does wrong.

Wrong is any error but those its docstring names, and what an invariant rules out: that a stream means something else
when it is cut elsewhere, that a header changes which nobody edits, that what is written cannot be read back, that text
for a log holds a control character. `tests/test_fuzz.py` runs every target over its corpus; `make fuzz` looks for more.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import dns.exception
import dns.message

from filter_api import AddHeader, Edit, RemoveHeader, ReplaceHeader
from filter_api.bounds import LOG_VALUE
from filter_api.control.client import answer_of
from filter_api.control.http import Response, request_of, response_bytes
from filter_api.dkim.arc import ArcChain
from filter_api.dkim.fields import Signature, split, split_header
from filter_api.dkim.mailboxes import parse_mailboxes
from filter_api.dkim.record import KeyRecord, parse_tags
from filter_api.dkim.results import Terms, Unfit
from filter_api.dkim.seal import Unsealable, next_link
from filter_api.dkim.syntax import check_tags
from filter_api.dmarc.author import Unusable, author_domains
from filter_api.dmarc.record import parse_record as parse_dmarc
from filter_api.errors import ConfigError
from filter_api.files.networks import parse_networks
from filter_api.files.ranges import RangeBuilder
from filter_api.message.header import edit_header, parse_header
from filter_api.message.results import Said, parse_results, write_results
from filter_api.net.conversation import BadAnswer, Question
from filter_api.net.dns.wire import cut_answer
from filter_api.net.spf.macro import ALL_LETTERS, SpfSyntaxError
from filter_api.net.spf.record import parse_record as parse_spf
from filter_api.net.spf.record import select_record
from filter_api.protocol.events import DataLines, Event
from filter_api.protocol.framing import Framing
from filter_api.protocol.parser import Parser
from filter_api.text.escape import format_pairs, parse_pairs, printable, unescape
from filter_api.text.lines import LineError, content_lines
from filter_clamav import clamd
from filter_greylist.rules.key import Prefixes
from filter_greylist.rules.records import Timers
from filter_greylist.tool.listing import from_line, to_line
from filter_lists.conf import parse_conf
from filter_lists.tool.spamd import import_spamd
from filter_spamassassin import spamd
from filterctl.conf import smtpdconf
from filterctl.mail import maillog, why

Target = Callable[[bytes], None]

HANDSHAKE: Final = b"config|smtpd-version|7.6.0\nconfig|protocol|0.7\nconfig|subsystem|smtp-in\nconfig|ready\n"
NOW: Final = 1_700_000_000
_TEXT: Final = re.compile(rb"filter\|[^|]*\|[0-9.]*\|smtp-in\|data-line\|[0-9a-f]{16}\|[0-9a-f]{16}\|")
_VERSIONED: Final = re.compile(rb"^(report\||filter\|)([^|\n]*)", re.MULTILINE)


def _events(pieces: list[bytes]) -> list[Event]:
    framing, parser = Framing(), Parser()
    events: list[Event] = []
    for piece in pieces:
        ends = parser.in_text
        lines = framing.feed(piece, ends=ends)
        events += parser.parse([line.removesuffix(b"\n") for line in lines] if ends else lines)
    return events


def _joined(events: list[Event]) -> list[Event]:
    """Runs of message lines as if all had been read at once."""
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        if (
            isinstance(event, DataLines)
            and isinstance(last, DataLines)
            and (event.session_id, event.token) == (last.session_id, last.token)
        ):
            joined[-1] = DataLines(last.session_id, last.token, last.text + b"\n" + event.text)
        else:
            joined.append(event)
    return joined


def protocol(data: bytes) -> None:
    """Framing and parser: where a read ends makes no difference.

    A smtpd speaks one version in all of its lines, and what looks like a message line is one: a run of them is told by
    where their ids stand. Garbage between lines is for `tests/protocol`.
    """
    cut, data = (data[0], data[1:]) if data else (0, b"")
    data = b"".join(line for line in data.splitlines(keepends=True) if b"data-line" not in line or _TEXT.match(line))
    version = found[2] if (found := _VERSIONED.search(data)) else b"0.7"
    data = _VERSIONED.sub(lambda found: found[1] + version, data)
    at = len(data) * cut // 256
    greeting = HANDSHAKE.replace(b"0.7", version)
    assert _joined(_events([greeting + data])) == _joined(_events([greeting, data[:at], data[at:]]))


def header(data: bytes) -> None:
    """The view of a header, and its edits."""
    name, _, text = data.partition(b"\n")
    lines = text.split(b"\n")
    view = parse_header(lines)
    kept = lines[: lines.index(b"")] if b"" in lines else lines
    assert b"\n".join(edit_header(view, [])) == b"\n".join(kept)
    for field in view.fields:
        assert (field.name, field.value, field.key == field.name.lower()) is not None
    with contextlib.suppress(ValueError, UnicodeDecodeError):
        wanted = name.decode("ascii")
        without = parse_header(b"\n".join(edit_header(view, [RemoveHeader(wanted)])).split(b"\n"))
        assert without.get(wanted.removesuffix("*")) is None or wanted.endswith("*")
        edits: list[Edit] = [ReplaceHeader(wanted, b" x"), RemoveHeader(wanted, 1), AddHeader(wanted, text[:80])]
        edit_header(view, edits)


def author(data: bytes) -> None:
    """The mailboxes of a From field, and the author's domains."""
    found = parse_mailboxes(data)
    assert found is None or all(isinstance(each, bytes) for each in found)
    with contextlib.suppress(Unusable):
        assert all(name == name.lower() and name.isascii() for name in author_domains(data.split(b"\0")))


def dkim(data: bytes) -> None:
    """A signature's tags, and a key record."""
    with contextlib.suppress(ValueError):
        parse_tags(data)
    with contextlib.suppress(ValueError):
        KeyRecord.parse(data)
    with contextlib.suppress(Unfit):
        signature = Signature(b"DKIM-Signature: " + data)
        check_tags(signature, NOW, Terms())
        signature.emptied()
        signature.signed_data(split_header(b"From: a@example.org\r\nTo: b@example.org\r\n"))


def arc(data: bytes) -> None:
    """An ARC chain, and where a new set goes."""
    fields, _ = split(data + b"\r\n\r\nhello\r\n")
    chain = ArcChain(fields)
    assert chain.result in {"none", "fail", "unknown"}
    assert chain.reason.isascii()
    assert chain.reason.isprintable()
    with contextlib.suppress(Unsealable):
        assert 1 <= next_link(fields, "pass").instance <= 50


def results(data: bytes) -> None:
    """Authentication-Results, read; and what is written, read back."""
    parse_results(data)
    name, _, value = data.partition(b"\n")
    said = Said("dkim", "pass", reason=printable(value), properties={"header.d": printable(name)})
    written = write_results("mx.example.org", [said])
    back = parse_results(written.encode("ascii"))
    assert back is not None
    assert [result.result for result in back.of(b"dkim")] == [b"pass"]


def dmarc(data: bytes) -> None:
    """A DMARC record."""
    parse_dmarc(data)


def spf(data: bytes) -> None:
    """An SPF record and its macros."""
    with contextlib.suppress(SpfSyntaxError):
        record = select_record([data, b"v=spf1 " + data.replace(b"v=spf1", b"")])
        parsed = parse_spf(record or data)
        values = dict.fromkeys(ALL_LETTERS | {letter.upper() for letter in ALL_LETTERS}, "x.Y-z@example.org")
        for directive in parsed.directives:
            if directive.domain is not None:
                directive.domain.expand(values)


def dns_answer(data: bytes) -> None:
    """An answer of the DNS: what is left after cutting is no longer, and costs dnspython nothing but its own errors."""
    cut, _ = cut_answer(data)
    assert len(cut) <= len(data)
    with contextlib.suppress(dns.exception.DNSException, ValueError):  # dnspython 2.3 says so of an odd opcode
        dns.message.from_wire(cut, ignore_trailing=True)


def _answer(question: Question[Any], data: bytes) -> None:
    arrived = bytearray()
    with contextlib.suppress(BadAnswer):
        for start in range(0, len(data), 7):
            arrived += data[start : start + 7]
            if question.finished(arrived):
                break
        question.read(bytes(arrived))


def spamd_reply(data: bytes) -> None:
    """Answers of spamd: to SYMBOLS, HEADERS and PING."""
    for header_size in (None, 0):
        _answer(spamd.check(lambda: [b""], 0, user="", header_size=header_size), data)
    _answer(spamd.PING, data)


def clamd_reply(data: bytes) -> None:
    """Answers of clamd."""
    _answer(clamd.scan(lambda: [b""]), data)
    with contextlib.suppress(BadAnswer):
        clamd.read_version(data)


@contextlib.contextmanager
def _file(data: bytes) -> Iterator[str]:
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as folder:
        path = Path(folder, "file")
        path.write_bytes(data)
        yield str(path)


def smtpd_conf(data: bytes) -> None:
    """The lexer and reader of smtpd.conf."""
    with _file(data) as path, contextlib.suppress(ConfigError):
        list(smtpdconf.read(path).refused())


def log(data: bytes) -> None:
    """Logs: what is read, and every line that is told of it is printable."""
    with _file(data) as path, open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        maillog.read([path], lambda _: None)
        why.run(["example.org", path])
    parse_pairs(data.decode("latin-1"))
    line = format_pairs({"key": data})
    assert line.isascii()
    assert line.isprintable()
    if 4 * len(data) <= LOG_VALUE:
        assert unescape(parse_pairs(line)["key"]) == data


def spamdb(data: bytes) -> None:
    """A listing of spamdb(8) or of the greylist: what is taken is written as it was understood."""
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        with contextlib.suppress(ValueError):
            record = from_line(line, NOW, Timers(), Prefixes())
            assert from_line(to_line(record), NOW, Timers(), Prefixes()).kind is record.kind


def spamd_conf(data: bytes) -> None:
    """spamd.conf(5): the lists.conf that is made of it can be read."""
    with _file(data) as path, contextlib.suppress(ConfigError):
        text, _ = import_spamd(path, programs=True, dead={})
        with contextlib.suppress(LineError):
            parse_conf(content_lines(text.encode()))


def lists(data: bytes) -> None:
    """Lists of addresses and networks, lists.conf(5)."""
    for read in (parse_conf, parse_networks):
        with contextlib.suppress(LineError):
            read(content_lines(data))
    builder = RangeBuilder()
    for line in data.decode("latin-1").split("\n"):
        with contextlib.suppress(ValueError):
            builder.add_text(line, loose=True)
    builder.build()


def control(data: bytes) -> None:
    """Requests to a control socket, and what filterctl makes of an answer."""
    found = request_of(data)
    if isinstance(found, Response):
        assert answer_of("/x", response_bytes(found)).status == found.status
    answer = answer_of("/x", data)
    with contextlib.suppress(ValueError):
        answer.json()
    assert printable(answer.why, 200).isprintable()


TARGETS: Final[dict[str, Target]] = {
    "protocol": protocol,
    "header": header,
    "author": author,
    "dkim": dkim,
    "arc": arc,
    "results": results,
    "dmarc": dmarc,
    "spf": spf,
    "dns": dns_answer,
    "spamd": spamd_reply,
    "clamd": clamd_reply,
    "smtpd.conf": smtpd_conf,
    "log": log,
    "spamdb": spamdb,
    "spamd.conf": spamd_conf,
    "lists": lists,
    "control": control,
}
"""By name; the corpus of each is in the folder of its name."""
