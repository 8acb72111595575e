"""What a pass is worth: a domain that anybody passes for vouches for nobody, however it hides that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

import pytest

from filter_api.net.dns import Record, Resolver, Status
from filter_api.net.spf import Result, SpfResult, Weakness, check_host, check_sender
from filter_api.testing.dns import FakeZone, Slow

Zone = Mapping[tuple[str, str], Sequence[Record] | Status | Slow]
BOT, OTHER = "203.0.113.66", "198.51.100.7"


def check(
    zone: Zone, client: str = BOT, sender: bytes = b"joe@evil.example", helo: bytes = b"bot.example"
) -> SpfResult:
    return asyncio.run(check_sender(Resolver(backend=FakeZone(zone)), ip_address(client), sender, helo))


def records(**named: str) -> dict[tuple[str, str], Sequence[Record] | Status | Slow]:
    """TXT records by name, with ``_`` for ``-`` and ``__`` for a dot; of evil.example where there is no dot."""
    found: dict[tuple[str, str], Sequence[Record] | Status | Slow] = {}
    for name, text in named.items():
        owner = name.replace("__", ".").replace("_", "-")
        found["evil.example" if owner == "top" else f"{owner}.evil.example", "TXT"] = [text]
    return found


NAMED = "v=spf1 ip4:203.0.113.66 -all"

#: The zone says yes to whoever asks: each target is made of what the client is or says.
DISGUISED: dict[str, Zone] = {
    "include by address": {
        **records(top="v=spf1 include:%{i}.evil.example -all"),
        ("203.0.113.66.evil.example", "TXT"): [NAMED],
    },
    "include by reversed address": {
        **records(top="v=spf1 include:%{ir}.x.evil.example -all"),
        ("66.113.0.203.x.evil.example", "TXT"): [NAMED],
    },
    "redirect by address": {
        **records(top="v=spf1 redirect=%{i}.evil.example"),
        ("203.0.113.66.evil.example", "TXT"): [NAMED],
    },
    "include by HELO": {
        **records(top="v=spf1 include:%{h}.h.evil.example -all"),
        ("bot.example.h.evil.example", "TXT"): [NAMED],
    },
    "include by local part": {**records(top="v=spf1 include:%{l}.evil.example -all", joe=NAMED)},
    "include by sender": {
        **records(top="v=spf1 include:%{s}.x.evil.example -all"),
        ("joe@evil.example.x.evil.example", "TXT"): [NAMED],
    },
    "include by reverse DNS": {
        **records(top="v=spf1 include:%{p}.x.evil.example -all"),
        (BOT, "PTR"): ["bot.example"],
        ("bot.example", "A"): [BOT],
        ("bot.example.x.evil.example", "TXT"): [NAMED],
    },
    "a part of the sender": {
        **records(top="v=spf1 include:%{s1r}.evil.example -all"),
        ("joe@evil.evil.example", "TXT"): [NAMED],
    },
    "an upper-case letter": {
        **records(top="v=spf1 include:%{I}.evil.example -all"),
        ("203.0.113.66.evil.example", "TXT"): [NAMED],
    },
    "two steps, the first by address": {
        **records(top="v=spf1 include:%{i}.evil.example -all", pool="v=spf1 ip4:203.0.113.0/24 -all"),
        ("203.0.113.66.evil.example", "TXT"): ["v=spf1 redirect=pool.evil.example"],
    },
    "two steps, the second by address": {
        **records(top="v=spf1 include:a.evil.example -all", a="v=spf1 redirect=%{i}.evil.example"),
        ("203.0.113.66.evil.example", "TXT"): [NAMED],
    },
    "a static zone of wildcards": {
        **records(top="v=spf1 include:%{ir}.s.evil.example -all"),
        ("66.113.0.203.s.evil.example", "TXT"): ["v=spf1 a:%{d4r}.nip.example -all"],
        ("203.0.113.66.nip.example", "A"): [BOT],
    },
    "the name asked for, after one by HELO": {
        **records(top="v=spf1 redirect=%{h}.evil.example"),
        ("bot.example.evil.example", "TXT"): ["v=spf1 a -all"],
        ("bot.example.evil.example", "A"): [BOT],
    },
    "mx of such a name": {
        **records(top="v=spf1 mx:%{i}.evil.example -all"),
        ("203.0.113.66.evil.example", "MX"): [(1, "mx.evil.example")],
        ("mx.evil.example", "A"): [BOT],
    },
    "hosted, as the large hosts of SPF do it": {
        **records(top="v=spf1 include:%{ir}.%{v}.%{d}.spf.host.example ~all"),
        ("66.113.0.203.in-addr.evil.example.spf.host.example", "TXT"): [NAMED],
    },
}


@pytest.mark.parametrize("case", DISGUISED)
def test_a_target_made_of_the_clients_words_vouches_for_nobody(case: str) -> None:
    found = check(DISGUISED[case])
    assert found.passed, found
    assert (found.strong, found.weakness) == (False, Weakness.MACRO)


PROVIDERS: Zone = {
    ("evil.example", "TXT"): ["v=spf1 include:_spf.big.example include:hosted.example mx a:%{v}.evil.example ~all"],
    ("_spf.big.example", "TXT"): ["v=spf1 include:_netblocks.big.example ~all"],
    ("_netblocks.big.example", "TXT"): ["v=spf1 ip4:35.190.240.0/20 ip4:64.233.160.0/19 ip4:74.125.0.0/16 ~all"],
    ("hosted.example", "TXT"): ["v=spf1 redirect=_spf.%{d2}"],
    ("_spf.hosted.example", "TXT"): ["v=spf1 ip4:40.92.0.0/15 ip6:2a01:111:f400::/48 -all"],
    ("evil.example", "MX"): [(10, "mx.evil.example")],
    ("mx.evil.example", "A"): ["192.0.2.25"],
    ("in-addr.evil.example", "A"): ["192.0.2.26"],
}


@pytest.mark.parametrize(
    "client",
    ["35.190.247.1", "64.233.190.1", "74.125.1.1", "40.93.2.2", "2a01:111:f400::25", "192.0.2.25", "192.0.2.26"],
)
def test_ordinary_records_vouch(client: str) -> None:
    found = check(PROVIDERS, client)
    assert (found.result, found.strong, found.weakness) == (Result.PASS, True, Weakness.NONE)


def networks(count: int, prefix: int, first: int = 0x10000000) -> str:
    return " ".join(f"ip4:{ip_address(first + (n << (32 - prefix)))}/{prefix}" for n in range(count))


MANY: dict[str, Zone] = {
    "three of the widest": {("evil.example", "TXT"): [f"v=spf1 {networks(3, 12)} -all"]},
    "a hundred in one record": {("evil.example", "TXT"): [f"v=spf1 {networks(100, 13)} -all"]},
    "in eight includes": {
        ("evil.example", "TXT"): ["v=spf1 " + " ".join(f"include:i{n}.evil.example" for n in range(8)) + " -all"],
        **{
            (f"i{n}.evil.example", "TXT"): [f"v=spf1 {networks(32, 14, 0x10000000 + (7 - n) * (32 << 18))} -all"]
            for n in range(8)
        },
    },
    "behind a redirect": {
        ("evil.example", "TXT"): [f"v=spf1 {networks(2, 12, 0x20000000)} redirect=more.evil.example"],
        ("more.evil.example", "TXT"): [f"v=spf1 {networks(2, 12)} -all"],
    },
    "by a name with many addresses": {
        ("evil.example", "TXT"): ["v=spf1 a:pool.evil.example/16 -all"],
        ("pool.evil.example", "A"): [str(ip_address(0x10000000 + (n << 16))) for n in range(100)],
    },
    "by mail servers": {
        ("evil.example", "TXT"): ["v=spf1 mx/13 -all"],
        ("evil.example", "MX"): [(n, f"m{n}.evil.example") for n in range(10)],
        **{(f"m{n}.evil.example", "A"): [str(ip_address(0x10000000 + ((9 - n) << 19)))] for n in range(10)},
    },
}


@pytest.mark.parametrize("case", MANY)
def test_many_wide_networks_are_as_weak_as_one(case: str) -> None:
    found = check(MANY[case], "16.0.0.66")
    assert found.passed, found
    assert (found.strong, found.weakness) == (False, Weakness.WIDE)


GOOD: dict[str, Zone] = {
    "two of the widest": {("evil.example", "TXT"): [f"v=spf1 {networks(2, 12)} -all"]},
    "300 of /20": {("evil.example", "TXT"): [f"v=spf1 {networks(300, 20)} -all"]},
    "a private network by mistake": {
        ("evil.example", "TXT"): ["v=spf1 ip4:16.0.0.0/24 ip4:10.0.0.0/8 ip4:192.168.0.0/16 -all"]
    },
    "the same include twice": {
        ("evil.example", "TXT"): ["v=spf1 include:i.evil.example include:j.evil.example ip4:16.0.0.0/24 -all"],
        ("i.evil.example", "TXT"): ["v=spf1 include:big.example -all"],
        ("j.evil.example", "TXT"): ["v=spf1 include:big.example -all"],
        ("big.example", "TXT"): [f"v=spf1 {networks(2, 13, 0x20000000)} ip4:32.0.0.0/13 -all"],
    },
    "networks that are excluded": {
        ("evil.example", "TXT"): [
            f"v=spf1 -ip4:32.0.0.0/9 {networks(40, 12, 0x40000000).replace('ip4', '-ip4')} ip4:16.0.0.0/24 -all"
        ]
    },
    "networks that say nothing": {
        ("evil.example", "TXT"): ["v=spf1 ?include:big.example ip4:16.0.0.0/24 -all"],
        ("big.example", "TXT"): [f"v=spf1 {networks(40, 12, 0x40000000)} -all"],
    },
    "mail servers of one network": {
        ("evil.example", "TXT"): ["v=spf1 mx/12 -all"],
        ("evil.example", "MX"): [(n, f"m{n}.evil.example") for n in range(10)],
        **{(f"m{n}.evil.example", "A"): [f"16.0.{n}.1"] for n in range(10)},
    },
    "a large pool": {
        ("evil.example", "TXT"): ["v=spf1 a:pool.evil.example -all"],
        ("pool.evil.example", "A"): [f"16.0.0.{n}" for n in range(250)],
    },
}


@pytest.mark.parametrize("case", GOOD)
def test_what_large_senders_publish_vouches(case: str) -> None:
    found = check(GOOD[case], "16.0.0.66")
    assert (found.result, found.strong, found.weakness) == (Result.PASS, True, Weakness.NONE)


@pytest.mark.parametrize(
    ("terms", "weakness"),
    [
        ("+all", Weakness.ALL),
        ("ip4:202.0.0.0/7", Weakness.WIDE),
        ("ip6:::/0 ip4:128.0.0.0/1", Weakness.WIDE),
        ("exists:evil.example", Weakness.EXISTS),
        ("ptr:bot.example", Weakness.PTR),
        ("ip4:203.0.113.66", Weakness.NONE),
        ("ip4:203.0.113.66 +all", Weakness.NONE),
    ],
)
def test_why_a_pass_is_weak_is_said(terms: str, weakness: Weakness) -> None:
    zone: Zone = {
        ("evil.example", "TXT"): [f"v=spf1 {terms} -all"],
        ("evil.example", "A"): [OTHER],
        (BOT, "PTR"): ["bot.example"],
        ("bot.example", "A"): [BOT],
    }
    found = check(zone)
    assert found.passed
    assert (found.weakness, found.strong) == (weakness, weakness is Weakness.NONE)


def test_a_wide_network_is_weak_also_behind_a_name_of_the_client() -> None:
    zone: Zone = {
        **records(top="v=spf1 include:%{i}.evil.example -all"),
        ("203.0.113.66.evil.example", "TXT"): ["v=spf1 ip4:200.0.0.0/6 -all"],
    }
    assert check(zone).weakness is Weakness.WIDE


@pytest.mark.parametrize(
    ("sender", "strong"), [(b"", True), (b"joe@evil.example", True), (b"joe@other.example", False)]
)
def test_the_domain_of_the_sender_is_the_clients_word_where_another_is_asked_about(sender: bytes, strong: bool) -> None:
    zone = FakeZone(
        {
            ("evil.example", "TXT"): ["v=spf1 a:%{o}.x.evil.example -all"],
            ("evil.example.x.evil.example", "A"): [BOT],
            ("other.example.x.evil.example", "A"): [BOT],
        }
    )
    found = asyncio.run(check_host(Resolver(backend=zone), ip_address(BOT), "Evil.Example.", sender, b"bot.example"))
    assert (found.passed, found.strong) == (True, strong)


def test_ipv6_networks_add_up_too() -> None:
    wide = " ".join(f"ip6:{ip_address((0x2A00 << 112) + (n << 100))}/28" for n in range(3))
    zone: Zone = {("evil.example", "TXT"): [f"v=spf1 {wide} ip4:192.0.2.0/24 -all"]}
    assert check(zone, "2a00::1").weakness is Weakness.WIDE
    assert check(zone, "192.0.2.1").strong
    zone = {("evil.example", "TXT"): [f"v=spf1 {wide.rpartition(' ')[0]} -all"]}
    assert check(zone, "2a00::1").strong


def of_record(terms: str, **named: str) -> Zone:
    return {**records(top=f"v=spf1 {terms}", **named), ("evil.example", "A"): [OTHER]}


@pytest.mark.parametrize(
    ("zone", "client", "vouches", "if_listed"),
    [
        (PROVIDERS, "35.190.247.1", True, True),
        (DISGUISED["hosted, as the large hosts of SPF do it"], BOT, False, True),
        (DISGUISED["redirect by address"], BOT, False, True),
        (MANY["three of the widest"], "16.0.0.66", False, False),
        (of_record("+all"), BOT, False, False),
        (of_record("exists:evil.example -all"), BOT, False, False),
        (of_record("ip4:203.0.113.66 -all"), OTHER, False, False),
        (of_record("~ip4:203.0.113.66"), BOT, False, False),
        (of_record("-include:%{l}.evil.example", joe=NAMED), BOT, False, False),
        ({}, BOT, False, False),
    ],
)
def test_hosted_spf_counts_only_for_a_domain_that_the_operator_has_listed(
    zone: Zone, client: str, vouches: bool, if_listed: bool
) -> None:
    found = check(zone, client)
    assert (found.vouches(), found.vouches(listed=True)) == (vouches, if_listed)
