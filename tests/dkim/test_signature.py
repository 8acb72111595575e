"""The layout of the field: order of names, folding, copies."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.dkim.record import decode_base64, parse_tags
from filter_api.dkim.signature import DEFAULT_NAMES, OVERSIGNED, Layout, RawField, cover, in_dispute, sign


class FakeSigner:
    """Signs with its own data, so that a test sees what was signed."""

    tags = b"a=rsa-sha256; d=example.org; i=@example.org; s=sel;"

    def sign(self, data: bytes) -> bytes:
        return data


FIELDS: list[RawField] = [
    (b"received", b"Received: x\r\n"),
    (b"to", b"To: one\r\n"),
    (b"from", b"From: a@example.org\r\n"),
    (b"to", b"TO:  two\r\n\tthree \r\n"),
    (b"bcc", b"Bcc: secret\r\n"),
]


def test_instances_are_taken_from_the_bottom_up() -> None:
    covered = cover(Layout(names=(b"from", b"to", b"cc"), oversigned=frozenset((b"to", b"cc"))), FIELDS)
    assert covered.names == (b"from", b"to", b"to", b"to", b"cc")
    assert covered.data == b"from:a@example.org\r\nto:two three\r\nto:one\r\n"


def test_nothing_is_oversigned_that_is_not_named() -> None:
    assert cover(Layout(names=(b"from",)), FIELDS).names == (b"from", b"from")


def test_what_is_signed_ends_with_the_field_itself() -> None:
    layout = Layout("simple", "simple", names=(b"from",))
    value = sign(layout, FakeSigner(), cover(layout, FIELDS), b"\0" * 32, 1)
    emptied = value[: value.index(b"\tb=") + 3]
    signed = decode_base64(parse_tags(value)[b"b"])
    assert signed == b"From: a@example.org\r\nDKIM-Signature: " + emptied


@given(
    present=st.lists(st.sampled_from([*DEFAULT_NAMES, b"x-other"])),
    copies=st.integers(0, 2),
    lifetime=st.sampled_from([0, 1, 10**15]),
    timestamp=st.booleans(),
    size=st.integers(0, 700),
)
def test_folded_at_78_columns_and_read_back(
    present: list[bytes], copies: int, lifetime: int, timestamp: bool, size: int
) -> None:
    class Signer(FakeSigner):
        def sign(self, data: bytes) -> bytes:
            return b"\xff" * size

    fields = [(name, name.title() + b": x=;|\xff \t y\r\n") for name in present]
    layout = Layout(copies=copies, lifetime=lifetime, timestamp=timestamp)
    value = sign(layout, Signer(), cover(layout, fields), b"\xaa" * 32, 1_700_000_000)
    lines = (b"DKIM-Signature: " + value).split(b"\r\n")
    assert max(len(line.expandtabs()) for line in lines) <= 78
    assert all(line[:1] == b"\t" and line.strip() for line in lines[1:])
    tags = parse_tags(value)
    assert decode_base64(tags[b"b"]) == b"\xff" * size
    assert decode_base64(tags[b"bh"]) == b"\xaa" * 32
    assert (b"t" in tags, b"x" in tags) == (timestamp, lifetime > 0)
    names = [name.strip() for name in tags[b"h"].split(b":")]
    assert all(names.count(name) == present.count(name) + (name in OVERSIGNED) for name in DEFAULT_NAMES)
    if copies:
        shown = [name for name in present if copies == 2 or name != b"x-other"]
        assert unquote(tags[b"z"]) == [name.title() + b": x=;|\xff \t y" for name in shown] or not shown


def unquote(value: bytes) -> list[bytes]:
    """The copied fields of a z= tag (RFC 6376 §2.11)."""
    compact = b"".join(value.split())
    assert not re.search(rb"=(?![0-9A-F]{2})", compact)
    return [re.sub(rb"=([0-9A-F]{2})", lambda m: bytes.fromhex(m[1].decode()), copy) for copy in compact.split(b"|")]


@pytest.mark.parametrize("odd", [b"\x0b", b"\x0c"])
def test_fields_verifiers_disagree_on_are_signed_as_they_are(odd: bytes) -> None:
    fields = [(b"from", b"From: a@example.org\r\n"), (b"subject", b"Subject:  a" + odd + b"\r\n")]
    covered = cover(Layout(), fields)
    assert covered.header_form == "simple"
    assert covered.data == b"From: a@example.org\r\nSubject:  a" + odd + b"\r\n"
    assert b"c=simple/relaxed;" in sign(Layout(), FakeSigner(), covered, b"", 1)
    assert cover(Layout(), [*fields[:1], (b"x-unsigned", b"X-Unsigned: " + odd + b"\r\n")]).header_form == "relaxed"


def test_the_times_of_a_signature_stand_before_the_body_hash() -> None:
    class Mute:
        tags = b"a=rsa-sha256; d=example.org; s=s;"

        def sign(self, _data: bytes) -> bytes:
            return b""

    layout = Layout(timestamp=True, lifetime=600)
    covered = cover(layout, [(b"from", b"From: a\r\n")])
    value = sign(layout, Mute(), covered, b"h" * 32, 1_700_000_000)
    tail = value.replace(b"\r\n\t", b" ").partition(b"encoding; ")[2]
    assert tail == b"t=1700000000; x=1700000600; bh=aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg=; b="


@pytest.mark.parametrize("copies", [0, 1, 2])
def test_what_is_signed_is_the_relaxed_field_as_it_is_written_up_to_its_b(copies: int) -> None:
    layout = Layout(copies=copies, timestamp=True)
    covered = cover(layout, FIELDS)
    head, _, data = sign(layout, FakeSigner(), covered, b"h" * 32, 1_700_000_000).rpartition(b"\r\n\tb=")
    relaxed = b"dkim-signature:" + re.sub(rb"[ \t\r\n]+", b" ", head) + b" b="
    assert decode_base64(data) == covered.data + relaxed
    assert (b"z=" in head) is bool(copies)
    assert [len(line) for line in data.split(b"\r\n\t")[:2]] == [78 - 8 - 2, 78 - 8]


@pytest.mark.parametrize(
    ("data", "disputed"),
    [
        (b"plain \t\r\n", False),
        (b"a\x0cb", True),
        (b"a\x1cb", True),
        ("é".encode(), False),
        ("à".encode(), True),
        ("\u2003".encode(), True),
        (b"\x85", True),
    ],
)
def test_what_some_take_for_blanks_is_in_dispute(data: bytes, disputed: bool) -> None:
    assert in_dispute(data) is disputed
