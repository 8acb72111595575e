"""What both rooms have in common: the filters with their options, smtpd.conf, the files beside it, and the DNS."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tools.private_smtpd.backends import FOLDER

QUARANTINE: Final = "/var/spool/quarantine"
STORES: Final = "/var/lib/greylist"
REDIS: Final = f"redis://127.0.0.1:6379/0?fallback={STORES}/fallback.db"
FILE: Final = f"{STORES}/greylist.db"
LOCAL: Final = ("127.0.0.1", 587)
"""Where the host's own programs hand in what is to go out."""
FAR: Final = "203.0.113.99"
"""The other side: a listener of the same smtpd that takes what it relays."""

MEMBERS: Final = f"""\
rdns -f -H -S -T 4
dnsbl -f /etc/mail/dnsbl -T 4
dyndns -T 4
greylist -o -G 0:4:864 -T 4 -t /etc/mail/traps -f STORE
auth -T 4
clamav -h -T 3 -a {FOLDER}/clamd.sock -q {QUARANTINE}/virus -Q 2m:1
spamassassin -r 12 -T 3 -a {FOLDER}/spamd.sock -s /etc/mail/sender-scores -q {QUARANTINE}/spam -Q 2m:1
dkimsign -t -K /etc/mail/dkim/keys
"""
"""A filter with its options in a line, as filter-chain -f reads them. Greylisting lets the first retry pass."""
FAR_SIDE: Final = f"""\
listen on {FAR} port 25 tag FAR
action "far" maildir
match tag FAR from any for domain "far.example" action "far"
"""
LISTENERS: Final = f"""
listen on 203.0.113.25 port 25 filter {{ IN }}
listen on 127.0.0.1 port 587 filter {{ OUT }}
{FAR_SIDE}action "deliver" maildir junk
action "out" relay host smtp://{FAR} filter "LEARNS"
match from any for domain "example.org" action "deliver"
match from local for any action "out"
"""
IDLE: Final = 'listen on 127.0.0.1 port 2500\naction "a" maildir\nmatch from local for local action "a"\n'
RULES: Final = r"""
body   GTUBE     /XJS\*C4JDBQADN1\.NSBN3\*2IDNEN\*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL\*C\.34X/
score  GTUBE     1000
header HAS_SUBJECT Subject =~ /./
score  HAS_SUBJECT 0.1
required_score 5
"""
"""Rules enough for spamd to tell what is sent here, and few enough to cost little."""

GOOD_SERVERS: Final = 40
FRESH: Final = 500
"""Domains of senders that come round in turn, each with a record of its own in the greylist."""


TRAPS: Final = "trap@example.org\ncarol@example.org\n"
SCORES: Final = "scored.example 7\n"


def configuration(*, one: bool, far: bool = True) -> str:
    """smtpd.conf with the members as separate processes or as one. far: whether smtpd also plays the other side."""
    listeners = LISTENERS if far else LISTENERS.replace(FAR_SIDE, "")
    if one:
        text = 'filter "mail" proc-exec "filter-chain -f /etc/mail/filters"\n' + listeners
        return text.replace("IN", '"mail"', 1).replace("OUT", '"mail"', 1).replace("LEARNS", "mail")
    named = [(line.split()[0], line) for line in members(one=False).splitlines()]
    text = "".join(f'filter "{name}" proc-exec "filter-{line}"\n' for name, line in named) + listeners
    incoming = ", ".join(f'"{name}"' for name, _ in named if name != "dkimsign")
    text = text.replace("{ IN }", f"{{ {incoming} }}").replace("{ OUT }", '{ "greylist", "clamav", "dkimsign" }')
    return text.replace("LEARNS", "greylist")


def members(*, one: bool) -> str:
    """The filters' lines; the separate processes share their greylist in Redis, the one has a file."""
    return MEMBERS.replace("STORE", FILE if one else REDIS)


def files(*, one: bool) -> dict[str, str | bytes]:
    """What lies in /etc/mail; keys for root alone until they are given to the filters' user."""
    key = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "/etc/mail/filters": members(one=one),
        "/etc/mail/traps": TRAPS,
        "/etc/mail/sender-scores": SCORES,
        "/etc/mail/dnsbl": "bl.example\n",
        "/etc/mail/dkim/keys": "example.org soak soak\n",
        "/etc/mail/dkim/soak": key,
    }


def zone() -> dict[str, str | list[str]]:
    """The DNS that knows the servers and the senders of `mails`."""
    found: dict[str, str | list[str]] = {
        "good.example": ["MX 10 mx0.good.example.", 'TXT "v=spf1 ip4:192.0.2.0/24 -all"'],
        "nameless.example": ["MX 10 mx0.good.example."],
        "scored.example": ["MX 10 mx0.good.example."],
        "far.example": ["MX 10 mx.far.example."],
        "mx.far.example": [f"A {FAR}"],
        "2.0.0.127.bl.example": ["A 127.0.0.2"],
        "40.113.0.203.bl.example": ["A 127.0.0.2", 'TXT "ask us why"'],
        "203.0.113.40": "mx.listed.example",
        "mx.listed.example": ["A 203.0.113.40"],
        "198.51.100.77": "77-100-51-198.dsl.pool.provider.example",
        "77-100-51-198.dsl.pool.provider.example": ["A 198.51.100.77"],
        "mx.example.org": ["A 203.0.113.25"],
        "example.org": ["MX 10 mx.example.org."],
    }
    for number in range(GOOD_SERVERS):
        address, name = f"192.0.2.{100 + number}", f"mx{number}.good.example"
        found[address] = name
        found[name] = [f"A {address}"]
    for number in range(FRESH):
        found[f"fresh{number}.example"] = ["MX 10 mx0.good.example."]
    return found
