"""The DNS of the demo: who the clients are. Addresses and names are those RFC 5737, 3849 and 2606 set aside."""

from __future__ import annotations

from typing import Final

from tools.private_smtpd import Slow, Trouble

GOOD: Final = "192.0.2.10"
GOOD_IPV6: Final = "2001:db8:10::10"
NO_NAME: Final = "192.0.2.20"
MISMATCH: Final = "192.0.2.30"
NAME_IS_ADDRESS: Final = "192.0.2.40"
RESIDENTIAL: Final = "198.51.100.77"
RESIDENTIAL_IPV6: Final = "2001:db8:77::7:1"
SERVER_AT_DSL_FORUM: Final = "198.51.100.25"
BROKEN: Final = "192.0.2.66"
BLOCKED: Final = "203.0.113.200"
"""In examples/tables/blocklist."""
LISTED: Final = "198.51.100.200"
"""In examples/tables/blacklist."""
SPARED: Final = "198.51.100.201"
"""There, too, and in examples/tables/nospamd."""
IN_A_DNS_LIST: Final = "192.0.2.210"
WELCOMED: Final = "192.0.2.211"
"""In the same list of the DNS, and in one that welcomes it."""
POOL: Final = ("192.0.2.130", "198.51.100.130")
"""Two of the many servers of a large sender, which its SPF record names."""
LARGE: Final = "192.0.2.180"
"""A sender so large that examples list it in common_domains."""
SPAMMER: Final = "192.0.2.150"
BULK: Final = "192.0.2.160"
FAR: Final = "203.0.113.99"
"""The far end: what our users send goes there."""

_SERVERS: Final[dict[str, str]] = {
    GOOD: "mx1.good.example",
    MISMATCH: "mail.bank.example",
    SPARED: "mx.spared.example",
    IN_A_DNS_LIST: "mx.onlist.example",
    WELCOMED: "mx.welcomed.example",
    SERVER_AT_DSL_FORUM: "mail.dslreports.example",
    POOL[0]: "out1.pool.example",
    POOL[1]: "out2.pool.example",
    LARGE: "out77.large.example",
    SPAMMER: "mx.spam.example",
    BULK: "mx.bad.example.com",
    FAR: "mx.far.example",
}

ZONE: Final[dict[str, str | list[str] | Trouble | Slow]] = {
    **_SERVERS,
    **{name: [f"A {address}"] for address, name in _SERVERS.items()},
    **{name.partition(".")[2]: [f"MX 10 {name}."] for name in _SERVERS.values()},
    **{f"2.0.0.127.{kind}.lists.example": ["A 127.0.0.2"] for kind in ("bl", "welcome")},
    "210.2.0.192.bl.lists.example": ["A 127.0.0.2"],
    "211.2.0.192.bl.lists.example": ["A 127.0.0.2"],
    "211.2.0.192.welcome.lists.example": ["A 127.0.5.1"],
    GOOD_IPV6: "mx1.good.example",
    "mx1.good.example": [f"A {GOOD}", f"AAAA {GOOD_IPV6}"],
    "mail.bank.example": ["A 192.0.2.99"],
    NAME_IS_ADDRESS: NAME_IS_ADDRESS,
    RESIDENTIAL: "77-100-51-198.dsl.pool.provider.example",
    "77-100-51-198.dsl.pool.provider.example": [f"A {RESIDENTIAL}"],
    RESIDENTIAL_IPV6: "dynamic-2001-db8-77-7-1.cable.provider.example",
    "dynamic-2001-db8-77-7-1.cable.provider.example": [f"AAAA {RESIDENTIAL_IPV6}"],
    "pool.example": ["MX 10 out1.pool.example.", f'TXT "v=spf1 ip4:{POOL[0]}/28 ip4:{POOL[1]}/28 -all"'],
    "large.example": ["MX 10 out77.large.example.", 'TXT "v=spf1 ip4:192.0.2.176/28 -all"'],
    "_dmarc.bank.example": ['TXT "v=DMARC1; p=reject"'],
    "bank.example": [f'TXT "v=spf1 ip4:{GOOD} -all"', "MX 10 mail.bank.example."],
    BROKEN: Trouble.SERVFAIL,
    "no-answers.example": ["MX 0 ."],
    "broken.example": Trouble.SERVFAIL,
}
