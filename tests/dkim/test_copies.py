"""The copies of fields in z= (RFC 6376 §3.5): every one as it was, in lines that break no encoded character."""

from __future__ import annotations

import pytest

from filter_api.dkim.signature import Layout, _copies

ALL = Layout(copies=2)


def lines_of(value: bytes) -> list[bytes]:
    first, *lines = _copies(ALL, [(b"subject", b"Subject:" + value + b"\r\n")]).split(b"\r\n\t")
    assert first == b""
    return lines


def test_a_field_is_copied_up_to_its_first_colon_as_it_stands_and_encoded_behind_it() -> None:
    assert lines_of(b" a:b;c|d=\xe9") == [b"z=Subject:=20a:b=3Bc=7Cd=3D=E9;"]


@pytest.mark.parametrize("ahead", range(6))
def test_lines_of_copies_are_as_full_as_they_can_be_without_a_break_inside_a_character(ahead: int) -> None:
    lines = lines_of(b"x" * ahead + b" " * 80)
    assert b"".join(lines) == b"z=Subject:" + b"x" * ahead + b"=20" * 80 + b";"
    for line in lines[:-1]:
        assert 68 <= len(line) <= 70
        assert line.endswith(b"=20")
    plain = lines_of(b"x" * 200)
    assert [len(line) for line in plain] == [70, 70, 70, 1]
