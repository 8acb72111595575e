"""A thousand messages for every pair of canonical forms, each signed with RSA and with Ed25519, through the protocol in
random pieces: what leaves is what came, plus what smtpd would have added, and two foreign verifiers believe it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from filter_api.testing.player import Player
from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import ZONE, both_keys, login

MESSAGES = 1000

BLANKS = st.sampled_from([b" ", b"\t", b"  ", b" \t ", b""])
WORD = st.sampled_from(
    [b"a", b"Zw\xf6lf", b"=?utf-8?q?=C3=A4?=", b"x" * 60, b"..", b"\x0c", b"\x0b", b"\xa0", b"@", b";b=", b"\\"]
)
LINE = st.lists(st.one_of(WORD, BLANKS), max_size=6).map(b"".join)


@st.composite
def values(draw: st.DrawFn) -> bytes:
    """An unstructured value, folded at random; never a line of blanks alone (RFC 5322 forbids it)."""
    first = draw(BLANKS) + draw(LINE)
    folds = draw(st.lists(st.tuples(st.sampled_from([b" ", b"\t", b" \t"]), LINE), max_size=2))
    return first + b"".join(b"\r\n" + blank + b"." + text for blank, text in folds)


NAMES = st.sampled_from(
    [b"Subject", b"SUBJECT", b"Date", b"Message-Id", b"X-Odd", b"Reply-To", b"MIME-Version", b"content-type"]
)
ADDRESSES = st.lists(
    st.sampled_from(
        [
            b" bob@example.net",
            b'"B, ob" <bob@example.net>',
            b"\r\n\tcarol@example.net (home)",
            b" root",
            b" <dave>",
            b" eve (x)",
            b" grp:;",
            b"\r\n  mx@[192.0.2.1]",
        ]
    ),
    min_size=1,
    max_size=4,
).map(b",".join)
FROM = st.sampled_from(
    [
        b"From: alice@example.org",
        b"from:alice",
        b'FROM: "A. Lice"\r\n <alice@example.org>',
        b"From: Alice \xe4 <alice@sub.example.org> (x)",
        b"From:\r\n\talice@EXAMPLE.org  ",
    ]
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message with one From field, any other fields and any body."""
    fields = draw(st.lists(st.builds(lambda name, value: name + b":" + value, NAMES, values()), max_size=6))
    for name in draw(st.lists(st.sampled_from([b"To", b"Cc", b"TO", b"Bcc"]), max_size=3)):
        fields.append(name + b":" + draw(ADDRESSES))
    fields.insert(draw(st.integers(0, len(fields))), draw(FROM))
    body = draw(st.lists(LINE.map(lambda line: line + b"\r\n"), max_size=8).map(b"".join))
    body += draw(st.sampled_from([b"", b"\r\n", b"\r\n\r\n", b" \r\n\t\r\n"]))
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


@pytest.fixture(scope="module", params=["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"])
def signer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    folder: Path = tmp_path_factory.mktemp("keys")
    with Player(both_keys(folder, "-t", "-c", request.param)) as player:
        yield player


def through(smtpd: Player, text: bytes, seed: int) -> bytes:
    """Send a message, cut anywhere, and give back what leaves."""
    client = login(smtpd)
    client.mail_from("alice@example.org")
    client.rcpt_to()
    client.data()
    head = smtpd.head(client.id)
    start = b"filter|0.7|1700000000.000000|smtp-in|data-line|" + client.id + b"|" + smtpd.token(b"data-line") + b"|"
    lines = [b"." + line if line.startswith(b".") else line for line in text.removesuffix(b"\r\n").split(b"\r\n")]
    wire = b"".join(start + line + b"\n" for line in [*lines, b"."])
    smtpd.written.clear()
    cuts = random.Random(seed)
    while wire:
        size = cuts.choice((1, 7, 80, 200, 1000, 5000))
        smtpd.feed(wire[:size])
        wire = wire[size:]
    smtpd.settle(client.id)
    back = [line[len(head) :] for line in smtpd.lines() if line.startswith(head)]
    assert back.pop() == b"."
    client._ask(b"commit", b"")
    client.vanish()
    return b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in back)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(
    max_examples=MESSAGES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(text=messages(), seed=st.integers(0, 1000))
def test_every_signature_holds(signer: Player, text: bytes, seed: int) -> None:
    left = through(signer, text, seed)
    assert both(left, ZONE) == [True, True], text
    body = text.partition(b"\r\n\r\n")[2]
    assert left.partition(b"\r\n\r\n")[2] == body
    without_bcc = left.replace(b"\r\nBcc:", b"\r\nX-Gone:")
    assert both(without_bcc, ZONE) == [True, True]


ANY_LINE = st.binary(max_size=30).map(lambda line: line.replace(b"\n", b" "))
ANY_NAME = st.sampled_from(
    [b"From", b"from ", b"To", b"cc", b"Bcc", b"Date", b"Subject", b"", b" ", b"X\xff", b"DKIM-Signature"]
)
ANY_FIELD = st.builds(lambda name, value: name + b":" + value, ANY_NAME, ANY_LINE)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(head=st.lists(st.one_of(ANY_FIELD, ANY_LINE), max_size=6), body=st.lists(ANY_LINE, max_size=5))
def test_no_message_is_a_reason_to_fail(signer: Player, head: list[bytes], body: list[bytes]) -> None:
    """Whatever a client writes passes, signed or not, with its body untouched; never is it a failure of ours."""
    text = b"\r\n".join([b"From: alice@example.org", *head, b"", *body, b""])
    seen = len(signer.log)
    left = through(signer, text, 0)
    assert not [line for line in signer.log[seen:] if "failed" in line]
    if b"DKIM-Signature: v=1" not in left:
        assert left == text.removesuffix(b"\r\n") + b"\r\n"
    else:
        assert left.endswith(text.partition(b"\r\n\r\n")[2])
