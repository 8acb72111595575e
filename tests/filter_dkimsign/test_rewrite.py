"""What smtpd would make of addresses, beforehand. Both smtpds agree: see tests/smtpd."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_dkimsign.rewrite import Unsettled, date_value, is_hostname, qualify

HOST = b"mx.test.local"


SETTLED = [
    (b" alice", b" alice@mx.test.local"),
    (
        b' bob, "C D" <carol>,\r\n\tdave@example.org',
        b' bob@mx.test.local, "C D" <carol@mx.test.local>,\r\n\tdave@example.org',
    ),
    (b"x", b"x@mx.test.local"),
    (b" root (Cron Daemon)", b" root@mx.test.local (Cron Daemon)"),
    (b" (c) root  ", b" (c) root@mx.test.local  "),
    (b" <root >", b" <root@mx.test.local >"),
    (b' "a, b" <c>', b' "a, b" <c@mx.test.local>'),
    (b" a@b, c", b" a@b, c@mx.test.local"),
    (b" Foo Bar", b" Foo Bar@mx.test.local"),
    (b" Group: a, b;", b" Group: a, b;@mx.test.local"),  # smtpd knows no groups with commas
    (b" a\\", b" a\\@mx.test.local"),
]

UNTOUCHED = [
    b" alice@example.org",
    b' "A, @ B" <a@b>, c@d',
    b" undisclosed-recipients:;",
    b" <>",
    b" ()",
    b"",
    b" ",
    b" ,",
    b' "open',
    b" (open",
    b" <open",
    b' "a\\"b" <a@b>',
    b" a@b,\r\n c@d",
]


@pytest.mark.parametrize(("value", "written"), SETTLED)
def test_completed(value: bytes, written: bytes) -> None:
    assert qualify(value, HOST) == written


@pytest.mark.parametrize("value", UNTOUCHED)
def test_left_alone(value: bytes) -> None:
    assert qualify(value, HOST) == value
    assert qualify(value, None) == value


@pytest.mark.parametrize(
    ("value", "hostname"),
    [
        (b" root", None),
        (b" root", b""),
        (b" root", b"bad host"),
        (b" root" + b"x" * 17000, HOST),
        (b"()", HOST),  # becomes (@mx.test.local), and that (@mx.test.local@mx.test.local)
    ],
)
def test_unsettled(value: bytes, hostname: bytes | None) -> None:
    with pytest.raises(Unsettled):
        qualify(value, hostname)


def test_what_releases_read_differently_is_unsettled() -> None:
    """Old releases take the escaped quote for the end of the string, and the comma for a separator."""
    value = b' "a\\", b" <c>, d'
    with pytest.raises(Unsettled):
        qualify(value, HOST)


ADDRESSES = st.lists(
    st.sampled_from([b"a", b" ", b",", b"<", b">", b"@", b'"', b"\\", b"(", b")", b":", b";", b"\r\n ", b"\t"])
).map(b"".join)


@given(ADDRESSES)
def test_smtpd_finds_nothing_left_to_do(value: bytes) -> None:
    try:
        done = qualify(value, HOST)
    except Unsettled:
        return
    assert qualify(done, HOST) == done
    assert done.replace(b"@" + HOST, b"") == value.replace(b"@" + HOST, b"")


@pytest.mark.timed
@pytest.mark.parametrize(
    "value", [b"a," * 30000, b'"' * 60000, b"(" * 60000, b"@" * 60000, b"\\" * 60000, b'"",' * 20000]
)
def test_hostile_values_take_little_time(value: bytes) -> None:
    began = time.perf_counter()
    with contextlib.suppress(Unsettled):
        qualify(value, HOST)
    assert time.perf_counter() - began < 2.0


def test_host_names() -> None:
    assert is_hostname(b"mx.example.org")
    for name in (None, b"", b".", b"a b", b"a\n", b"x" * 300, b"-a"):
        assert not is_hostname(name)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", b"Tue, 14 Nov 2023 22:13:20 +0000"),
        ("Asia/Kolkata", b"Wed, 15 Nov 2023 03:43:20 +0530"),
        ("America/St_Johns", b"Tue, 14 Nov 2023 18:43:20 -0330"),
    ],
)
def test_date(monkeypatch: pytest.MonkeyPatch, zone: str, text: bytes) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert date_value(1_700_000_000.9) == text
    finally:
        monkeypatch.undo()
        time.tzset()
