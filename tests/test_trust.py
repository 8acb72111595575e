"""The table of TRUST in opensmtpd-filters(7): every kind of client, every kind of evidence, every question of a filter.

The functions `expected_…` are written by hand from the manual page, over names; the code is asked for each cell.
"""

from __future__ import annotations

import asyncio
import itertools
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from filter_api import Filter, trust
from filter_api.bases.trusting import TrustingFilter
from filter_api.files.exempt import ExemptTable
from filter_api.files.networks import Networks
from filter_api.net.dns import Resolver, Status
from filter_api.session import Session, Transaction
from filter_api.testing import FakeZone
from filter_api.trust import Origin

OURS: Final = Networks("127.0.0.0/8,::1,192.0.2.0/24")


class Client(NamedTuple):
    """How a client came. name: a confirmed one, or none. untold: smtpd cannot tell its address."""

    source: bytes
    fcrdns: str
    origin: Origin
    user: bytes | None = None
    destination: bytes = b"203.0.113.25:25"


CLIENTS: Final = {
    "login": Client(b"198.51.100.7:1", "fail", Origin.AUTHENTICATED, b"alice@example.org"),
    "bare login": Client(b"198.51.100.7:1", "fail", Origin.AUTHENTICATED, b"alice"),
    "login of another domain": Client(b"198.51.100.7:1", "fail", Origin.AUTHENTICATED, b"eve@elsewhere.example"),
    "login without address": Client(b"", "fail", Origin.AUTHENTICATED, b"alice@example.org"),
    "socket": Client(b"unix:/run/smtpd.sock", "pass", Origin.SOCKET, None, b"unix:/run/smtpd.sock"),
    "loopback": Client(b"127.0.0.1:1", "pass", Origin.LOOPBACK, None, b"127.0.0.1:25"),
    "loopback 6": Client(b"[::1]:1", "pass", Origin.LOOPBACK, None, b"[::1]:25"),
    "this host": Client(b"192.0.2.25:1", "pass", Origin.LOOPBACK, None, b"192.0.2.25:25"),
    "network": Client(b"192.0.2.9:1", "fail", Origin.NETWORK),
    "stranger": Client(b"198.51.100.7:1", "fail", Origin.FOREIGN),
    "stranger with a name": Client(b"198.51.100.7:1", "pass", Origin.FOREIGN),
    "untold": Client(b"unknown", "fail", Origin.UNTOLD),
    "untold with port": Client(b":0", "error", Origin.UNTOLD),
    "nothing": Client(b"", "", Origin.UNTOLD),
    "proxied from a socket": Client(b"unix:/run/smtpd.sock", "error", Origin.UNTOLD, None, b"unix:/run/smtpd.sock"),
}

#: What -W says: the entry, and whether it is about the client, its name, the sender or the recipient.
LISTED: Final = {
    "nobody": b"",
    "address": b"198.51.100.0/24",
    "loopback": b"127.0.0.0/8",
    "name": b"host:.example.net",
    "sender": b"from:example.org",
    "recipient": b"to:bob@example.com",
}

#: What SPF says of a sender in example.org.
SPF: Final = {
    "strong": [b"v=spf1 ip4:198.51.100.0/24 ip4:192.0.2.0/24 -all"],
    "weak": [b"v=spf1 +all"],
    "fail": [b"v=spf1 -all"],
    "none": None,
    "temperror": Status.TEMPFAIL,
}

SENDERS: Final = {"known": b"carol@example.org", "null": b"", "unknown": None}
RECIPIENTS: Final = {"bob": (b"bob@example.com",), "bob and dave": (b"bob@example.com", b"dave@example.com")}
COMPLETE: Final = (True, False)


class Cell(NamedTuple):
    client: str
    listed: str
    spf: str
    sender: str
    recipients: str
    complete: bool


CELLS: Final = [Cell(*names) for names in itertools.product(CLIENTS, LISTED, SPF, SENDERS, RECIPIENTS, COMPLETE)]


def expected_ours(cell: Cell) -> bool:
    return cell.client in {
        "login", "bare login", "login of another domain", "login without address", "socket", "loopback", "loopback 6",
        "this host", "network",
    }  # fmt: skip


def expected_client_exempt(cell: Cell) -> bool:
    has_address = cell.client in {
        "login", "bare login", "login of another domain", "stranger", "stranger with a name",
    }  # fmt: skip
    confirmed = cell.client in {"socket", "loopback", "loopback 6", "this host", "stranger with a name"}
    return (
        (cell.listed == "address" and has_address)
        or (cell.listed == "loopback" and cell.client == "loopback")
        or (cell.listed == "name" and confirmed)
    )


def expected_vouched(cell: Cell) -> str:
    """SPF of the sender (for the null sender that of HELO, which has no record)."""
    addresses = {
        "login", "bare login", "login of another domain", "this host", "network", "stranger", "stranger with a name",
        "loopback", "loopback 6",
    }  # fmt: skip
    if cell.client not in addresses or cell.sender != "known":
        return "no"
    if cell.spf == "temperror":
        return "doubt"
    return "yes" if cell.spf == "strong" and not cell.client.startswith("loopback") else "no"


def expected_message_exempt(cell: Cell) -> str:
    if expected_client_exempt(cell):
        return "yes"
    if cell.listed == "recipient" and cell.recipients == "bob" and cell.complete:
        return "yes"
    return expected_vouched(cell) if cell.listed == "sender" and cell.sender == "known" else "no"


def expected_points(cell: Cell) -> str:
    """Whether points that favour the sender count."""
    if cell.sender == "known" and cell.client in {"login", "bare login", "login without address"}:
        return "yes"
    return expected_vouched(cell)


class Asking(TrustingFilter):
    """A filter that asks every question."""

    async def answers(self, session: Session) -> dict[str, str]:
        until = asyncio.get_running_loop().time() + 5
        sender = session.sender
        login = trust.login_vouches(session, sender)
        vouched = await self.vouched(session, sender, until)
        exempt = await self.is_message_exempt(session, until)
        return {
            "ours": _word(self.ours(session)),
            "client exempt": _word(self.exempt(session)),
            "vouched": "doubt" if vouched.doubt else _word(bool(vouched)),
            "message exempt": "doubt" if exempt.doubt else _word(bool(exempt)),
            "points": "yes" if login else "doubt" if vouched.doubt else _word(bool(vouched)),
        }


def _word(answer: bool) -> str:
    return "yes" if answer else "no"


def session_of(cell: Cell) -> Session:
    client = CLIENTS[cell.client]
    session = Session(b"0123456789abcdef")
    session.source, session.destination = client.source, client.destination
    session.fcrdns, session.user = client.fcrdns, client.user
    session.rdns = b"mx.example.net" if client.fcrdns == "pass" else None
    session.identity = b"helo.example"
    transaction = session.transaction = Transaction()
    transaction.sender = SENDERS[cell.sender]
    for recipient in RECIPIENTS[cell.recipients]:
        transaction.add_recipient(recipient)
    if not cell.complete:
        transaction.envelope_made()
    return session


def test_every_cell_of_the_table(tmp_path: Path) -> None:
    filters = {}
    for listed, line in LISTED.items():
        (tmp_path / listed).write_bytes(line + b"\n")
        for spf, record in SPF.items():
            zone = {} if record is None else {("example.org", "TXT"): record}
            filter_ = Asking(Resolver(backend=FakeZone(zone)))
            filter_.options = type(filter_.options)()
            filter_.options.ours = OURS
            filter_.options.exempt = ExemptTable(str(tmp_path / listed), allow_from=True, allow_to=True)
            filters[listed, spf] = filter_

    async def ask() -> None:
        for cell in CELLS:
            assert await filters[cell.listed, cell.spf].answers(session_of(cell)) == {
                "ours": _word(expected_ours(cell)),
                "client exempt": _word(expected_client_exempt(cell)),
                "vouched": expected_vouched(cell),
                "message exempt": expected_message_exempt(cell),
                "points": expected_points(cell),
            }, cell

    asyncio.run(ask())
    assert len(CELLS) > 5_000


@pytest.mark.parametrize("name", CLIENTS)
def test_how_a_client_came(name: str) -> None:
    session = session_of(Cell(name, "nobody", "none", "known", "bob", complete=True))
    origin = trust.origin_of(session, OURS)
    assert origin is CLIENTS[name].origin
    assert origin.is_ours == trust.is_ours(session, OURS)
    assert trust.is_untold(session) == (CLIENTS[name].origin is Origin.UNTOLD or name == "login without address")


@pytest.mark.parametrize("address", ["192.0.2.9", "2001:db8::9"])
def test_a_client_to_explain_is_one_that_could_have_come(address: str) -> None:
    session = trust.client_at(ip_address(address), b"mx.example.net")
    assert (session.address, session.rdns, session.fcrdns) == (ip_address(address), b"mx.example.net", "pass")
    assert trust.client_at(ip_address(address)).rdns is None
    assert trust.is_ours(session, OURS) == (address == "192.0.2.9")


def test_without_a_table_nobody_is_exempt() -> None:
    session = session_of(Cell("stranger", "nobody", "none", "known", "bob", complete=True))
    assert not Filter().exempt(session)
    assert not Filter().exempt_if_vouched(b"carol@example.org")
    assert not asyncio.run(Asking().is_message_exempt(session, 0.0))


# --- logins ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("login", "sender", "vouches"),
    [
        (b"alice@example.org", b"alice@example.org", True),
        (b"alice@example.org", b"BOB@Example.ORG", True),
        (b"alice@example.org", b"@relay.example:bob@example.org", True),
        (b"alice@example.org", b"alice@sub.example.org", False),
        (b"alice@sub.example.org", b"alice@example.org", False),
        (b"alice@example.org", b"ceo@partner.example", False),
        (b"alice@example.org", b"alice", False),
        (b"alice@example.org", b"", False),
        (b"alice@example.org", None, False),
        (b"alice", b"alice@example.org", True),
        (b"alice", b"ceo@partner.example", True),
        (b"alice", b"", False),
        (b"alice", None, False),
        (None, b"alice@example.org", False),
    ],
)
def test_a_login_vouches_for_its_own_domain(login: bytes | None, sender: bytes | None, vouches: bool) -> None:
    session = Session(b"1")
    session.user = login
    assert trust.login_vouches(session, sender) is vouches


# --- what is sent from here ------------------------------------------------------------------------------------------

ID = b"0a1b2c3d"
OWN = b" from localhost (mx.example.org [local])\r\n\tby mx.example.org (OpenSMTPD) with ESMTPA id 0a1b2c3d;\r\n\tdate"
MASKED = b" \r\n\tby mx.example.org (OpenSMTPD) with SMTP id 0a1b2c3d (TLSv1.3:X:256:NO);\r\n\tdate"
EARLIER = b" from evil.example (evil.example [203.0.113.9])\r\n\tby mx (OpenSMTPD) with ESMTPS id 0a1b2c3e;\r\n\tdate"
POSTFIX = b" from x (unknown [192.0.2.1])\r\n\tby mx (Postfix) with ESMTP id 4XyZ12"


@pytest.mark.parametrize(
    ("received", "from_here"),
    [
        ([], True),
        ([OWN], True),
        ([MASKED], True),
        ([b" by hand"], True),
        ([POSTFIX], True),
        ([OWN, EARLIER], False),
        ([OWN, POSTFIX], False),
        ([OWN, b""], False),
        ([OWN, OWN], False),
        ([EARLIER], False),
        ([EARLIER, OWN], False),
        ([OWN] * 50, False),
    ],
)
def test_what_is_sent_from_here(received: list[bytes], from_here: bool) -> None:
    assert trust.is_sent_from_here(received, ID) is from_here


def test_where_the_id_is_not_known_the_topmost_field_counts_as_smtpds() -> None:
    assert trust.is_sent_from_here([EARLIER], None)
    assert not trust.is_sent_from_here([OWN, EARLIER], None)


@pytest.mark.parametrize(
    ("field", "own"),
    [(OWN, True), (MASKED, True), (EARLIER, False), (POSTFIX, False), (b" by hand with SMTP id 0a1b2c3", False)],
)
def test_the_field_that_smtpd_wrote_for_a_transaction_has_its_id(field: bytes, own: bool) -> None:
    assert trust.is_own_received(field, ID) is own
    assert not trust.is_own_received(field, None)


# --- signed authors --------------------------------------------------------------------------------------------------


def test_an_author_is_exempt_only_where_a_signature_of_a_listed_domain_holds(tmp_path: Path) -> None:
    (tmp_path / "exempt").write_text("dkim:example.org\n")
    table = ExemptTable(str(tmp_path / "exempt"), allow_from=True, allow_to=True, allow_dkim=True)
    session = Session(b"1")
    session.source = b"198.51.100.7:1"
    assert trust.message_exemption(table, session, "example.org") is trust.Exemption.YES
    assert trust.message_exemption(table, session, "example.net") is trust.Exemption.NO
    assert trust.message_exemption(table, session, "") is trust.Exemption.NO
    assert trust.message_exemption(table, session) is trust.Exemption.NO


# --- clients to explain ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "source"), [("192.0.2.9", b"192.0.2.9"), ("2001:db8::9", b"[2001:db8::9]")])
def test_the_source_of_a_client_to_explain_is_written_as_smtpd_writes_it(address: str, source: bytes) -> None:
    session = trust.client_at(ip_address(address))
    assert (session.id, session.source, session.fcrdns) == (b"", source, "")
