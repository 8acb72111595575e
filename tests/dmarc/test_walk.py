"""The tree walk: which names are asked, where it stops, and what is the organisation."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.dmarc.author import Unusable, author_domains
from filter_api.dmarc.evaluate import Dmarc, Found, Identifier, Standing, evaluate
from filter_api.dmarc.record import Record, parse_record
from filter_api.dmarc.walk import Doubt, Records, Walk, names_above, walk
from filter_api.net.dns import Resolver, Status
from filter_api.testing.dns import FakeZone


def zone(texts: dict[str, str]) -> FakeZone:
    return FakeZone({(f"_dmarc.{name}", "TXT"): [f"v=DMARC1; {text}".encode()] for name, text in texts.items()})


def walked(domain: str, texts: dict[str, str]) -> Walk:
    return asyncio.run(walk(Records(Resolver(backend=zone(texts))), domain))


def test_a_short_name_is_asked_label_by_label() -> None:
    assert names_above("a.mail.example.org") == ["a.mail.example.org", "mail.example.org", "example.org", "org"]
    assert names_above("org") == ["org"]


def test_of_a_long_name_the_middle_is_left_out_so_that_eight_questions_do() -> None:
    assert names_above("a.b.c.d.e.f.g.h.example.com") == [
        "a.b.c.d.e.f.g.h.example.com",
        "d.e.f.g.h.example.com",
        "e.f.g.h.example.com",
        "f.g.h.example.com",
        "g.h.example.com",
        "h.example.com",
        "example.com",
        "com",
    ]
    assert len(names_above("b.c.d.e.f.g.example.com")) == 8


def test_the_record_with_the_fewest_labels_is_the_organisation() -> None:
    found = walked("a.mail.example.org", {"mail.example.org": "p=none", "example.org": "p=reject"})
    assert found.organization == found.above == "example.org"
    assert list(found.records) == ["mail.example.org", "example.org"]


def test_without_any_record_the_domain_is_its_own_organisation() -> None:
    found = walked("mail.example.org", {})
    assert (found.domain, found.organization, found.above) == ("mail.example.org", "mail.example.org", "")


def test_psd_y_makes_the_name_below_the_organisation_and_ends_the_walk() -> None:
    found = walked("a.b.giant.bank", {"bank": "p=reject; psd=y"})
    assert (found.domain, found.organization, found.above) == ("a.b.giant.bank", "giant.bank", "bank")


def test_below_a_suffix_of_two_labels_the_organisation_has_three() -> None:
    found = walked("a.b.example.co.uk", {"co.uk": "p=reject; psd=y", "uk": "p=none"})
    assert (found.organization, found.above, list(found.records)) == ("example.co.uk", "co.uk", ["co.uk"])
    itself = walked("co.uk", {"co.uk": "p=reject; psd=y"})
    assert (itself.organization, itself.above) == ("co.uk", "co.uk")


def test_psd_n_is_the_organisation_and_ends_the_walk() -> None:
    found = walked("a.team.example.org", {"team.example.org": "p=none; psd=n", "example.org": "p=reject"})
    assert found.domain == "a.team.example.org"
    assert found.organization == found.above == "team.example.org"
    assert list(found.records) == ["team.example.org"]


def test_no_message_asks_for_more_than_forty_records() -> None:
    async def ask() -> str:
        records = Records(Resolver(backend=zone({})))
        for number in range(40):
            await records.at(f"d{number}.example")
        with pytest.raises(Doubt) as doubt:
            await records.at("one.more.example")
        return str(doubt.value)

    assert asyncio.run(ask()) == "more than 40 questions for DMARC records"


def judged(zone_: FakeZone, author: str, *identifiers: Identifier) -> Found:
    return asyncio.run(evaluate(Records(Resolver(backend=zone_)), [author], identifiers))


def test_a_strangers_broken_dns_hides_no_forgery() -> None:
    """The stranger's own domain passes SPF, and its DMARC record cannot be had."""
    broken = zone({"example.com": "p=reject"})
    broken.content["_dmarc.evil.com", "TXT"] = Status.TEMPFAIL
    found = judged(broken, "example.com", Identifier("spf", "evil.com", Standing.PASS))
    assert (found.result, found.policy) == (Dmarc.FAIL, "reject")
    assert ("_dmarc.evil.com", "TXT") not in broken.asked


def test_an_answer_that_was_cut_is_no_proof_of_absence() -> None:
    many = FakeZone({("_dmarc.example.com", "TXT"): [b"x%d" % number for number in range(300)]})
    assert judged(many, "example.com").result is Dmarc.TEMPERROR


def test_what_a_record_says() -> None:
    assert parse_record(b"v=DMARC1; p=quarantine; sp=none; np=reject; adkim=s; aspf=S; t=y; psd=n") == Record(
        "quarantine", "none", "reject", strict_dkim=True, strict_spf=True, testing=True, psd="n"
    )


def test_addresses_for_reports_are_mailto_and_bounded() -> None:
    record = parse_record(
        b"v=DMARC1; p=none; rua=mailto:a@x.example , https://x.example/, mailto:b@x.example!10m,mailto:"
    )
    assert record is not None
    assert record.reports == ("mailto:a@x.example", "mailto:b@x.example!10m")
    many = parse_record(b"v=DMARC1; p=none; rua=" + b",".join(b"mailto:a%d@x.example" % n for n in range(50)))
    assert many is not None
    assert len(many.reports) == 10


def test_a_record_longer_than_any_honest_one_has_no_policy() -> None:
    record = parse_record(b"v=DMARC1; p=reject; x=" + b"y" * 5_000)
    assert record is not None
    assert not record.usable


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(lambda tail: b"v=DMARC1;" + tail)))
def test_nothing_makes_the_record_reader_raise(text: bytes) -> None:
    record = parse_record(text)
    assert record is None or {record.p, record.sp, record.np} <= {"", "none", "quarantine", "reject"}


@given(
    st.lists(
        st.one_of(st.binary(max_size=120), st.text(alphabet='a@.<>,:;"()[]\\ \t', max_size=40).map(str.encode)),
        max_size=2,
    )
)
def test_nothing_but_unusable_comes_of_any_from_field(values: list[bytes]) -> None:
    try:
        domains = author_domains(values)
    except Unusable:
        return
    assert 1 <= len(domains) <= 4
    assert all(domain.isascii() and domain == domain.lower() and len(domain) <= 253 for domain in domains)


def test_a_from_field_longer_than_any_honest_one_has_no_author() -> None:
    with pytest.raises(Unusable, match="more than 16384 bytes"):
        author_domains([b'"' + b"x" * 16_384 + b'" <a@example.org>'])
