"""The same filters as six processes and as one decide the same, for all kinds of clients and mail.

But for marks, of which there are none here: a mark hides the filters behind it from smtpd, and none from filter-chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.smtpd import chain_config as at
from tests.smtpd.chain import Chain, Seen, infected, mail
from tests.support.shapes import SHAPES
from tools.private_smtpd import wait_until
from tools.private_smtpd.backends import GTUBE

BOB, TRAP = "bob@example.org", "trap@example.org"
SLOW = {"long lines"}
"""A shape that SpamAssassin takes seconds for."""


class Case(NamedTuple):
    """What a client offers; twice, if it is told to come again."""

    source: str
    sender: str
    recipient: str
    text: bytes


def titled(text: bytes, subject: str) -> bytes:
    """The message with a line in its body by which it is found."""
    return text + f"\r\ncase: {subject}\r\n".encode()


def clients() -> Iterator[Case]:
    """Everybody with clean mail, to everybody: known and unknown, with and without a name, bounces, postmaster."""
    for source in (*at.SERVERS, at.NO_NAME, at.RESIDENTIAL):
        for sender in ("alice@good.example", "x@pool.example", "y@nowhere.invalid", ""):
            for recipient in (BOB, "postmaster@example.org", "nobody@elsewhere.example"):
                yield Case(source, sender, recipient, mail("clean"))


def messages() -> Iterator[Case]:
    """One client with every shape of message, spam, a virus, and points of its sender."""
    for name, text in SHAPES.items():
        if name not in SLOW:
            yield Case(at.GOOD, "alice@good.example", BOB, text)
    yield Case(at.CAREFUL, "spam@careful.example", BOB, mail("spam", f"\n{GTUBE.decode()}\n"))
    yield Case(at.VIRUS, "virus@virus.example", BOB, infected("virus"))
    yield Case(at.SCORED, "offers@scored.example", BOB, mail("offer", author="offers@scored.example"))


def trapped() -> Iterator[Case]:
    """Whoever writes to a trap is refused from then on."""
    for sender in ("a@spam.example", "b@spam.example"):
        yield Case(at.SPAMMER, sender, TRAP, mail("to the trap"))
        yield Case(at.SPAMMER, sender, BOB, mail("to somebody else"))


@pytest.fixture(scope="module")
def both(version: str) -> Iterator[Sequence[Chain]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Chain(version, one=one)) for one in (False, True)]


@pytest.mark.timeout(300)
def test_they_decide_the_same_and_deliver_the_same(both: Sequence[Chain]) -> None:
    cases = [*trapped(), *clients(), *messages()]
    texts = [titled(case.text, str(number)) for number, case in enumerate(cases)]
    heard = [[_heard(chain, case, text) for case, text in zip(cases, texts, strict=True)] for chain in both]
    for case, six, one in zip(cases, *heard, strict=True):
        assert six == one, case
    codes = {seen.code for each in heard[0] for seen in each}
    assert codes == {250, 450, 451, 550, 554}, "the cases are of every kind"
    delivered = [_delivered(chain, sum(each[-1].code == 250 for each in heard[0])) for chain in both]
    assert delivered[0].keys() == delivered[1].keys()
    for number, text in delivered[0].items():
        assert text == delivered[1][number], cases[int(number)]


def _heard(chain: Chain, case: Case, text: bytes) -> list[Seen]:
    """What the client was told at each try, without what is different each time."""
    tries = [chain.offer(case.source, case.sender, case.recipient, text)]
    if tries[0].code == 451:
        tries.append(chain.offer(case.source, case.sender, case.recipient, text))
    return [seen.__class__(seen.phase, seen.code, _plain(seen.text), seen.sender) for seen in tries]


def _plain(text: str) -> str:
    text = re.sub(r"\b[0-9a-f]{8} Message accepted", "ID Message accepted", text)
    return re.sub(r"id \d{8}-\d{6}-[0-9a-f]+", "id ID", text)


def _delivered(chain: Chain, count: int) -> dict[str, list[bytes]]:
    """Case → the lines of what was delivered, but for those that smtpd writes itself and those with a time."""

    wait_until(lambda: chain.smtpd.room.run(["smtpctl", "show", "queue"]) == (0, ""), 60, "the queue is not empty")
    boxes = [(user, box) for user in ("alice", "bob", "carol") for box in ("", ".Junk")]
    found = {}
    for text in (text for user, box in boxes for text in chain.smtpd.maildir(user, box)):
        number = re.search(rb"\ncase: (\d+)\n", text)
        if number is not None:
            found[number[1].decode()] = [_without_times(line) for line in _unfolded(text)]
    assert len(found) >= count - 10, f"{len(found)} of {count}"
    return found


def _unfolded(text: bytes) -> list[bytes]:
    head, _, body = text.partition(b"\n\n")
    return [*re.sub(rb"\n([ \t])", rb"\1", head).split(b"\n"), *body.split(b"\n")]


def _without_times(line: bytes) -> bytes:
    return (
        line.partition(b":")[0] if line.startswith((b"Received:", b"Message-ID:", b"Date:", b"Delivered-To:")) else line
    )
