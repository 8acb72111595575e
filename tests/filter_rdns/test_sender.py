"""Option -S: can the domain of a sender receive mail?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from filter_api.net.dns import Record, Resolver, Status
from filter_api.testing.dns import FakeZone, Slow
from filter_rdns.policy import Mailbox
from filter_rdns.sender import look_up_mailbox

ZONE: Mapping[tuple[str, str], Sequence[Record] | Status] = {
    ("mx.example", "MX"): [(10, "mail.mx.example")],
    ("null.example", "MX"): [(0, ".")],
    ("null.example", "A"): ["192.0.2.1"],
    ("both.example", "MX"): [(0, "."), (10, "mail.mx.example")],
    ("v4.example", "A"): ["192.0.2.1"],
    ("v6.example", "AAAA"): ["2001:db8::1"],
    ("v6.example", "A"): Status.TEMPFAIL,
    ("text.example", "TXT"): [b"no mail here"],
    ("half.example", "AAAA"): Status.TEMPFAIL,
    ("broken.example", "MX"): Status.TEMPFAIL,
    ("broken.example", "A"): ["192.0.2.1"],
}


def find(sender: bytes) -> tuple[Mailbox, str]:
    return asyncio.run(look_up_mailbox(Resolver(backend=FakeZone(ZONE)), sender))


@pytest.mark.parametrize(
    ("sender", "mailbox"),
    [
        (b"", Mailbox.ABLE),
        (b"joe@mx.example", Mailbox.ABLE),
        (b"joe@MX.Example.", Mailbox.ABLE),
        (b"@relay.example:joe@mx.example", Mailbox.ABLE),
        (b"joe@gone.example@mx.example", Mailbox.ABLE),
        (b"joe@v4.example", Mailbox.ABLE),
        (b"joe@v6.example", Mailbox.ABLE),
        (b"joe@both.example", Mailbox.ABLE),
        (b"joe@[192.0.2.1]", Mailbox.ABLE),
        (b"joe@null.example", Mailbox.NULL_MX),
        (b"joe@gone.example", Mailbox.NO_DOMAIN),
        (b"joe", Mailbox.NO_DOMAIN),
        (b"joe@", Mailbox.NO_DOMAIN),
        (b"joe@a..b", Mailbox.NO_DOMAIN),
        (b"joe@caf\xe9.example", Mailbox.NO_DOMAIN),
        (b"joe@" + b"a" * 300, Mailbox.NO_DOMAIN),
        (b"joe@text.example", Mailbox.NO_MAIL),
        (b"joe@half.example", Mailbox.DOUBT),
        (b"joe@broken.example", Mailbox.DOUBT),
    ],
)
def test_mailboxes(sender: bytes, mailbox: Mailbox) -> None:
    found, why = find(sender)
    assert found is mailbox
    assert bool(why) == (mailbox is Mailbox.DOUBT)


@pytest.mark.parametrize(
    ("zone", "why"),
    [
        ({("slow.example", "MX"): Slow(30.0, [(10, "mail.slow.example")])}, "MX: no answer before the deadline"),
        ({("slow.example", "A"): Slow(30.0, ["192.0.2.1"])}, "address: no answer before the deadline"),
        ({("slow.example", "AAAA"): Slow(30.0, ["2001:db8::1"])}, "address: no answer before the deadline"),
    ],
    ids=["MX", "A", "AAAA"],
)
def test_each_question_ends_at_the_deadline(zone: Mapping[tuple[str, str], Slow], why: str) -> None:
    async def find_soon() -> tuple[Mailbox, str]:
        soon = asyncio.get_running_loop().time() + 0.05
        return await look_up_mailbox(Resolver(backend=FakeZone(zone)), b"joe@slow.example", soon)

    assert asyncio.run(find_soon()) == (Mailbox.DOUBT, why)
