"""The text of files of entries: what was there stays, byte for byte, but for the one entry that is put or taken."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from filter_api.text.lines import LineError, content_lines
from filterctl.entries.lines import Stamp, listed, put, taken
from filterctl.entries.what import key_of

STAMP = Stamp("2026-11-28", "ann", "their provider promises a PTR")

_FOREIGN = st.one_of(
    st.sampled_from(
        [
            b"",
            b"# a comment",
            b"  ; another   ",
            b"192.0.2.0/24\t# a network",
            b"host:.example.org # until 2026-13-99",
            b"from:Bob@Example.org until 2026-12-31",
            b"198.51.100.1 - 198.51.100.9",
            b"\xff\xfe nothing anybody could read",
            b"192.0.2.70",
        ]
    ),
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"").replace(b"until", b"")),
)
_FILES = st.builds(
    lambda lines, mark, end, last: mark + end.join(lines) + (end if last else b""),
    st.lists(_FOREIGN, max_size=8),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)
_ENTRIES = st.sampled_from(
    ["192.0.2.7", "2001:db8::/32", "host:mx.example.net", "from:example.net", "to:x@example.net"]
)


def kept(data: bytes) -> list[bytes]:
    """The lines of a file without their ends, and without a byte order mark."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [line.removesuffix(b"\r") for line in (lines[:-1] if lines[-1] == b"" else lines)]


def says(data: bytes, text: str) -> bool:
    return any(key_of(each.text) == key_of(text) for each in listed(data))


def has(data: bytes, text: str) -> bool:
    """Whether a table of smtpd's holds an entry."""
    return any(key_of(each.text) == key_of(text) for each in listed(data, smtpd=True))


@given(_FILES, _ENTRIES, st.sampled_from(["", "2026-12-31"]))
def test_no_line_is_lost_when_an_entry_is_put_and_taken_again(data: bytes, text: str, until: str) -> None:
    assume(not says(data, text))
    new = put(data, text, STAMP, until)
    assert kept(new)[:-1] == kept(data)
    entries = list(listed(new))
    assert (entries[-1].text, entries[-1].until, entries[-1].stamp) == (text, until, STAMP)
    back, count = taken(new, text)
    assert (kept(back), count) == (kept(data), 1)
    assert back.startswith(b"\xef\xbb\xbf") == data.startswith(b"\xef\xbb\xbf")


@given(_FILES, _ENTRIES)
def test_putting_it_twice_is_putting_it_once(data: bytes, text: str) -> None:
    assume(not says(data, text))
    once = put(data, text, STAMP)
    assert put(once, text, STAMP) == once


@given(_FILES, _FILES, _ENTRIES, _ENTRIES)
def test_an_entry_that_is_there_is_changed_in_its_place(before: bytes, after: bytes, text: str, other: str) -> None:
    assume(not says(before, text) and not says(after, text) and text != other)
    start = put(before, text, STAMP)
    data = start + after.removeprefix(b"\xef\xbb\xbf")
    new = put(data, text, Stamp("2026-11-29", "bob", "new"), "2026-12-31")
    assert len(kept(new)) == len(kept(data))
    changed = [at for at, pair in enumerate(zip(kept(data), kept(new), strict=True)) if pair[0] != pair[1]]
    assert changed == [len(kept(start)) - 1]


@given(st.lists(_FOREIGN, max_size=6), st.sampled_from(["192.0.2.7", "@example.net", "*.example.net"]))
def test_a_table_of_smtpd_keeps_its_lines_too(lines: list[bytes], text: str) -> None:
    data = b"".join(line.replace(b"\r", b"") + b"\n" for line in lines)
    assume(not has(data, text))
    new = put(data, text, STAMP, smtpd=True)
    assert new == data + f"# 2026-11-28 ann: their provider promises a PTR\n{text}\n".encode()
    assert has(new, text)
    assert taken(new, text, smtpd=True) == (data, 1)


def test_what_is_written_is_read_as_it_was_meant() -> None:
    data = put(b"# ours", "192.0.2.7", STAMP, "2026-12-31")
    assert data == b"# ours\n192.0.2.7 until 2026-12-31  # 2026-11-28 ann: their provider promises a PTR\n"
    assert [line.text for line in content_lines(data)] == [b"192.0.2.7 until 2026-12-31"]


def test_a_comment_stays_unless_there_is_a_new_one() -> None:
    data = put(b"192.0.2.7 # our office\n", "192.0.2.7", Stamp("2026-11-28", "ann", ""), "2026-12-31")
    assert data == b"192.0.2.7 until 2026-12-31  # 2026-11-28 ann: our office\n"
    assert put(data, "192.0.2.7", STAMP) == b"192.0.2.7  # 2026-11-28 ann: their provider promises a PTR\n"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("[192.0.2.7]", "192.0.2.7"),
        ("192.0.2.0 - 192.0.2.255", "192.0.2.0/24"),
        ("HOST:MX.Example.ORG.", "host:mx.example.org"),
        ("from:@example.org until 2001-01-01", "from:example.org"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_an_entry_is_known_however_it_is_written(line: str, text: str) -> None:
    assert taken(f"a.b\n{line}\nc.d".encode(), text) == (b"a.b\nc.d", 1)


def test_an_entry_that_shares_its_line_is_left_to_the_operator() -> None:
    with pytest.raises(LineError, match=r"192\.0\.2\.7 shares its line with others") as caught:
        taken(b"#\n192.0.2.6 192.0.2.7\n", "192.0.2.7")
    assert caught.value.number == 2


def test_the_line_above_an_entry_of_smtpds_is_taken_only_if_it_is_of_ours() -> None:
    data = b"# those of the flood of 2019\n192.0.2.7\n"
    assert taken(data, "192.0.2.7", smtpd=True) == (b"# those of the flood of 2019\n", 1)
