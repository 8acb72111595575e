"""The files that filterctl init writes: smtpd.conf with filter-chain, its file of members, tables. Pure text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from filterctl.setup.system import CLAMD, SPAMD

USER = "_mailfilter"
"""The user that filter-chain runs as; the packages make it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator said, and where it goes.

    scanners: name → where it answers, empty for the filter's own default. pki: certificate and key of `host`, or
    None: then nothing is encrypted, and nobody can log in. program: filter-chain, as smtpd.conf names it.
    """

    domains: Sequence[str]
    host: str
    networks: Sequence[str]
    scanners: Mapping[str, str]
    selector: str
    store: str
    mail: str = "/etc/mail"
    aliases: str = "/etc/aliases"
    program: str = "filter-chain"
    pki: tuple[str, str] | None = None
    addresses: Sequence[str] = field(default=("0.0.0.0",))  # noqa: S104 - a mail server listens everywhere

    def key(self, domain: str) -> str:
        """The file of a domain's DKIM key."""
        return f"{self.mail}/dkim/{self.selector}.{domain}.key"


_HEAD = """\
# Written by filterctl init, for {domains}. See smtpd.conf(5) and opensmtpd-filters(7).
# Before each restart: filterctl check {path}
"""

_PKI = """
pki "{host}" cert "{cert}"
pki "{host}" key "{key}"
"""

_NO_PKI = """
# There was no certificate of {host}, so mail comes in unencrypted and nobody can log in. When there is one:
#   pki "{host}" cert "/etc/ssl/{host}.crt"
#   pki "{host}" key "/etc/ssl/private/{host}.key"
# then add to the listeners on port 25: tls pki "{host}"
# and for those who log in: listen on 0.0.0.0 port 587 tls-require pki "{host}" auth filter "mail"
"""

_FILTER = """
table aliases file:{aliases}
table networks file:{mail}/our-networks

# The filters, one a line, are in {mail}/filters; whom they let in unasked, in {mail}/exempt.
filter "mail" proc-exec "{program} -N {mail}/our-networks -W {mail}/exempt -f {mail}/filters" \\
    user "{user}" group "{user}"

"""

_ACTIONS = """
action "deliver" maildir junk alias <aliases>
# The greylist learns the servers that take our mail.
action "outbound" relay helo "{host}" filter "mail"

match from any for domain {{ {domains} }} action "deliver"
match from local for local action "deliver"
match from src <networks> for any action "outbound"
match auth from any for any action "outbound"
match from local for any action "outbound"
"""


def smtpd_conf(wanted: Wanted, path: str) -> str:
    """The configuration; path: where it will be."""
    host = wanted.host
    cert, key = wanted.pki or ("", "")
    pki = _PKI.format(host=host, cert=cert, key=key) if wanted.pki else _NO_PKI.format(host=host)
    tls = f' tls pki "{host}"' if wanted.pki else ""
    listeners = [f'listen on {each} port 25 hostname "{host}"{tls} filter "mail"' for each in wanted.addresses]
    if wanted.pki:
        listeners += [
            f'listen on {each} port 587 hostname "{host}" tls-require pki "{host}" auth filter "mail"'
            for each in wanted.addresses
        ]
    listeners.append('listen on socket filter "mail"')
    return (
        _HEAD.format(domains=", ".join(wanted.domains), path=path)
        + pki
        + _FILTER.format(aliases=wanted.aliases, mail=wanted.mail, program=wanted.program, user=USER)
        + "\n".join(listeners)
        + "\n"
        + _ACTIONS.format(host=host, domains=", ".join(f'"{name}"' for name in wanted.domains))
    )


def members(wanted: Wanted) -> str:
    """The file of filter-chain -f."""
    lines = [
        "# Asked in this order; each has a manual page, filter-NAME(8).",
        "",
        "# Strangers: no reverse DNS, lines of homes and phones, senders never seen before.",
        "rdns -f",
        "dyndns",
        f"greylist -o -f {wanted.store}",
        "",
        "# Who wrote it: what the domain in From disowns goes into the junk folder.",
        "auth",
        "",
    ]
    scanners = []
    if CLAMD in wanted.scanners:
        scanners.append("clamav" + _at(wanted.scanners[CLAMD]))
    if SPAMD in wanted.scanners:
        scanners.append("spamassassin -r 12" + _at(wanted.scanners[SPAMD]))
    if scanners:
        lines += ["# Viruses are refused, spam marked, and refused from 12 points on.", *scanners, ""]
    lines += ["# Ours is signed, last.", f"dkimsign -K {wanted.mail}/dkim/keys"]
    return "\n".join(lines) + "\n"


def _at(address: str) -> str:
    return f" -a {address}" if address else ""


def networks(wanted: Wanted) -> str:
    """Our networks, for the filters (-N) and for smtpd."""
    lines = ["# Networks of ours: not judged, signed, and relayed for. One address or network a line.", ""]
    return "\n".join([*lines, *dict.fromkeys(["127.0.0.0/8", "::1", *wanted.networks])]) + "\n"


def exempt() -> str:
    """Whom no filter judges."""
    return (
        "# Who is let in unasked, one a line: 192.0.2.10, 198.51.100.0/24, host:mx.example.net, host:.example.net\n"
        "# Read again when it changes. opensmtpd-filters(7), Files of addresses\n"
    )


def keys(wanted: Wanted) -> str:
    """The table of DKIM keys."""
    lines = ["# domain selector file, filter-dkimsign(8)"]
    return "\n".join([*lines, *(f"{each} {wanted.selector} {wanted.key(each)}" for each in wanted.domains)]) + "\n"


def records(wanted: Wanted, domain: str) -> str:
    """What else a domain has in the DNS, in the format of a zone file."""
    return (
        f"{domain}. IN MX 10 {wanted.host}.\n"
        f'{domain}. IN TXT "v=spf1 mx ~all"\n'
        f'_dmarc.{domain}. IN TXT "v=DMARC1; p=none"\n'
    )
