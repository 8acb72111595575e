"""What scanning filters make of an envelope with gaps, of a login, and of a DNS that does not answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from filter_api import Message, Reject, Session, Verdict
from filter_api.bases.scanning import ScanningFilter, scan_settings
from filter_api.files.exempt import ExemptTable
from filter_api.net.dns import Resolver, Status
from filter_api.options import CommonOptions
from filter_api.testing import FakeZone, Player
from filter_api.testing.player import Client

BOB, LONG = b"bob@example.com", b"x" * 244 + b"@example.com"
PASS = [b"v=spf1 ip4:192.0.2.0/24 -all"]
VIRUS = "554 5.7.1 virus found"
DOUBT = "451 4.7.1 sender cannot be verified now, try again later"


class FindsAlways(ScanningFilter):
    """Refuses whatever is not exempt."""

    name: ClassVar[str] = "filter-finds"

    async def examine(self, session: Session, message: Message, deadline: float) -> Verdict:
        if await self.is_exempt(session, deadline):
            return Verdict(facts={"result": "skipped"})
        return await self.refuse(session, message, Reject(554, "5.7.1", "virus found"), {"result": "virus"}, deadline)


def smtpd(tmp_path: Path, entry: str, zone: Mapping[tuple[str, str], Any] | None = None) -> Player:
    (tmp_path / "exempt").write_text(entry + "\n")
    directory = tmp_path / "q"
    directory.mkdir(mode=0o700)
    settings, _ = scan_settings([("-q", str(directory))], address="/nowhere", port=1, size_limit=0, parallel=1)
    filter_ = FindsAlways(settings, Resolver(backend=FakeZone(zone or {})))
    filter_.options = CommonOptions()
    filter_.options.exempt = ExemptTable(str(tmp_path / "exempt"), allow_from=True, allow_to=True)
    return Player(filter_, loop=asyncio.new_event_loop())


def reply(client: Client, sender: bytes | str, *recipients: bytes) -> str:
    client.mail_from(sender)
    for recipient in recipients:
        client.rcpt_to(recipient)
    return client.message().reply.partition(";")[0]


def kept(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted((tmp_path / "q").glob("*.json"))]


@pytest.mark.parametrize(
    "hidden", [LONG, b"y" * 400 + b"@example.com", b"@" + b"r" * 250 + b":bob@example.com"], ids=["256", "412", "route"]
)
def test_one_recipient_that_smtpd_does_not_report_and_nobody_is_exempt(tmp_path: Path, hidden: bytes) -> None:
    """Whatever its domain: the whole domain is listed here."""
    with smtpd(tmp_path, "to:example.com") as player:
        client = player.connect()
        assert reply(client, "a@example.org", BOB) == ""
        assert reply(client, "a@example.org", BOB, b"carol@example.com") == ""
        assert reply(client, "a@example.org", BOB, hidden) == VIRUS
        assert reply(client, "a@example.org", hidden, BOB) == VIRUS
        assert reply(client, "a@example.org", hidden) == VIRUS
        assert reply(client, "a@example.org", BOB) == "", "the next message is another"


STRANGER = b"somebody@elsewhere.example"


@pytest.mark.parametrize("beyond", [[b"r@example.com"], [STRANGER], [b"r@example.com"] * 3, [b"r@example.com"] * 1_000])
def test_more_recipients_than_are_kept_and_nobody_is_exempt(tmp_path: Path, beyond: list[bytes]) -> None:
    many = [b"r%d@example.com" % number for number in range(1_000)]
    with smtpd(tmp_path, "to:example.com") as player:
        client = player.connect()
        assert reply(client, "a@example.org", *many) == ""
        assert reply(client, "a@example.org", *many, *beyond) == VIRUS
        assert reply(client, "a@example.org", *beyond, *many) == VIRUS
        assert reply(client, "a@example.org", *many[:-1], STRANGER) == VIRUS
        assert reply(client, "a@example.org", *many) == "", "the next message is another"


def test_recipients_whose_requests_another_filter_answered(tmp_path: Path) -> None:
    with smtpd(tmp_path, "to:example.com") as player:
        for envelopes, expected in ((1, ""), (2, VIRUS)):
            client = player.connect()
            client.report("tx-begin", client._msgid)
            client.report("tx-mail", client._msgid, b"ok", b"a@example.org")
            for number in range(envelopes):
                client.report("tx-envelope", client._msgid, b"%016x" % number)
            client.report("tx-rcpt", client._msgid, b"ok", BOB)
            assert client.message().reply.partition(";")[0] == expected


@pytest.mark.parametrize("user", ["", "alice", "alice@partner.example", "ALICE@PARTNER.EXAMPLE"])
def test_a_login_exempts_nobody(tmp_path: Path, user: str) -> None:
    with smtpd(tmp_path, "from:partner.example", {("partner.example", "TXT"): PASS}) as player:
        client = player.connect("198.51.100.7")
        if user:
            client.auth(user)
        assert reply(client, "ceo@partner.example", BOB) == VIRUS
        partner = player.connect("192.0.2.9")
        if user:
            partner.auth(user)
        assert reply(partner, "ceo@partner.example", BOB) == "", "SPF vouches for this client"


@pytest.mark.parametrize("address", ["unix", "127.0.0.1"])
def test_neither_does_a_local_client(tmp_path: Path, address: str) -> None:
    with smtpd(tmp_path, "from:partner.example", {("partner.example", "TXT"): PASS}) as player:
        assert reply(player.connect(address), "ceo@partner.example", BOB) == VIRUS


def test_while_the_dns_does_not_answer_a_listed_sender_is_refused_for_now_and_not_kept(tmp_path: Path) -> None:
    zone: dict[tuple[str, str], Any] = {("partner.example", "TXT"): Status.TEMPFAIL}
    with smtpd(tmp_path, "from:partner.example", zone) as player:
        client = player.connect()
        assert reply(client, "ceo@partner.example", BOB) == DOUBT
        assert reply(client, "x@other.example", BOB) == VIRUS, "a sender that is not listed is in no doubt"
        assert "doubt=" in player.log[0]
    (facts,) = kept(tmp_path)
    assert facts["from"] == "x@other.example"


def test_what_is_kept_says_whether_its_envelope_is_whole(tmp_path: Path) -> None:
    with smtpd(tmp_path, "192.0.2.99") as player:
        client = player.connect()
        reply(client, "a@example.org", BOB)
        reply(client, LONG, BOB, LONG)
        client.report("tx-begin", b"%016x" % 77)
        client.report("tx-rcpt", b"%016x" % 77, b"ok", BOB)
        client.message()
    whole, gap, unknown = sorted(kept(tmp_path), key=lambda facts: (not facts["complete"], facts["from"] is None))
    assert (whole["from"], whole["to"], whole["recipients"], whole["complete"]) == (
        "a@example.org",
        [BOB.decode()],
        1,
        True,
    )
    assert (gap["from"], gap["recipients"], gap["complete"]) == (LONG.decode(), 2, False)
    assert (unknown["from"], unknown["complete"]) == (None, False)
