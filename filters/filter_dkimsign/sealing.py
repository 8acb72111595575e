"""Option -A: mail of strangers that is forwarded is sealed (ARC, RFC 8617), so that its next host can believe us.

What filter-auth(8) found on arrival is taken from its Authentication-Results field. No stranger can write that one: it
stands above the Received field that smtpd has written for this very transaction, where only filters get.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature

from filter_api.decision import AddHeader
from filter_api.dkim.canonical import CRLF
from filter_api.dkim.seal import SEALED, Link, Unsealable, next_link, seal
from filter_api.dkim.signature import RawField, cover
from filter_api.errors import CannotCheck
from filter_api.files.tables import AddressTable
from filter_api.message.results import parse_results
from filter_api.session import Session
from filter_api.text.addresses import domain_of, strip_source_route
from filter_api.trust import is_own_received
from filter_dkimsign.keytable import Entries, Entry
from filter_dkimsign.policy import Unsigned, choose_entries

_RESULTS: Final = b"authentication-results"
_VERDICTS: Final = frozenset((b"none", b"pass", b"fail"))
_RSA: Final = "rsa-sha256"


@dataclass(frozen=True, slots=True)
class Seal:
    """What a message is to be sealed with: its place in the chain, who seals, what was found on arrival."""

    entry: Entry
    link: Link
    results: bytes

    @property
    def tags(self) -> bytes:
        """The constant tags of both signatures."""
        entry = self.entry
        return b"a=%b; d=%b; s=%b;" % (entry.key.algorithm.encode("ascii"), entry.domain, entry.selector)

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""
        return self.entry.sign(data)

    def edits(self, fields: Sequence[RawField], body_hash: bytes, now: int) -> list[AddHeader]:
        """The three fields, for a message that leaves with these. now: seconds since the epoch. Raises CannotCheck."""
        try:
            made = seal(self, self.link, cover(SEALED, fields), body_hash, results=self.results, now=now)
        except (InvalidSignature, ValueError) as error:
            raise CannotCheck(f"{self.entry.key.path}: {type(error).__name__}: {error}") from error
        return [AddHeader(name, value) for name, value in made]


def forwarded(session: Session, listed: AddressTable) -> list[bytes]:
    """The recipients that are listed, as smtpd has accepted them."""
    transaction = session.transaction
    recipients = () if transaction is None else transaction.recipients
    return [each for each in recipients if strip_source_route(each) in listed]


def prepare(
    session: Session, fields: Sequence[RawField], recipients: Sequence[bytes], sources: Sequence[Entries]
) -> Seal:
    """What to seal a message with. recipients: the listed ones. Raises Unsigned."""
    transaction = session.transaction
    results = results_of(fields, None if transaction is None else transaction.id)
    read = parse_results(results)
    said = [] if read is None else [each.result for each in read.of(b"arc")]
    if len(said) != 1 or said[0] not in _VERDICTS:
        raise Unsigned("no-results")
    try:
        link = next_link(fields, said[0].decode("ascii"))
    except Unsealable as reason:
        raise Unsigned(str(reason)) from None
    return Seal(_sealer(recipients, sources), link, results)


def results_of(fields: Sequence[RawField], message_id: bytes | None) -> bytes:
    """What the filters before this one have found, as one Authentication-Results value. Raises Unsigned if nothing is.

    message_id: the transaction's, by which smtpd's own Received is known.
    """
    found = []
    for name, raw in fields:
        value = raw.partition(b":")[2].removesuffix(CRLF).strip(b" \t")
        if name == b"received" and is_own_received(value, message_id):
            break
        if name == _RESULTS:
            found.append(value)
    else:
        found = []
    if not found:
        raise Unsigned("no-results")
    return merged(found)


def merged(values: Sequence[bytes]) -> bytes:
    """The first value, and the results of the others that have its id (RFC 8617 §4.1.1); one at least."""
    first = parse_results(values[0])
    said = [values[0]]
    for value in values[1:]:
        head, _, results = value.partition(b";")
        read = parse_results(value)
        plain = b'"' not in head and b"(" not in head  # where the head ends at its first semicolon
        if first is not None and read is not None and read.results and read.id == first.id and plain:
            said.append(results.lstrip(b" \t"))
    return b";\r\n\t".join(said)


def _sealer(recipients: Sequence[bytes], sources: Sequence[Entries]) -> Entry:
    """The entry of the first recipient's domain, of none the first of all; an RSA key where there is one."""
    domain = domain_of(strip_source_route(recipients[0]))
    entries = choose_entries(sources, domain, sign_unknown=True)
    return next((entry for entry in entries if entry.key.algorithm == _RSA), entries[0])
