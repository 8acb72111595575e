"""The configuration, the files and the DNS of the whole chain, see `chain`."""

from __future__ import annotations

from typing import Final

from tools.private_smtpd.backends import FOLDER
from tools.private_smtpd.tls import certificate

GOOD: Final = "192.0.2.10"
NO_NAME: Final = "192.0.2.20"
RESIDENTIAL: Final = "198.51.100.77"
POOL_1, POOL_2 = "192.0.2.130", "198.51.100.130"
LONE_1, LONE_2 = "192.0.2.140", "198.51.100.140"
CAREFUL, SPAMMER, VIRUS, SCORED, FRIEND = (f"203.0.113.{n}" for n in (50, 60, 70, 80, 90))
FAR: Final = "203.0.113.99"
LISTED: Final = "203.0.113.40"

SERVERS: Final = {
    GOOD: "mx.good.example",
    POOL_1: "out1.pool.example",
    POOL_2: "out2.pool.example",
    LONE_1: "out1.lone.example",
    LONE_2: "out2.lone.example",
    CAREFUL: "mx.careful.example",
    SPAMMER: "mx.spam.example",
    VIRUS: "mx.virus.example",
    SCORED: "mx.scored.example",
    FRIEND: "mx.friend.example",
    FAR: "mx.far.example",
    LISTED: "mx.listed.example",
}
ZONE: Final[dict[str, str | list[str]]] = {
    **SERVERS,
    **{name: [f"A {address}"] for address, name in SERVERS.items()},
    **{name.partition(".")[2]: [f"MX 10 {name}."] for name in SERVERS.values()},
    "pool.example": ["MX 10 out1.pool.example.", f'TXT "v=spf1 ip4:{POOL_1}/28 ip4:{POOL_2}/28 -all"'],
    **{f"2.0.0.127.{zone}.example": ["A 127.0.0.2"] for zone in ("bl", "wl", "dbl")},
    **{f"test.{zone}.example": ["A 127.0.0.2"] for zone in ("bl", "wl", "dbl")},
    "40.113.0.203.bl.example": ["A 127.0.0.2", 'TXT "ask us why"'],
    "listed.example.wl.example": ["A 127.0.0.2"],
    "bad.example.dbl.example": ["A 127.0.0.2"],
    RESIDENTIAL: "77-100-51-198.dsl.pool.provider.example",
    "77-100-51-198.dsl.pool.provider.example": [f"A {RESIDENTIAL}"],
    "provider.example": ["MX 10 mx.good.example."],
}

REDIS: Final = "redis://127.0.0.1:6379/0?fallback=/var/lib/greylist/fallback.db"
QUARANTINE: Final = "/var/spool/quarantine"
FILTERS: Final = f"""
filter "rdns" proc-exec "filter-rdns -f -H -S -T 4"
filter "dyndns" proc-exec "filter-dyndns -T 4"
filter "greylist" proc-exec "filter-greylist -o -G 0:4:864 -T 4 -t /etc/mail/traps -f '{REDIS}'"
filter "clamav" proc-exec "filter-clamav -h -T SECONDS -a {FOLDER}/clamd.sock -q {QUARANTINE}/virus"
filter "spamassassin" proc-exec "filter-spamassassin -r 12 -T SECONDS -a {FOLDER}/spamd.sock \\
    -s /etc/mail/sender-scores -q {QUARANTINE}/spam"
filter "dkimsign" proc-exec "filter-dkimsign -t -K /etc/mail/dkim/keys"
"""
ONE: Final = """
filter "mail" proc-exec "filter-chain -f /etc/mail/filters"
"""
"""The same in one process, which stands wherever one of them did: each member knows what is ours."""
MEMBERS: Final = f"""
rdns -f -H -S -T 4
dyndns -T 4
greylist -o -G 0:4:864 -T 4 -t /etc/mail/traps -f {REDIS}
clamav -h -T SECONDS -a {FOLDER}/clamd.sock -q {QUARANTINE}/virus
spamassassin -r 12 -T SECONDS -a {FOLDER}/spamd.sock -s /etc/mail/sender-scores -q {QUARANTINE}/spam
dkimsign -t -K /etc/mail/dkim/keys
"""
LISTENERS: Final = f"""
listen on 203.0.113.25 port 25 filter {{ "rdns", "dyndns", "greylist", "clamav", "spamassassin" }}
listen on socket filter {{ "greylist", "clamav", "dkimsign" }}
listen on 127.0.0.1 port 10026
listen on {FAR} port 25 tag FAR
action "far" maildir
action "deliver" maildir junk
action "out" relay filter "greylist"
match tag FAR from any for domain "far.example" action "far"
match from any for domain "example.org" action "deliver"
match auth from any for any action "out"
match from local for any action "out"
"""
SUBMISSION: Final = """
pki "mx.example.org" cert "/etc/mail/mx.pem"
pki "mx.example.org" key "/etc/mail/mx.key"
table users file:/etc/mail/users
listen on 203.0.113.25 port 587 tls-require pki "mx.example.org" auth <users> \\
    filter { "greylist", "clamav", "dkimsign" }
"""
IDLE: Final = 'listen on 127.0.0.1 port 2500\naction "a" maildir\nmatch from local for local action "a"\n'


def files() -> dict[str, str | bytes]:
    pem_, key = certificate("mx.example.org")
    return {
        "/etc/mail/traps": "trap@example.org\ncarol@example.org\n",
        "/etc/mail/sender-scores": "scored.example 7\n",
        "/etc/mail/dkim/keys": "example.org rsa rsa\nexample.org ed ed\n",
        "/etc/mail/mx.pem": pem_,
        "/etc/mail/mx.key": key,
    }
