"""Recorded traffic of two daemons against filter-dkimsign: legal answers only, and signatures that hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from filter_api.testing.player import Player
from filter_api.testing.transcript import Transcript, Wire
from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import ZONE, both_keys

FOLDER = Path(__file__).parents[1] / "transcripts"
FILES = sorted(FOLDER.glob("*/*.txt"))


def play(folder: Path, wire: list[Wire]) -> tuple[list[bytes], list[str]]:
    """What left the filter, one message an item, and what it logged."""
    old = any(line.startswith((b"filter|0.6|", b"report|0.6|")) for _, line in wire)
    with Player(both_keys(folder), protocol="0.6" if old else "0.7") as smtpd:
        lines = smtpd.play(wire)
        messages: list[bytes] = []
        text = b""
        for line in lines:
            if not line.startswith(b"filter-dataline|"):
                continue
            payload = line.split(b"|", 3)[3]
            if payload == b".":
                messages.append(text)
                text = b""
            else:
                text += payload.removeprefix(b".") + b"\r\n"
        return messages, smtpd.log


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.stem}" for path in FILES])
def test_every_recording(path: Path, tmp_path: Path) -> None:
    for wire in Transcript.read(path).wires():
        messages, log = play(tmp_path, wire)
        assert not [line for line in log if "result=failed" in line]
        signed = [text for text in messages if b"DKIM-Signature:" in text]
        assert len(signed) == len([line for line in log if "result=signed" in line])
        for text in signed:
            assert both(text, ZONE) == [True, True]


@pytest.mark.parametrize("version", ["6.8.0p2", "7.8.0p1"])
def test_addresses_become_what_smtpd_made_of_them(version: str, tmp_path: Path) -> None:
    """bcc_unqualified.txt has what the daemon delivered: but for Bcc, Date and Message-ID it is what we send out."""
    path = FOLDER / version / "bcc_unqualified.txt"
    (wire, *_) = Transcript.read(path).wires()
    wire = [Wire(into, line.replace(b"|From: alice", b"|From: alice@example.org")) for into, line in wire]
    ((text,), _) = play(tmp_path, wire)
    delivered = path.read_bytes().partition(b"## delivered message")[2].replace(b"\n", b"\r\n")
    for name in (b"To", b"Cc"):
        field = re.search(rb"\r\n" + name + rb":.*?\r\n(?![ \t])", delivered, re.DOTALL)
        assert field is not None
        assert field.group() in text


def test_enough_of_the_recordings_get_signed(tmp_path: Path) -> None:
    found = [play(tmp_path, wire) for path in FILES for wire in Transcript.read(path).wires()]
    assert sum("result=signed" in line for _, log in found for line in log) > 20
