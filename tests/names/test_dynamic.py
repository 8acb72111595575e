"""What a reverse DNS name tells: the address in all its spellings, words, and what is left out."""

from __future__ import annotations

import itertools
from ipaddress import ip_address

import pytest

from filter_api.names.dynamic import DEFAULT_REFUSE, Evidence, Item, score, split_name
from filter_api.names.words import KINDS, NEUTRAL, WORDS

V6 = "2001:db8:12:3400:91d2:aaff:fe10:2c05"


def item(name: str, address: str | None, kind: str) -> Item | None:
    """The item of one kind."""
    evidence = score(name, ip_address(address) if address else None)
    return next((item for item in evidence.items if item.kind == kind), None)


@pytest.mark.parametrize(
    ("host", "address", "weight", "reason"),
    [
        ("h-203-0-113-57", "203.0.113.57", 5, "the client's address"),
        ("203.0.113.57.x", "203.0.113.57", 5, "the client's address"),
        ("203x0x113x57", "203.0.113.57", 5, "the client's address"),
        ("57.113.0.203.x", "203.0.113.57", 5, "the client's address, reversed"),
        ("ip-203-000-113-057", "203.0.113.57", 5, "the client's address"),
        ("57.subnet203-0-113", "203.0.113.57", 5, "the client's address, its octets in another order"),
        ("host57-113-x.0-203-r", "203.0.113.57", 5, "the client's address, reversed"),
        ("n203000113057", "203.0.113.57", 5, "the client's address, glued"),
        ("n203011357", "203.0.113.57", 5, "the client's address, glued"),
        ("n057113000203", "203.0.113.57", 5, "the client's address, glued, reversed"),
        ("089-101-012034", "89.101.12.34", 5, "the client's address, glued"),
        ("pCB007139", "203.0.113.57", 5, "the client's address in hex"),
        ("0xcb007139", "203.0.113.57", 5, "the client's address in hex"),
        ("cb-00-71-39", "203.0.113.57", 5, "the client's address in hex"),
        ("m397100cb", "203.0.113.57", 5, "the client's address in hex, reversed"),
        ("bas1-3405803833", "203.0.113.57", 5, "the client's address as one number"),
        ("bl-0-113-57", "203.0.113.57", 5, "three octets of the client's address"),
        ("c57.w203-113", "203.0.113.57", 5, "three octets of the client's address"),
        ("dsl-cb0071-57", "203.0.113.57", 5, "three octets of the client's address in hex"),
        ("a113-57", "203.0.113.57", 2, "two octets of the client's address"),
        ("a57-113", "203.0.113.57", 2, "two octets of the client's address"),
        ("w203-0", "203.0.113.57", 2, "two octets of the client's address"),
        ("host-198-51-100-9", "203.0.113.57", 3, "another address"),
        ("S010600a1b2c3d4e5", "203.0.113.57", 5, "a hardware address"),
        ("cpe-00a1b2c3d4e5", "203.0.113.57", 5, "a hardware address"),
        ("h-203-0-113-57", None, 5, "an address"),
        ("20010db80012340091d2aafffe102c05", V6, 5, "the client's address in hex"),
        ("2001-0db8-0012-3400-91d2-aaff-fe10-2c05", V6, 5, "the client's address in hex"),
        ("p2001-db8-12-3400-91d2-aaff-fe10-2c05", V6, 5, "the client's address, compressed"),
        ("x.2001.db8.12.3400.91d2.aaff.fe10.2c05", V6, 5, "the client's address in groups"),
        ("5.0.c.2.0.1.e.f.f.f.a.a.2.d.1.9.0.0.4.3.2.1.0.0.8.b.d.0.1.0.0.2.ip6", V6, 5, "the client's address in hex"),
        ("2001-db8--25", "2001:db8::25", 5, "the client's address, compressed"),
        ("2001-db8-12-3400.x", V6, 4, "the network of the client's address"),
        ("c-91d2-aaff-fe10-2c05", V6, 4, "the interface part of the client's address"),
        ("h-203-0-113-57", "::ffff:203.0.113.57", 5, "the client's address"),
    ],
)
def test_address(host: str, address: str | None, weight: int, reason: str) -> None:
    assert item(f"{host}.example.net", address, "address") == Item(weight, "address", reason)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("mx57", "203.0.113.57"),  # one octet is no more than a number
        ("a1-2", "10.20.1.2"),  # two small numbers meet by chance
        ("s1-0-1", "10.1.0.1"),  # and so do three
        ("mail1111", "1.1.1.1"),  # too few figures to be an address glued
        ("mx-20060711", "203.0.113.57"),  # a date
        ("v2202012123456789012", "203.0.113.57"),  # a customer number, not a MAC address: figures only
        ("deadbeefcafe", "203.0.113.57"),  # a word, not a MAC address: letters only
        ("node-1-2-3", "203.0.113.57"),
        ("x--1", "2001:db8::1"),  # the end of an IPv6 address may be a mere number
        ("host-999-51-100-9", "203.0.113.57"),
    ],
)
def test_no_address(host: str, address: str) -> None:
    assert item(f"{host}.example.net", address, "address") is None


@pytest.mark.parametrize(
    ("host", "kinds"),
    [
        ("dynamic", "dynamic+5"),
        ("adsl-dyn45", "dynamic+5,dsl+4"),
        ("dyndsl", "dynamic+5,dsl+4"),
        ("dynamicadsl-7", "dynamic+5,dsl+4"),
        ("athedsl", "dsl+4"),
        ("dial-up.dsl", "dialup+5,dsl+4"),
        ("PPPoE", "dialup+5"),
        ("cpe.customer", "equipment+3,subscriber+2"),
        ("kunde7.kabel", "cable+3,subscriber+2"),
        ("modemcable", "dialup+5,cable+3"),
        ("mail", "mail-5"),
        ("smtp-out2.mx", "mail-5"),
        ("mailgate", "mail-5"),
        ("resqmta-po-01v", "mail-5"),
        ("outbound-mail", "mail-5"),
        ("ns1.srv", "server-3"),
        ("cloudvps", "server-3"),
        ("static", "static-5"),
        ("staticip.fix", "static-5"),
        ("dsl.dsl.vdsl", "dsl+4"),  # a kind counts once
        ("www", "server-3"),
        ("berlin", ""),
        ("dynamo.dialog.poolside.fixture.mobiles", ""),  # words are words, not pieces
    ],
)
def test_words(host: str, kinds: str) -> None:
    assert score(f"{host}.example.net").kinds == kinds


@pytest.mark.parametrize(
    ("name", "host", "domain"),
    [
        ("mail.dslreports.com", "mail", "dslreports.com"),
        ("mail.dsl.co.uk", "mail", "dsl.co.uk"),
        ("mail.dsl.com.au", "mail", "dsl.com.au"),
        ("a.b.ocn.ne.jp", "a.b", "ocn.ne.jp"),
        ("a.b.example.gov.in", "a.b", "example.gov.in"),
        ("a.dsl.uk.com", "a", "dsl.uk.com"),
        ("x.res.rr.com", "x.res", "rr.com"),  # short, but below com: somebody's domain
        ("dsl.example", "", "dsl.example"),
        ("dsl", "", "dsl"),
        ("", "", ""),
        ("..A.B..Example.NET.", "a.b", "example.net"),
    ],
)
def test_registered_domain(name: str, host: str, domain: str) -> None:
    parts = split_name(name)
    assert (parts.host.decode(), parts.domain.decode()) == (host, domain)


@pytest.mark.parametrize("name", ["mail.dslreports.com", "dyndns.org", "dsl.pool.com.au", "adsl.dyn.co.uk"])
def test_a_company_may_be_called_what_it_likes(name: str) -> None:
    assert score(name, ip_address("203.0.113.57")).total < DEFAULT_REFUSE


@pytest.mark.parametrize("domain", ["amazonaws.com", "contaboserver.net", "comcastbusiness.net", "vps-hosting.example"])
def test_a_hosters_domain_clears(domain: str) -> None:
    evidence = score(f"203-0-113-57.{domain}", ip_address("203.0.113.57"))
    assert evidence.kinds == "address+5,domain-4"


def test_static_and_the_address_is_weighed() -> None:
    """A static address with its number in the name passes; one that says dynamic on top does not."""
    address = ip_address("203.0.113.57")
    assert score("static-203-0-113-57.example.net", address).total == 0
    assert score("static-203-0-113-57.dsl.example.net", address).total < DEFAULT_REFUSE
    assert score("static-203-0-113-57.dynamic.example.net", address).total == DEFAULT_REFUSE


#: Words of access networks, one of each kind; none of them says that the address changes.
ACCESS = {
    "dsl": "adsl",
    "fibre": "ftth",
    "cable": "hfc",
    "access": "lns",
    "subscriber": "cust",
    "equipment": "cpe",
    "home": "retail",
    "generic": "rev",
    "broadband": "broadband",
    "pool": "pool",
    "mobile": "wireless",
    "nat": "nat",
    "residential": "residential",
    "unassigned": "unknown",
    "brand": "neoplus",
}
CHANGING_WORDS = ("dynamic", "dyn", "dhcp", "ppp", "dialup", "gprs", "lte")
STEADY_WORDS = (
    "static",
    "fix",
    "business",
    "staticip",
    "b2b",
    "fixip",
    "perm",
    "corporate",
    "fixed-ip",
    "ip-fixed",
    "pme",
)


def test_every_kind_of_access_network_is_among_them() -> None:
    positive = {kind.name for kind in KINDS if kind.weight > 0}
    assert set(ACCESS) == positive - {"dynamic", "dialup", "handset"}
    assert all(WORDS[word.encode()] == kind for kind, word in ACCESS.items())


@pytest.mark.parametrize("steady", STEADY_WORDS)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 15])
def test_a_static_or_business_line_is_none_of_a_home(steady: str, size: int) -> None:
    address = ip_address("203.0.113.45")
    for kinds in itertools.combinations(ACCESS, size):
        words = ".".join(ACCESS[kind] for kind in kinds)
        for name in (f"203-0-113-45.{steady}.{words}.example.net", f"{steady}-203-0-113-45.{words}.example.net"):
            evidence = score(name, address)
            assert evidence.total == 0, (name, evidence.kinds)
            assert all(f"{kind}+0" in evidence.kinds.split(",") for kind in kinds)


@pytest.mark.parametrize("steady", STEADY_WORDS)
@pytest.mark.parametrize("changing", CHANGING_WORDS)
@pytest.mark.parametrize("access", ["", "adsl.", "cust.hfc."])
def test_a_word_for_changing_addresses_stands_against_it(steady: str, changing: str, access: str) -> None:
    address = ip_address("203.0.113.45")
    assert score(f"{steady}-203-0-113-45.{changing}.{access}example.net", address).total >= DEFAULT_REFUSE
    assert score(f"203-0-113-45.{access}{steady}.{changing}.example.net", address).total >= DEFAULT_REFUSE


@pytest.mark.parametrize(
    "name", [f"203-0-113-45.{a}.{b}.example.net" for a in ("adsl", "cust") for b in ("ftth", "hfc")]
)
def test_words_of_access_networks_count_where_nothing_speaks_against_them(name: str) -> None:
    assert score(name, ip_address("203.0.113.45")).total >= 10


def test_a_provider_that_calls_all_lines_static_gains_nothing_by_it() -> None:
    name = "static-203-0-113-45.ftth.abo.bbox.fr"
    assert score(name, ip_address("203.0.113.45")).kinds == "address+5,static-5,fibre+3,subscriber+2"


@pytest.mark.parametrize(
    "name",
    [
        "client-203-0-113-45.hostwindsdns.com",
        "hwsrv-903045.hostwindsdns.com",
        "203-0-113-45-host.colocrossing.com",
        "203-0-113-45.cprapid.com",
        "rs203045.rs.hosteurope.de",
        "rs203-0-113-45.rs.hosteurope.de",
        "lvps203-0-113-45.dedicated.hosteurope.de",
        "203-0-113-45.static.quadranet.com",
        "203-0-113-45.customer.psychz.net",
        "45.113.0.203.static.reverse.lstn.net",
        "203.0.113.45.choopa.net",
        "203-0-113-45.colo.transip.net",
        "customer.203-0-113-45.users.clients.your-server.de",
        "203-0-113-45.client.hstgr.cloud",
        "pool-203-0-113-45.example.hosting",
        "203-0-113-45.dsl.cust.upcbusiness.at",
    ],
)
def test_the_names_that_hosters_give_are_no_names_of_homes(name: str) -> None:
    assert score(name, ip_address("203.0.113.45")).total < DEFAULT_REFUSE - 1


@pytest.mark.parametrize("name", ["dyn-203-0-113-45.colocrossing.com", "203-0-113-45.ppp.hosting.example"])
def test_a_word_for_changing_addresses_counts_there_too(name: str) -> None:
    assert score(name, ip_address("203.0.113.45")).total >= DEFAULT_REFUSE


def test_letters_of_an_address_in_hex_are_no_words() -> None:
    assert score("p000000bb.example.net", ip_address("0.0.0.187")).kinds == "address+5"
    assert score("bb.p000000bb.example.net", ip_address("0.0.0.187")).kinds == "address+5,home+2"


def test_bytes_and_text_are_alike() -> None:
    assert score(b"p5-DYN.example.net") == score("p5-dyn.EXAMPLE.net.")


def test_nothing_tells_nothing() -> None:
    assert score("") == Evidence()
    assert Evidence().total == 0
    assert Evidence().kinds == ""


def test_the_vocabulary_holds_no_word_twice() -> None:
    words = [word for kind in KINDS for word in kind.words.split()]
    assert sorted(words) == sorted(set(words))
    assert not NEUTRAL & set(WORDS)
    assert all(word == word.lower() for word in words)
    assert len({kind.name for kind in KINDS}) == len(KINDS)
