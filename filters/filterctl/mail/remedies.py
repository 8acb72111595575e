"""For each reason a filter or smtpd refuses by: what it means, which option or table did it, what would let it in.

The reasons are those of the filters' manual pages, section LOG. A command is offered only where all that a stranger
chose in it is an address of plain characters.
"""

from __future__ import annotations

import re
import shlex
from typing import Final, NamedTuple

from filterctl.mail.logfile import SMTPD
from filterctl.mail.records import Mail, Refusal

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!#$%&'*+/=?^_{}~-]{0,63}@[A-Za-z0-9.-]{1,255}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}(?:\.[A-Za-z0-9_-]{1,63}){1,20}")
_CLIENT: Final = re.compile(r"[0-9a-f:.]{2,45}")


class Remedy(NamedTuple):
    """meaning: of the reason; by: the option or table; cure: what would let it in; commands: with {client} …"""

    meaning: str
    by: str
    cure: str
    commands: tuple[str, ...]


_EXEMPT: Final = "filterctl allow -t 7 {client}"
_RDNS: Final = ("filterctl explain rdns {client}", _EXEMPT)
_EXEMPTED: Final = "an entry in the file of -W, if the filter has that option"
_LATER: Final = "nothing: the server comes back by itself. White entries do not wait"
_WHITE: Final = ("filterctl greylist explain {client} {sender} {recipient}", "filterctl greylist -a {client}")
_FREE: Final = ("filterctl greylist -dt {client}", "filterctl greylist -a {client}")
_DNS: Final = Remedy("the DNS did not answer", "", "the DNS; the server comes back by itself", ("filterctl doctor",))
_HELO: Final = "the client's administrator, or an entry in the file of -W"
_SENDER: Final = "the sender's DNS, or an entry in the file of -W"

REASONS: Final[dict[str, Remedy]] = {
    "no-ptr": Remedy("the client's address has no name", "", f"a PTR record of the client, or {_EXEMPTED}", _RDNS),
    "ptr-is-address": Remedy(
        "the client's name is an address", "", f"a real PTR record of the client, or {_EXEMPTED}", _RDNS
    ),
    "mismatch": Remedy(
        "the client's name does not lead back to its address",
        "-f",
        f"an address record of that name, or {_EXEMPTED}",
        _RDNS,
    ),
    "dns": _DNS,
    "sender-dns": _DNS,
    "spf": _DNS,
    "helo-bare-word": Remedy("the HELO name has no dot", "-H", _HELO, (_EXEMPT,)),
    "helo-address": Remedy("the HELO name is an address, but not the client's", "-H", _HELO, (_EXEMPT,)),
    "helo-ours": Remedy("the HELO name is the name of this server", "-H", _HELO, (_EXEMPT,)),
    "sender-no-domain": Remedy("the sender's domain does not exist", "-S", _SENDER, (_EXEMPT,)),
    "sender-no-mail": Remedy("the sender's domain cannot receive mail", "-S", _SENDER, (_EXEMPT,)),
    "sender-null-mx": Remedy("the sender's domain says that it receives no mail", "-S", _SENDER, (_EXEMPT,)),
    "dynamic": Remedy(
        "the client's name is that of a home or of a dynamic address",
        "the score that -s asks for",
        f"an entry in the file of -e for its name, or {_EXEMPTED}",
        ("filterctl explain dyndns {name} {client}", "echo {name} >>/etc/mail/dyndns-ok", _EXEMPT),
    ),
    "listed": Remedy(
        "the client is on a black list",
        "the black list",
        f"an entry in a white list that follows it in lists.conf, or {_EXEMPTED}",
        ("filterctl lists test {client}", _EXEMPT),
    ),
    "dnsbl": Remedy(
        "lists in the DNS know the client, its sender or its author, or a welcome list does not answer",
        "the lists of -b and -f, the points of -s",
        f"the client's removal from the lists, or {_EXEMPTED}",
        ("filterctl dnsbl explain -f /etc/mail/dnsbl {client}", _EXEMPT),
    ),
    "new": Remedy("sender, recipient and client are seen for the first time", "the greylist", _LATER, _WHITE),
    "early": Remedy("it came back before its time was over", "the greylist", _LATER, _WHITE),
    "full": Remedy("the greylist has no room to remember it", "the greylist", "it is tried again later", _WHITE),
    "trapped": Remedy(
        "the client fell into a trap before", "the list of trapped hosts", "a day's waiting, or to set it free", _FREE
    ),
    "spamtrap": Remedy(
        "the recipient is a trap",
        "a trap address added by filterctl",
        "to take the address out of the traps and to set the client free",
        ("filterctl greylist -dT {recipient}", *_FREE),
    ),
    "trap-file": Remedy(
        "the recipient is a trap", "the file of -t", "to delete that line of the file and to set the client free", _FREE
    ),
    "foreign-domain": Remedy(
        "the recipient's domain is none of ours",
        "the file of -a",
        "to add the domain and to set the client free",
        _FREE,
    ),
    "low-priority-mx": Remedy(
        "it came to the MX of low priority without asking the first", "-M", "nothing: the server tries the first MX", ()
    ),
    "virus": Remedy(
        "the message has a virus", "", "to release it, if the scanner is wrong", ("filterctl quarantine release {id}",)
    ),
    "spam": Remedy(
        "SpamAssassin's points reach the limit",
        "-r",
        "to release it; for the next one, fewer points for a sender that SPF proves",
        ("filterctl quarantine release {id}", "echo '{domain} -5' >>/etc/mail/sender-scores"),
    ),
    "toolarge": Remedy("the message is too large to be scanned", "-b", "a larger limit, there and in the scanner", ()),
    "other-user": Remedy(
        "the settings of another recipient apply to this message",
        "-E",
        "nothing: this recipient's copy comes alone",
        (),
    ),
    "failed": Remedy(
        "the check could not be made", "-F", "the scanner, the store or the DNS to answer again", ("filterctl doctor",)
    ),
    "refused": Remedy("the message breaks a limit of smtpd or of the filter", "", "another message", ()),
}
"""By the reason of a filter's line, or its result."""

_SMTPD: Final = (
    (
        "Invalid recipient",
        Remedy(
            "smtpd takes no mail for that recipient from this client",
            "the match rules of smtpd.conf, and the tables of recipients they name",
            "a match rule, or the address in its table",
            ("smtpctl update table TABLE",),
        ),
    ),
    ("syntax error", Remedy("the address is none", "smtpd", "a correct address", ())),
    ("Message too big", Remedy("the message is too large", "max-message-size", "a larger max-message-size", ())),
    (
        "Loop detected",
        Remedy("two servers send it to each other", "smtpd", "an end of that", ()),
    ),
    ("ine too long", Remedy("a line is longer than smtpd takes", "smtpd", "a message with shorter lines", ())),
    ("RFC 2822", Remedy("the message is malformed", "smtpd", "a well-formed message", ())),
)
_OTHER_SMTPD: Final = Remedy("smtpd, or a filter that does not log, refused it", "smtpd.conf", "see the reply", ())


def remedy(refusal: Refusal) -> Remedy:
    """What to say of a refusal."""
    if refusal.who == SMTPD:
        return next((found for mark, found in _SMTPD if mark in refusal.reply), _OTHER_SMTPD)
    if refusal.pairs.get("result") == "failed":
        return REASONS["failed"]
    found = REASONS.get(refusal.reason) or REASONS.get(refusal.pairs.get("result", ""))
    if found is None:
        return Remedy(f"reason {refusal.reason}", "", f"see the section LOG of the manual of {refusal.who}", ())
    return found._replace(by=f"{found.by} {refusal.pairs['lists']}") if "lists" in refusal.pairs else found


def commands(mail: Mail, refusal: Refusal) -> list[str]:
    """Commands that would let it in, ready to be pasted; those with something odd in them are left out."""
    words = _words(mail, refusal)
    return [
        re.sub(r"\{(\w+)\}", lambda found: words[found[1]], command)
        for command in remedy(refusal).commands
        if all(words.get(name) for name in re.findall(r"\{(\w+)\}", command))
    ]


def _words(mail: Mail, refusal: Refusal) -> dict[str, str]:
    name = refusal.pairs.get("name") or mail.client.name
    domain = (mail.sender or "").rpartition("@")[2].lower()
    client, quarantined = mail.client.address, refusal.pairs.get("id", "")
    return {
        "client": client if _CLIENT.fullmatch(client) else "",
        "sender": _address(mail.sender or ""),
        "recipient": _address(mail.recipients[0] if mail.recipients else ""),
        "name": name if _NAME.fullmatch(name) else "",
        "domain": domain if _NAME.fullmatch(domain) else "",
        "id": quarantined if re.fullmatch(r"[0-9a-f-]{8,40}", quarantined) else "",
    }


def _address(text: str) -> str:
    return shlex.quote(text) if _PLAIN.fullmatch(text) else ""
