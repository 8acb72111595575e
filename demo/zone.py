"""The DNS of the demo: who the clients are. Addresses and names are those RFC 5737, 3849 and 2606 set aside."""

from __future__ import annotations

from typing import Final

from tools.private_smtpd import Trouble, Zone

GOOD: Final = "192.0.2.10"
GOOD_IPV6: Final = "2001:db8:10::10"
NO_NAME: Final = "192.0.2.20"
MISMATCH: Final = "192.0.2.30"
NAME_IS_ADDRESS: Final = "192.0.2.40"
RESIDENTIAL: Final = "198.51.100.77"
RESIDENTIAL_IPV6: Final = "2001:db8:77::7:1"
SERVER_AT_DSL_FORUM: Final = "198.51.100.25"
BROKEN: Final = "192.0.2.66"

ZONE: Final[Zone] = {
    GOOD: "mx1.good.example",
    GOOD_IPV6: "mx1.good.example",
    "mx1.good.example": [f"A {GOOD}", f"AAAA {GOOD_IPV6}"],
    "good.example": ["MX 10 mx1.good.example."],
    MISMATCH: "mail.bank.example",
    "mail.bank.example": ["A 192.0.2.99"],
    "bank.example": ["MX 10 mail.bank.example."],
    NAME_IS_ADDRESS: NAME_IS_ADDRESS,
    RESIDENTIAL: "77-100-51-198.dsl.pool.provider.example",
    "77-100-51-198.dsl.pool.provider.example": [f"A {RESIDENTIAL}"],
    RESIDENTIAL_IPV6: "dynamic-2001-db8-77-7-1.cable.provider.example",
    "dynamic-2001-db8-77-7-1.cable.provider.example": [f"AAAA {RESIDENTIAL_IPV6}"],
    "provider.example": ["MX 10 mx.provider.example."],
    SERVER_AT_DSL_FORUM: "mail.dslreports.example",
    "mail.dslreports.example": [f"A {SERVER_AT_DSL_FORUM}"],
    "dslreports.example": [f"A {SERVER_AT_DSL_FORUM}"],
    BROKEN: Trouble.SERVFAIL,
    "no-answers.example": ["MX 0 ."],
    "broken.example": Trouble.SERVFAIL,
}
