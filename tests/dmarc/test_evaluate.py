"""Whether a message passes DMARC: policies by place, alignment, doubt, and which of several authors counts."""

from __future__ import annotations

import asyncio

import pytest

from filter_api.dmarc.evaluate import Dmarc, Found, Identifier, Standing, evaluate, look_up
from filter_api.dmarc.walk import Doubt, Records, is_below
from filter_api.net.dns import Resolver, Status
from filter_api.testing.dns import FakeZone, Slow

ORG = "example.org"


def zone(texts: dict[str, str | None], *there: str) -> FakeZone:
    """texts: the record of each domain, None where the DNS does not answer. there: names that exist."""
    content: dict[tuple[str, str], list[bytes] | list[str] | Status] = {
        (f"_dmarc.{name}", "TXT"): Status.TEMPFAIL if text is None else [f"v=DMARC1; {text}".encode()]
        for name, text in texts.items()
    }
    return FakeZone(content | {(name, "A"): ["192.0.2.1"] for name in there})


def judged(names: FakeZone, author: str | list[str], *identifiers: Identifier) -> Found:
    authors = [author] if isinstance(author, str) else author
    return asyncio.run(evaluate(Records(Resolver(backend=names)), authors, identifiers))


def passes(method: str, domain: str) -> Identifier:
    return Identifier(method, domain, Standing.PASS)


def unknown(method: str, domain: str) -> Identifier:
    return Identifier(method, domain, Standing.UNKNOWN)


# --- the policy ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "author", "found"),
    [
        ({ORG: "p=reject"}, ORG, Found(Dmarc.FAIL, ORG, "reject", ORG, "", "reject")),
        ({ORG: "p=reject; sp=none"}, ORG, Found(Dmarc.FAIL, ORG, "reject", ORG, "", "reject")),
        (
            {ORG: "p=reject; sp=quarantine; np=none"},
            "there.example.org",
            Found(Dmarc.FAIL, "there.example.org", "quarantine", ORG, ORG, "quarantine"),
        ),
        (
            {ORG: "p=reject; sp=quarantine; np=none"},
            "gone.example.org",
            Found(Dmarc.FAIL, "gone.example.org", "none", ORG, ORG, "none"),
        ),
        ({ORG: "p=reject; t=y"}, ORG, Found(Dmarc.FAIL, ORG, "quarantine", ORG, "", "reject")),
        ({ORG: "p=quarantine; t=y"}, ORG, Found(Dmarc.FAIL, ORG, "none", ORG, "", "quarantine")),
        (
            {"org": "p=reject; psd=y"},
            "mail.example.org",
            Found(Dmarc.FAIL, "mail.example.org", "reject", "org", ORG, "reject"),
        ),
        ({}, ORG, Found(Dmarc.NONE, ORG, organization=ORG)),
        (
            {ORG: "p=?"},
            ORG,
            Found(Dmarc.PERMERROR, ORG, record_at=ORG, reason="its record has no valid policy"),
        ),
        (
            {ORG: "p=?"},
            "there.example.org",
            Found(
                Dmarc.PERMERROR,
                "there.example.org",
                record_at=ORG,
                organization=ORG,
                reason="its record has no valid policy",
            ),
        ),
        (
            {ORG: None},
            ORG,
            Found(Dmarc.TEMPERROR, ORG, reason="DNS does not answer for _dmarc.example.org: as the test says"),
        ),
    ],
)
def test_where_a_policy_comes_from(texts: dict[str, str | None], author: str, found: Found) -> None:
    assert judged(zone(texts, "there.example.org"), author) == found
    assert found.testing is (found.policy != found.published)


def test_without_a_record_nothing_but_the_names_above_the_author_is_asked() -> None:
    names = zone({})
    judged(names, "mail.example.org", passes("spf", "example.net"))
    assert names.asked == [("_dmarc.mail.example.org", "TXT"), ("_dmarc.example.org", "TXT"), ("_dmarc.org", "TXT")]


def test_whether_the_author_exists_is_asked_only_where_that_matters() -> None:
    for text, asks in (("p=reject", False), ("p=reject; sp=none", False), ("p=reject; np=none", True)):
        names = zone({ORG: text}, "there.example.org")
        judged(names, "there.example.org")
        assert (("there.example.org", "A") in names.asked) is asks
    broken = zone({ORG: "p=reject; np=none"})
    broken.content["x.example.org", "A"] = Status.TEMPFAIL
    assert judged(broken, "x.example.org") == Found(
        Dmarc.TEMPERROR, "x.example.org", reason="DNS does not answer for x.example.org: as the test says"
    )
    again = Records(Resolver(backend=broken))
    for _ in range(2):
        with pytest.raises(Doubt):
            asyncio.run(again.exists("x.example.org"))
    assert broken.asked.count(("x.example.org", "A")) == 2, "once for each message"


# --- alignment -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["spf", "dkim"])
@pytest.mark.parametrize(
    ("text", "domain", "aligned"),
    [
        ("p=reject", ORG, True),
        ("p=reject", "bounce.example.org", True),
        ("p=reject", "example.net", False),
        ("p=reject", "org", False),
        ("p=reject", "anexample.org", False),
        ("p=reject", "own.example.org", False),  # an organisation of its own
        ("p=reject; adkim=s; aspf=s", ORG, True),
        ("p=reject; adkim=s; aspf=s", "bounce.example.org", False),
    ],
)
def test_an_identifier_is_aligned_within_the_organisation(method: str, text: str, domain: str, aligned: bool) -> None:
    found = judged(zone({ORG: text, "own.example.org": "p=none; psd=n"}), ORG, passes(method, domain))
    assert found.result is (Dmarc.PASS if aligned else Dmarc.FAIL)
    assert found.aligned == ((f"{method}:{domain}",) if aligned else ())
    assert (found.policy, found.record_at, found.published) == ("reject", ORG, "reject")


def test_an_author_below_the_organisation_is_aligned_with_what_is_below_it_too() -> None:
    found = judged(zone({ORG: "p=reject"}), "mail.example.org", passes("spf", "bounce.example.org"))
    assert (found.result, found.aligned) == (Dmarc.PASS, ("spf:bounce.example.org",))


def test_strictness_is_of_each_method() -> None:
    for text, strict in (("adkim=s", "dkim"), ("aspf=s", "spf")):
        names = zone({ORG: f"p=reject; {text}"})
        for method in ("spf", "dkim"):
            result = judged(names, ORG, passes(method, "bounce.example.org")).result
            assert result is (Dmarc.FAIL if method == strict else Dmarc.PASS)


def test_all_that_is_aligned_is_told() -> None:
    found = judged(
        zone({ORG: "p=reject"}),
        ORG,
        passes("spf", "bounce.example.org"),
        passes("dkim", "example.net"),
        passes("dkim", ORG),
    )
    assert found.aligned == ("spf:bounce.example.org", "dkim:example.org")


# --- doubt -----------------------------------------------------------------------------------------------------------


def test_what_might_pass_and_is_not_known_is_a_temperror_with_the_methods_that_are_missing() -> None:
    names = zone({ORG: "p=reject"})
    found = judged(names, ORG, unknown("spf", ORG), unknown("dkim", "mail.example.org"), unknown("dkim", "example.net"))
    assert found == Found(
        Dmarc.TEMPERROR,
        ORG,
        "reject",
        ORG,
        "",
        "reject",
        "spf of example.org cannot be checked",
        (),
        frozenset({"spf", "dkim"}),
    )
    assert judged(names, ORG, unknown("spf", ORG), passes("dkim", ORG)).result is Dmarc.PASS
    assert judged(names, ORG, unknown("spf", "example.net")).result is Dmarc.FAIL


def test_an_identifier_whose_organisation_is_not_known_is_missing_and_hides_no_other_that_passes() -> None:
    names = zone({ORG: "p=reject", "broken.example.org": None})
    found = judged(names, ORG, passes("spf", "broken.example.org"))
    assert (found.result, found.missing) == (Dmarc.TEMPERROR, frozenset({"dns"}))
    assert found.reason == "DNS does not answer for _dmarc.broken.example.org: as the test says"
    both = judged(names, ORG, passes("spf", "broken.example.org"), passes("dkim", ORG))
    assert (both.result, both.aligned) == (Dmarc.PASS, ("dkim:example.org",))


def test_each_question_ends_at_the_deadline() -> None:
    async def late(names: FakeZone, author: str) -> Found:
        soon = asyncio.get_running_loop().time() + 0.05
        return await evaluate(Records(Resolver(backend=names), soon), [author], [])

    for kind, name in (("TXT", "_dmarc.x.example.org"), ("A", "x.example.org")):
        names = zone({ORG: "p=reject; np=none"})
        names.content[name, kind] = Slow(30.0)
        found = asyncio.run(late(names, "x.example.org"))
        assert found.result is Dmarc.TEMPERROR
        assert found.reason == f"DNS does not answer for {name}: no answer before the deadline"


def test_more_records_than_are_read_are_doubt_and_two_that_contradict_each_other_are_none() -> None:
    many = FakeZone({(f"_dmarc.{ORG}", "TXT"): [b"x%d" % number for number in range(300)]})
    assert judged(many, ORG).reason == "DNS does not answer for _dmarc.example.org: more records than are read"
    two = FakeZone({(f"_dmarc.{ORG}", "TXT"): [b"v=DMARC1; p=reject", b"v=DMARC1; p=none"]})
    assert judged(two, ORG).result is Dmarc.NONE
    beside = FakeZone({(f"_dmarc.{ORG}", "TXT"): [b"v=spf1 -all", b"v=DMARC1; p=reject"]})
    assert judged(beside, ORG).policy == "reject"


# --- several authors -------------------------------------------------------------------------------------------------

WORST_FIRST = [
    "reject.example", "quarantine.example", "broken.example", "none.example", "doubtful.example", "bad.example",
    "absent.example", "passes.example",
]  # fmt: skip
AUTHORS = zone(
    {
        "reject.example": "p=reject",
        "quarantine.example": "p=quarantine",
        "broken.example": None,
        "none.example": "p=none",
        "doubtful.example": "p=none",
        "bad.example": "p=?",
        "passes.example": "p=reject",
    }
)


@pytest.mark.parametrize("place", range(len(WORST_FIRST)))
def test_of_several_authors_the_worst_counts_wherever_it_stands(place: int) -> None:
    said = (unknown("dkim", "doubtful.example"), passes("dkim", "passes.example"))
    rest = WORST_FIRST[place:]
    assert judged(AUTHORS, rest, *said).author == rest[0]
    assert judged(AUTHORS, rest[::-1], *said).author == rest[0]


def test_a_doubt_about_one_that_asks_for_more_is_worse_than_a_failure_nobody_minds() -> None:
    names = zone({"known.example": "p=reject", "none.example": "p=none"})
    found = judged(names, ["none.example", "known.example"], unknown("spf", "known.example"))
    assert (found.author, found.result) == ("known.example", Dmarc.TEMPERROR)


# --- questions ahead -------------------------------------------------------------------------------------------------


def test_what_is_looked_up_ahead_is_all_that_is_asked_later() -> None:
    names = zone({ORG: "p=reject; np=none", "mail.example.org": "p=none"}, "mail.example.org")
    records = Records(Resolver(backend=names))
    asyncio.run(look_up(records, "mail.example.org"))
    assert list(records.asked) == ["mail.example.org", "example.org", "org"]
    before = list(names.asked)
    asyncio.run(evaluate(records, ["mail.example.org"], [passes("dkim", "mail.example.org")]))
    assert names.asked == before


def test_doubt_is_remembered_as_what_is_known_is() -> None:
    names = zone({ORG: None})
    records = Records(Resolver(backend=names))
    asyncio.run(look_up(records, ORG))
    for _ in range(2):
        with pytest.raises(Doubt, match=r"_dmarc\.example\.org"):
            asyncio.run(records.at(ORG))
    assert names.asked.count((f"_dmarc.{ORG}", "TXT")) == 1


@pytest.mark.parametrize(
    ("domain", "other", "below"),
    [
        ("example.org", "example.org", True),
        ("a.example.org", "example.org", True),
        ("anexample.org", "example.org", False),
        ("example.org", "a.example.org", False),
    ],
)
def test_a_name_is_below_another_by_whole_labels(domain: str, other: str, below: bool) -> None:
    assert is_below(domain, other) is below
