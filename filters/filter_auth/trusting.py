"""Whose word is believed though DMARC fails: forwarders and lists of -l, and sealers of -c (RFC 8617 §7.2)."""

from __future__ import annotations

from collections.abc import Iterator

from filter_api.files.exempt import ExemptTable
from filter_api.files.tables import DomainTable
from filter_api.message.results import parse_results
from filter_api.session import Session
from filter_api.text.addresses import split_address, strip_source_route
from filter_api.text.idn import a_labels
from filter_auth.checks import Checked


def trusted(session: Session, checked: Checked, forwarders: ExemptTable | None, sealers: DomainTable | None) -> str:
    """``forwarder``, ``list`` or ``arc``, the first that fits; empty for nobody."""
    if forwarders is not None:
        if session.address is not None and forwarders.client(session):
            return "forwarder"
        if any(map(forwarders.sender_if_spf_passes, _proven(session, checked))):
            return "list"
    return "arc" if sealers is not None and overrides(checked, sealers) else ""


def _proven(session: Session, checked: Checked) -> Iterator[bytes]:
    """Who has sent the message beyond doubt: an address by SPF; nobody in particular at a domain by its signature."""
    for name in sorted(checked.signers):
        yield b"@" + name.encode("ascii")
    if checked.spf == "pass" and checked.strong:
        local, _ = split_address(strip_source_route(session.sender or b""))
        yield local + b"@" + checked.spf_domain.encode("ascii")


def overrides(checked: Checked, sealers: DomainTable) -> bool:
    """Whether a chain that holds says that the author's domain passed when the first of its trusted sealers looked.

    From the newest set down as long as the sealers are listed: what an unlisted one says below them counts for nothing.
    """
    chain = checked.chain
    if chain.result != "pass" or not checked.authors:
        return False
    oldest = None
    for one in reversed(chain.sets):
        if a_labels(one.sealer) not in sealers:
            break
        oldest = one
    said = None if oldest is None else parse_results(oldest.results)
    if said is None:
        return False
    passed = {
        a_labels(each.properties.get(b"header.from", b"").rpartition(b"@")[2])
        for each in said.of(b"dmarc")
        if each.result == b"pass"
    }
    return {author.encode("ascii") for author in checked.authors} <= passed
