"""One aggregate report as RFC 9990 has it: its document, its file name, its subject and its mail. Pure.

The same rows make the same bytes, so that a report that is sent again has the name and the id it had before (§3.5.2).
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from email.utils import formatdate
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from filter_api.dmarc.record import Record
from filter_api.version import VERSION
from filter_auth.reports.store import SECONDS_A_DAY

NAMESPACE: Final = "urn:ietf:params:xml:ns:dmarc-2.0"

_UNFOLDED: Final = default.clone(max_line_length=998)
"""Where a fold is needed but has no place, email writes encoded words and ``filename*0*=``: no such thing is in the
grammar, and few who read reports understand it. Three names of 253 characters stay below the 998 of RFC 5322 §2.1.1."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: the name of the organisation and the address that reports come from."""

    organization: str
    address: str

    @property
    def domain(self) -> str:
        """Our name in subjects and file names."""
        return self.address.rpartition("@")[2].lower()


@dataclass(frozen=True, slots=True)
class Report:
    """A report for the domain of one record on one day. rows: facts as JSON, and how many messages there were."""

    reporter: Reporter
    domain: str
    record: Record
    day: int
    rows: Sequence[tuple[str, int]]

    @property
    def begin(self) -> int:
        """The first second of the day since 1970."""
        return self.day * SECONDS_A_DAY

    @property
    def unique(self) -> str:
        """What tells it from other reports: letters and figures."""
        text = "\n".join([self.reporter.domain, self.domain, self.record.text, str(self.day)])
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def report_id(self) -> str:
        """The Report-ID (§3.5.1), without angle brackets."""
        return f"{self.unique}@{self.reporter.domain}"

    @property
    def filename(self) -> str:
        """By the grammar of §3.5.2."""
        end = self.begin + SECONDS_A_DAY - 1
        return f"{self.reporter.domain}!{self.domain}!{self.begin}!{end}!{self.unique}.xml.gz"

    @property
    def subject(self) -> str:
        """By the grammar of §3.5.2."""
        return f"Report Domain: {self.domain} Submitter: {self.reporter.domain} Report-ID: <{self.report_id}>"

    def xml(self) -> bytes:
        """The document, in UTF-8."""
        root = Element("feedback", xmlns=NAMESPACE)
        _text(root, "version", "1.0")
        self._metadata(SubElement(root, "report_metadata"))
        self._policy(SubElement(root, "policy_published"))
        for facts, count in self.rows:
            _record(SubElement(root, "record"), json.loads(facts), count)
        document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
        return document

    def compressed(self) -> bytes:
        """The document as it is sent."""
        return gzip.compress(self.xml(), mtime=0)

    def _metadata(self, element: Element) -> None:
        _text(element, "org_name", self.reporter.organization)
        _text(element, "email", self.reporter.address)
        _text(element, "report_id", self.report_id)
        dates = SubElement(element, "date_range")
        _text(dates, "begin", str(self.begin))
        _text(dates, "end", str(self.begin + SECONDS_A_DAY - 1))
        _text(element, "generator", f"filter-auth {VERSION}")

    def _policy(self, element: Element) -> None:
        record = self.record
        for name, value in (
            ("domain", self.domain),
            ("p", record.p),
            ("sp", record.sp),
            ("np", record.np),
            ("adkim", "s" if record.strict_dkim else "r"),
            ("aspf", "s" if record.strict_spf else "r"),
            ("discovery_method", "treewalk"),
            ("testing", "y" if record.testing else "n"),
        ):
            _text(element, name, value)

    def mail(self, recipient: str, now: float) -> bytes:
        """The mail that brings it; CRLF line ends. now: seconds since 1970."""
        mail = EmailMessage()
        mail["From"] = self.reporter.address
        mail["To"] = recipient
        mail["Subject"] = self.subject
        mail["Date"] = formatdate(now)
        mail["Message-ID"] = f"<{self.report_id}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(f"DMARC aggregate report for {self.domain} by {self.reporter.domain} (RFC 9990).\n")
        mail.add_attachment(self.compressed(), maintype="application", subtype="gzip", filename=self.filename)
        return mail.as_bytes(policy=_UNFOLDED).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _record(element: Element, facts: dict[str, Any], count: int) -> None:
    row = SubElement(element, "row")
    _text(row, "source_ip", facts["ip"])
    _text(row, "count", str(count))
    evaluated = SubElement(row, "policy_evaluated")
    for name in ("disposition", "dkim", "spf"):
        _text(evaluated, name, facts[name])
    for kind, comment in facts["reasons"]:
        reason = SubElement(evaluated, "reason")
        _text(reason, "type", kind)
        if comment:
            _text(reason, "comment", comment)
    identifiers = SubElement(element, "identifiers")
    _text(identifiers, "header_from", facts["header_from"])
    _text(identifiers, "envelope_from", facts["envelope_from"])
    _results(SubElement(element, "auth_results"), facts["signatures"], facts["checked"])


def _results(element: Element, signatures: Iterable[Sequence[str]], checked: Sequence[str]) -> None:
    for domain, selector, result in signatures:
        dkim = SubElement(element, "dkim")
        _text(dkim, "domain", domain)
        _text(dkim, "selector", selector)
        _text(dkim, "result", result)
    domain, result = checked
    if domain:
        spf = SubElement(element, "spf")
        _text(spf, "domain", domain)
        _text(spf, "scope", "mfrom")
        _text(spf, "result", result)


def _text(parent: Element, name: str, value: str) -> None:
    """An element with text; what XML has no character for becomes a question mark."""
    SubElement(parent, name).text = "".join(char if char.isprintable() else "?" for char in value)
