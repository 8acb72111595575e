"""What a DMARC record says, tag by tag (RFC 9989 §4.7)."""

from __future__ import annotations

import pytest

from filter_api.bounds import MAX_DMARC_RECORD, MAX_TAGS
from filter_api.dmarc.record import WEAKER, Record, parse_record

ANY = Record("none", "none", "none")


@pytest.mark.parametrize(
    "text",
    [b"v=DMARC1", b"v=DMARC1;", b"v=DMARC1; rf=afrf", b" \tV \t= \tDMARC1 \t; p=reject; p=none", b"v=DMARC1 ;"],
)
def test_a_record_of_this_version_without_a_policy_is_one_that_nobody_can_obey(text: bytes) -> None:
    record = parse_record(text)
    assert record == Record("", "", "")
    assert not record.usable
    assert record.text == text.decode()


@pytest.mark.parametrize(
    "text",
    [b"", b"v=spf1 -all", b"v=DMARC2; p=none", b"v=dmarc1; p=none", b"v=DMARC11", b"p=none; v=DMARC1", b"x v=DMARC1"],
)
def test_another_kind_of_record_is_none(text: bytes) -> None:
    assert parse_record(text) is None


@pytest.mark.parametrize(
    ("tags", "record"),
    [
        ("p=none", ANY),
        ("P = None", ANY),
        ("p=none;;", ANY),
        ("p=none; pct=50; ri=60; x=y; =z; w", ANY),
        ("p=quarantine", Record("quarantine", "quarantine", "quarantine")),
        ("p=REJECT", Record("reject", "reject", "reject")),
        ("p=reject; sp=none", Record("reject", "none", "none")),
        ("p=reject; np=none", Record("reject", "reject", "none")),
        ("p=none; sp=quarantine; np=reject", Record("none", "quarantine", "reject")),
        ("p=none; adkim=s", Record("none", "none", "none", strict_dkim=True)),
        ("p=none; adkim=r; aspf=S", Record("none", "none", "none", strict_spf=True)),
        ("p=none; adkim=x; aspf=; t=n", ANY),
        ("p=none; t=Y", Record("none", "none", "none", testing=True)),
        ("p=none; psd=Y", Record("none", "none", "none", psd="y")),
        ("p=none; psd=n", Record("none", "none", "none", psd="n")),
        ("p=none; psd=maybe", ANY),
        ("p=none; adkim=s; adkim=r", Record("none", "none", "none", strict_dkim=True)),
    ],
)
def test_what_each_tag_says(tags: str, record: Record) -> None:
    assert parse_record(f"v=DMARC1; {tags}".encode()) == record


@pytest.mark.parametrize(
    "tags",
    [
        "sp=reject", "p=no", "p=reject; sp=x", "p=reject; np=x", "p=reject; p=reject", "p=none; sp=none; sp=none",
        "p=none; np=none; np=none", "p=\x0bnone", "\x0bp=none", "p=noneX", "Xp=none",
    ],
)  # fmt: skip
def test_a_policy_that_nobody_can_obey_is_none_with_an_address_for_reports_and_no_policy_without(tags: str) -> None:
    assert parse_record(f"v=DMARC1; {tags}".encode()) == Record("", "", "")
    reported = parse_record(f"v=DMARC1; {tags}; rua=mailto:a@x.example".encode())
    assert reported == Record("none", "none", "none", reports=("mailto:a@x.example",))
    elsewhere = parse_record(f"v=DMARC1; {tags}; rua=x, https://x.example/".encode())
    assert elsewhere == Record("none", "none", "none", otherwise=("https://x.example/",))
    assert parse_record(f"v=DMARC1; {tags}; rua=none".encode()) == Record("", "", "")


def test_only_so_many_tags_and_addresses_count_as_an_honest_record_has() -> None:
    def padded(count: int) -> bytes:
        return b"v=DMARC1; p=reject; " + b"".join(b"x%d=y; " % number for number in range(count)) + b"sp=none"

    assert parse_record(padded(MAX_TAGS - 3)) == Record("reject", "none", "none")
    assert parse_record(padded(MAX_TAGS - 3) + b"; z=z; z=z") == Record("reject", "none", "none")
    assert parse_record(padded(MAX_TAGS - 3) + b"; z=z" * 10) == Record("reject", "none", "none")
    assert parse_record(padded(MAX_TAGS - 2)) == Record("reject", "reject", "reject")
    many = parse_record(b"v=DMARC1; p=none; rua=" + b",".join(b"mailto:a%d@x.example" % n for n in range(50)))
    assert many is not None
    assert many.reports == tuple(f"mailto:a{number}@x.example" for number in range(10))


def test_the_value_of_a_tag_may_have_an_equals_sign() -> None:
    record = parse_record(b"v=DMARC1; p=none; rua=mailto:a=b@x.example")
    assert record is not None
    assert record.reports == ("mailto:a=b@x.example",)


def test_a_record_of_4096_bytes_is_read_and_no_longer_one() -> None:
    record = b"v=DMARC1; p=none; x="
    assert parse_record(record + b"y" * (MAX_DMARC_RECORD - len(record))) == ANY
    assert parse_record(record + b"y" * (MAX_DMARC_RECORD + 1 - len(record))) == Record("", "", "")


def test_a_record_may_hold_any_byte_and_is_kept_as_it_was() -> None:
    record = parse_record(b"v=DMARC1; p=none; x=\xe9\xff")
    assert record == ANY
    assert record is not None
    assert record.text == "v=DMARC1; p=none; x=\xe9\xff"


@pytest.mark.parametrize(("own", "exists", "policy"), [
    (True, True, "none"), (True, False, "none"), (False, True, "quarantine"), (False, False, "reject"),
])  # fmt: skip
def test_p_is_for_the_domain_sp_for_those_below_it_and_np_for_those_that_do_not_exist(
    own: bool, exists: bool, policy: str
) -> None:
    assert Record("none", "quarantine", "reject").policy(own=own, exists=exists) == policy


def test_testing_weakens_each_policy_by_one_step() -> None:
    assert WEAKER == {"reject": "quarantine", "quarantine": "none", "none": "none"}


def test_a_colon_in_an_address_or_a_port_in_another_uri_changes_nothing() -> None:
    record = parse_record(b"v=DMARC1; p=none; rua=mailto:a:b@x.example, https://x.example:8443/")
    assert record is not None
    assert record.reports == ("mailto:a:b@x.example",)
    assert record.otherwise == ("https://x.example:8443/",)
