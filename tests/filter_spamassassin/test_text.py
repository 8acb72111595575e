"""The copy for spamd: the envelope on top, the sender's own envelope fields left out, all else byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filter_api.message.message import Message
from filter_spamassassin.text import Copy, envelope
from tests.support.shapes import SHAPES

ENVELOPE = b"X-Envelope-From: <a@example.org>\r\nReturn-Path: <a@example.org>\r\n"


def message(text: bytes) -> Message:
    held = Message()
    lines = text.removesuffix(b"\r\n").split(b"\r\n")
    if text:
        held.append(b"\n".join(b"." + line if line.startswith(b".") else line for line in lines))
    return held


@pytest.mark.parametrize("name", [*SHAPES])
def test_every_shape(name: str) -> None:
    copy = Copy(message(SHAPES[name]), b"a@example.org")
    text = b"".join(copy.blocks())
    assert text == ENVELOPE + SHAPES[name]
    assert copy.size == len(text)
    assert b"".join(copy.blocks()) == text


@pytest.mark.parametrize("name", [name for name in SHAPES if SHAPES[name][:1] not in {b"", b"\r", b" "}])
def test_forged_envelope_fields_are_left_out(name: str) -> None:
    forged = b"X-Envelope-From: <b@forged.example>\r\n and more\r\nreturn-path : <b@forged.example>\r\n"
    copy = Copy(message(forged + SHAPES[name]), b"a@example.org")
    text = b"".join(copy.blocks())
    assert text == ENVELOPE + SHAPES[name]
    assert copy.size == len(text)


LINES = st.lists(
    st.one_of(
        st.sampled_from([b"", b".", b" fold", b"Return-Path: <x>", b"X-ENVELOPE-FROM:y", b"Subject: z", b"..", b":"]),
        st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"")),
    ),
    max_size=30,
)


@given(LINES)
@example([b"x-envelope-from"])  # without a colon it is no field, for us and for spamd
def test_whatever_the_lines_are(lines: list[bytes]) -> None:
    """The size is right to the byte, as spamd counts; the body is all there; no envelope field is left but ours."""
    original = b"".join(line + b"\r\n" for line in lines)
    copy = Copy(message(original), b"a@example.org")
    text = b"".join(copy.blocks())
    assert copy.size == len(text) <= len(ENVELOPE) + len(original)
    assert text.startswith(ENVELOPE)
    if not lines or not lines[0]:
        assert text == ENVELOPE + original
        return
    head, _, body = text.partition(b"\r\n\r\n")
    assert body == original.partition(b"\r\n\r\n")[2]
    fields = [line for line in head.split(b"\r\n")[2:] if line[:1] not in {b" ", b"\t"} and b":" in line]
    assert not {b"return-path", b"x-envelope-from"} & {field.partition(b":")[0].strip().lower() for field in fields}


def test_fields_of_these_names_in_the_body_stay() -> None:
    text = b"Subject: x\r\n\r\nReturn-Path: <b@example.net>\r\n"
    assert b"".join(Copy(message(text), None).blocks()) == text


def test_a_large_message_with_forged_fields() -> None:
    body = b"".join(b"line %d\r\n" % number for number in range(300_000))
    held = message(b"Return-Path: <x>\r\nSubject: x\r\n\r\n" + body)
    copy = Copy(held, b"a@example.org")
    text = b"".join(copy.blocks())
    assert text == ENVELOPE + b"Subject: x\r\n\r\n" + body
    assert copy.size == len(text)
    assert all(len(block) <= 131_072 for block in copy.blocks())
    held.close()


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        (b"", b"<>"),
        (b"a@b", b"<a@b>"),
        (b"a\r\nBcc: x@y", b"<a??Bcc:?x@y>"),
        (b"a>b<c\xe9\0", b"<a?b?c??>"),
        (b"x" * 1000, b"<" + b"x" * 1000 + b">"),
        (b"x" * 3000, b"<" + b"x" * 2048 + b">"),
    ],
)
def test_senders(sender: bytes, shown: bytes) -> None:
    assert envelope(sender) == b"X-Envelope-From: %b\r\nReturn-Path: %b\r\n" % (shown, shown)


def test_an_unknown_sender_adds_nothing() -> None:
    assert envelope(None) == b""
