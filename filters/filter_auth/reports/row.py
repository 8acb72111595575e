"""What one message adds to the report for the domain whose record was obeyed (RFC 9990 §3.1). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from filter_api import bounds
from filter_api.dmarc.evaluate import Dmarc, Found
from filter_auth.checks import Checked, Mail
from filter_auth.policy import Action, Ruling

_DISPOSITIONS: Final = {Action.ACCEPT: "none", Action.MARK: "quarantine", Action.REJECT: "reject"}
_REASONS: Final = {"forwarder": "trusted_forwarder", "list": "mailing_list"}
_SEALS_TOLD: Final = 10
_REPORT: Final = re.compile(rb"[ \t]*Report[ \t\r\n]+Domain:", re.IGNORECASE)  # the Subject of a report, §3.5.2


class Row(NamedTuple):
    """domain: where the record was found; record: its text. facts: what a row of the report says, as JSON.

    plain: whether it is a reason for a report at all: neither refused nor a report itself, of which two hosts could
    otherwise send each other one for ever.
    """

    domain: str
    record: str
    facts: str
    plain: bool


def row_of(checked: Checked, ruling: Ruling, mail: Mail) -> Row | None:
    """The row, or None where nobody wants to know, or nothing is known for certain."""
    found, record = checked.found, checked.record
    if found is None or record is None or not record.reports or ruling.action not in _DISPOSITIONS:
        return None
    if found.result not in {Dmarc.PASS, Dmarc.FAIL} or not checked.client:
        return None
    passed = found.result is Dmarc.PASS
    disposition = "pass" if passed else _DISPOSITIONS[ruling.action]
    aligned = {each.partition(":")[0] for each in found.aligned}
    facts: dict[str, Any] = {
        "ip": checked.client,
        "disposition": disposition,
        "dkim": "pass" if "dkim" in aligned else "fail",
        "spf": "pass" if "spf" in aligned else "fail",
        "reasons": [] if passed else list(_reasons(found, checked, ruling, disposition)),
        "header_from": found.author,
        "envelope_from": checked.spf_domain if checked.spf_property == "mailfrom" else "",
        "signatures": _signatures(checked, found),
        "checked": [checked.spf_domain, checked.spf],
    }
    plain = ruling.action is not Action.REJECT and not _is_report(mail)
    return Row(found.record_at, record.text, _text(facts), plain)


def _text(facts: dict[str, Any]) -> str:
    """As JSON, without the signatures for which there is no room."""
    text = json.dumps(facts, separators=(",", ":"))
    while len(text) > bounds.MAX_REPORT_ROW and facts["signatures"]:
        facts["signatures"].pop()
        text = json.dumps(facts, separators=(",", ":"))
    return text


def _is_report(mail: Mail) -> bool:
    return any(name == b"subject" and _REPORT.match(raw.partition(b":")[2]) for name, raw in mail.fields)


def _signatures(checked: Checked, found: Found) -> list[list[str]]:
    """Domain, selector and result of each, the author's own that holds first (§3.1.3)."""
    aligned = {each.partition(":")[2] for each in found.aligned}

    def rank(name: str, result: str) -> int:
        return 3 if result != "pass" else 0 if name == found.author else 1 if name in aligned else 2

    told = [[each.name, each.selector, each.result.value] for each in checked.outcomes if each.name]
    return sorted(told, key=lambda each: rank(each[0], each[2]))


def _reasons(found: Found, checked: Checked, ruling: Ruling, disposition: str) -> Iterator[list[str]]:
    """Type and comment of each override (§3.1.6)."""
    if ruling.override in _REASONS:
        yield [_REASONS[ruling.override], ""]
    elif ruling.override == "arc":
        seals = checked.chain.sets[-_SEALS_TOLD:]
        told = [f"as[{one.instance}].{tag}={one.seal.text(tag.encode())}" for one in seals for tag in "ds"]
        yield ["local_policy", f"arc=pass {' '.join(told)}"[: bounds.MAX_REPORT_COMMENT]]  # RFC 8617 §7.2.2
    elif disposition != found.policy:
        yield ["local_policy", ruling.override if ruling.override != "test" else ""]
    if found.testing:
        yield ["policy_test_mode", ""]
