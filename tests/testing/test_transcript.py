"""The transcript format: every recorded file comes back byte for byte, and its traffic is read whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.testing.transcript import Transcript, Wire, title_line, wire_line

FOLDER = Path(__file__).parents[1] / "transcripts"
RECORDED = sorted(FOLDER.glob("*/*.txt"))

LINES = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b""))


def test_both_versions_were_recorded() -> None:
    assert {path.parent.name for path in RECORDED} == {"6.8.0p2", "7.8.0p1"}
    assert len(RECORDED) >= 90


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_file_comes_back_byte_for_byte(path: Path) -> None:
    data = path.read_bytes()
    transcript = Transcript.parse(data)
    assert transcript.dump() == data
    sent = re.findall(rb"^(?:out )?[<>] (?:config|register|report|filter[a-z-]*)\|", data, re.MULTILINE)
    assert sum(map(len, transcript.wires())) == len(sent)


def test_each_process_is_a_wire_of_its_own() -> None:
    relay, listener = Transcript.read(FOLDER / "7.8.0p1" / "smtp_out_and_bounce.txt").wires()
    assert relay[0] == Wire(True, b"config|smtpd-version|7.8.0-portable")
    assert all(b"|smtp-out|" in line for _, line in relay[6:] if line != b"register|ready")
    assert any(line.startswith(b"filter-result|") and not to_filter for to_filter, line in listener)


def test_a_message_that_imitates_a_section_is_no_traffic() -> None:
    text = b"## filter wire\n< config|ready\n\n## delivered message\nSubject: x\n\n## filter wire\n> garbage\n"
    transcript = Transcript.parse(text)
    assert transcript.wires() == [[Wire(True, b"config|ready")]]
    assert transcript.dump() == text


def test_a_file_without_titles_is_traffic() -> None:
    assert Transcript.parse(b"< a\n> b|\r\n# remark\n>\n").wires() == [
        [Wire(True, b"a"), Wire(False, b"b|\r"), Wire(False, b"")]
    ]


@given(st.binary(max_size=300))
def test_any_bytes_come_back(data: bytes) -> None:
    assert Transcript.parse(data).dump() == data


@given(st.lists(st.tuples(st.booleans(), LINES).map(lambda pair: Wire(*pair)), max_size=8))
def test_what_is_written_is_read_back(wire: list[Wire]) -> None:
    transcript = Transcript.from_wire(wire)
    assert transcript.wires() == ([wire] if wire else [])
    written = title_line() + b"".join(wire_line(*entry) for entry in wire)
    assert written == transcript.dump()
