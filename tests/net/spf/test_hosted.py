"""Records as they are really published, where macros choose the target: by services that host SPF, and by who hides.

What is made of the client's words vouches for nobody; a service that does so for honest reasons counts for the domains
that an operator has listed. What only names the domain itself is as good as a fixed name.
"""

from __future__ import annotations

import pytest

from filter_api.net.spf import Result, Weakness
from tests.net.spf.test_strength import BOT, NAMED, Zone, check, networks

#: What each letter is for joe@evil.example from 203.0.113.66, which says bot.example and has that name.
LETTERS = {
    "s": "joe@evil.example",
    "l": "joe",
    "h": "bot.example",
    "i": "203.0.113.66",
    "p": "bot.example",
    "ir": "66.113.0.203",
    "L": "joe",
}
NAME: dict[tuple[str, str], list[str]] = {(BOT, "PTR"): ["bot.example"], ("bot.example", "A"): [BOT]}


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("term", ["include:{}", "redirect={}", "a:{}", "mx:{}"])
def test_no_letter_of_the_clients_words_makes_a_target_that_vouches(letter: str, term: str) -> None:
    target = LETTERS[letter] + ".x.evil.example"
    zone: Zone = {
        **NAME,
        ("evil.example", "TXT"): [f"v=spf1 {term.format('%{' + letter + '}.x.evil.example')}"],
        (target, "TXT"): [NAMED],
        (target, "MX"): [(1, "bot.example")],
        (target, "A"): [BOT],
    }
    found = check(zone)
    assert (found.result, found.strong, found.weakness) == (Result.PASS, False, Weakness.MACRO)


@pytest.mark.parametrize(
    ("letter", "value"), [("d", "evil.example"), ("o", "evil.example"), ("v", "in-addr"), ("d1", "example")]
)
@pytest.mark.parametrize("term", ["include:{}", "redirect={}", "a:{}", "mx:{}"])
def test_a_letter_of_the_domain_itself_is_as_good_as_a_name(letter: str, value: str, term: str) -> None:
    target = value + ".x.evil.example"
    zone: Zone = {
        **NAME,
        ("evil.example", "TXT"): [f"v=spf1 {term.format('%{' + letter + '}.x.evil.example')}"],
        (target, "TXT"): [NAMED],
        (target, "MX"): [(1, "bot.example")],
        (target, "A"): [BOT],
    }
    found = check(zone)
    assert (found.result, found.strong, found.weakness) == (Result.PASS, True, Weakness.NONE)


HOSTED: dict[str, Zone] = {
    "vali.email": {
        ("evil.example", "TXT"): ["v=spf1 include:%{i}._ip.%{h}._ehlo.%{d}._spf.vali.email ~all"],
        ("203.0.113.66._ip.bot.example._ehlo.evil.example._spf.vali.email", "TXT"): ["v=spf1 ip4:203.0.113.66 -all"],
    },
    "pphosted.com": {
        ("evil.example", "TXT"): ["v=spf1 include:%{ir}.%{v}.%{d}.spf.has.pphosted.com ~all"],
        ("66.113.0.203.in-addr.evil.example.spf.has.pphosted.com", "TXT"): ["v=spf1 ip4:203.0.113.66 -all"],
    },
    "by redirect, all of the record": {
        ("evil.example", "TXT"): ["v=spf1 redirect=%{ir}.%{d}.hosted.example"],
        ("66.113.0.203.evil.example.hosted.example", "TXT"): ["v=spf1 ip4:203.0.113.0/24 -all"],
    },
    "behind an include with a fixed name": {
        ("evil.example", "TXT"): ["v=spf1 include:evil.example._spf.hosted.example ~all"],
        ("evil.example._spf.hosted.example", "TXT"): ["v=spf1 include:%{i}._ip.hosted.example ?all"],
        ("203.0.113.66._ip.hosted.example", "TXT"): ["v=spf1 ip4:203.0.113.66 -all"],
    },
}


@pytest.mark.parametrize("case", HOSTED)
def test_hosted_spf_vouches_for_domains_that_are_listed_and_for_no_others(case: str) -> None:
    found = check(HOSTED[case])
    assert (found.result, found.weakness) == (Result.PASS, Weakness.MACRO)
    assert (found.vouches(), found.vouches(listed=True)) == (False, True)


#: nip.io and sslip.io answer every name that holds an address with that address.
ANY_ADDRESS: dict[str, Zone] = {
    "a static zone, by reversed address and then by nip.io": {
        ("evil.example", "TXT"): ["v=spf1 include:%{ir}.s.evil.example -all"],
        ("66.113.0.203.s.evil.example", "TXT"): ["v=spf1 a:%{d4r}.nip.io -all"],
        ("203.0.113.66.nip.io", "A"): [BOT],
    },
    "the same by redirect": {
        ("evil.example", "TXT"): ["v=spf1 redirect=%{ir}.s.evil.example"],
        ("66.113.0.203.s.evil.example", "TXT"): ["v=spf1 a:%{d4r}.nip.io -all"],
        ("203.0.113.66.nip.io", "A"): [BOT],
    },
    "nip.io at once": {
        ("evil.example", "TXT"): ["v=spf1 a:%{i}.nip.io -all"],
        ("203.0.113.66.nip.io", "A"): [BOT],
    },
    "sslip.io, and the network around the answer": {
        ("evil.example", "TXT"): ["v=spf1 a:x.%{i}.sslip.io/24 -all"],
        ("x.203.0.113.66.sslip.io", "A"): [BOT],
    },
    "by a name in HELO": {
        ("evil.example", "TXT"): ["v=spf1 include:%{h}.s.evil.example -all"],
        ("bot.example.s.evil.example", "TXT"): ["v=spf1 a:%{h} -all"],
        ("bot.example", "A"): [BOT],
    },
}


@pytest.mark.parametrize("case", ANY_ADDRESS)
def test_a_zone_that_says_yes_to_every_address_vouches_for_nobody(case: str) -> None:
    found = check(ANY_ADDRESS[case])
    assert (found.result, found.strong, found.weakness) == (Result.PASS, False, Weakness.MACRO)


def eight(count: int, prefix: int) -> Zone:
    """Eight includes, each with so many networks; 16.0.0.0 is in the first."""
    size = 1 << (32 - prefix)
    return {
        ("evil.example", "TXT"): ["v=spf1 " + " ".join(f"include:i{n}.evil.example" for n in range(8)) + " -all"],
        **{
            (f"i{n}.evil.example", "TXT"): [f"v=spf1 {networks(count, prefix, 0x10000000 + n * count * size)} -all"]
            for n in range(8)
        },
    }


@pytest.mark.parametrize(("count", "prefix"), [(300, 12), (100, 12), (400, 16), (8, 13)])
def test_eight_includes_of_wide_networks_are_weak(count: int, prefix: int) -> None:
    found = check(eight(count, prefix), "16.0.0.66")
    assert (found.result, found.strong, found.weakness) == (Result.PASS, False, Weakness.WIDE)


def test_eight_includes_of_512_of_them_are_more_than_a_record_may_have() -> None:
    zone: Zone = {**eight(55, 12), ("i0.evil.example", "TXT"): [f"v=spf1 {networks(512, 12)} -all"]}
    found = check(zone, "16.0.0.66")
    assert (found.result, found.strong) == (Result.PERMERROR, False)


@pytest.mark.parametrize(("count", "prefix"), [(100, 24), (400, 24), (20, 20), (2, 16)])
def test_eight_includes_of_narrow_ones_vouch(count: int, prefix: int) -> None:
    assert check(eight(count, prefix), "16.0.0.66").vouches()
