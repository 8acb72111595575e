"""Mistakes outside smtpd.conf's grammar, on a Debian: users, files, modes, options. check names place and remedy.

The grammar's are in tests/filterctl/conf/test_mistakes.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tools.private_smtpd import Smtpd

FILTERCTL = "/usr/libexec/opensmtpd/filterctl"
CONF = "/etc/mistaken.conf"
LISTEN = 'listen on 127.0.0.1\nlisten on socket\naction "l" maildir\nmatch from local for any action "l"\n'
#: Users as the package makes them; HERE is made anew for each mistake, with a key that is as it should be.
USERS = "for user in _mailfilter _mailscan _dkimsign; do id $user || useradd -r -U $user; done; groupadd -r clamav"
FOLDER = (
    "rm -rf /mnt/here; mkdir -m 755 /mnt/here; cp /mnt/key/k /mnt/here/k; chown _mailfilter /mnt/here/k; cd /mnt/here"
)
SOCKET = (
    'python3 -c \'import socket, os, grp; s = socket.socket(socket.AF_UNIX); s.bind("s"); '
    'os.chown("s", 0, grp.getgrnam("{}").gr_gid); os.chmod("s", 0o660)\''
)


class Mistake(NamedTuple):
    """What was typed before (a shell's lines, in HERE), the filter's command and user, and what is told of it."""

    before: str
    command: str
    told: str
    user: str = "_mailfilter"


CHAIN = "filter-chain -f HERE/f"
MISTAKES = {
    "wrong user": Mistake(
        "",
        "filter-dkimsign -d a.example -s s -k HERE/k",
        "HERE/k cannot be read by _dkimsign: chown _dkimsign HERE/k, or write user _mailfilter on the filter's line",
        "_dkimsign",
    ),
    "no such user": Mistake(
        "", "filter-rdns", "no user _mailfiltre: make it, or name another on this line", "_mailfiltre"
    ),
    "key open to all": Mistake(
        "chmod 644 k",
        "filter-dkimsign -d a.example -s s -k HERE/k",
        "filter-dkimsign: HERE/k: mode 0644 lets everybody read or write the key: chmod 0600 or 0640",
    ),
    "no key at all": Mistake(
        "echo hello >k",
        "filter-dkimsign -d a.example -s s -k HERE/k",
        "HERE/k: not a private key in PEM: filterctl dkim keygen makes one",
    ),
    "key not there": Mistake(
        "",
        "filter-dkimsign -d a.example -s s -k HERE/none",
        "HERE/none: No such file or directory: make it, or mend its name",
    ),
    "key table with a word too few": Mistake(
        "echo 'a.example HERE/k' >t",
        "filter-dkimsign -K HERE/t",
        "HERE/t:1: a line is: domain selector keyfile [algorithm]",
    ),
    "program misspelt": Mistake(
        "",
        "filter-dkimsignn -d a.example",
        "filter-dkimsignn: not found, looked in /usr/libexec/opensmtpd; did you mean filter-dkimsign?",
    ),
    "program elsewhere": Mistake(
        "",
        "filter-mine",
        "filter-mine: not found, looked in /usr/libexec/opensmtpd; install it there, or write its whole path",
    ),
    "program not executable": Mistake(
        "echo '#!/bin/sh' >p", "HERE/p", "HERE/p cannot be run by _mailfilter: chmod 0755 HERE/p"
    ),
    "interpreter gone": Mistake(
        "echo '#!HERE/python' >p; chmod 755 p",
        "HERE/p",
        "HERE/p: HERE/python, which runs it, is not there: install the suite again, or a venv anew",
    ),
    "folder closed": Mistake(
        "mkdir -m 700 d; echo 192.0.2.1 >d/w",
        "filter-rdns -W HERE/d/w",
        "HERE/d cannot be entered by _mailfilter: chmod o+x HERE/d",
    ),
    "scanner's socket closed": Mistake(
        SOCKET.format("root"),
        "filter-spamassassin -a HERE/s",
        "HERE/s cannot be written by _mailfilter: let its daemon open it to a group",
    ),
    "scanner's socket of a group": Mistake(
        SOCKET.format("clamav"),
        "filter-clamav -a HERE/s",
        "HERE/s cannot be written by _mailscan: write group clamav on the filter's line",
        "_mailscan",
    ),
    "network too narrow": Mistake(
        "", "filter-rdns -N 10.0.0.0/33", '-N: "10.0.0.0/33" is no network; it takes networks, as 192.0.2.0/24'
    ),
    "network by name": Mistake(
        "",
        "filter-rdns -N mail.example.org",
        "-N: mail.example.org: No such file or directory; it takes networks, as 192.0.2.0/24",
    ),
    "network of a host": Mistake(
        "", "filter-rdns -N 192.0.2.1/24", '-N: "192.0.2.1/24" is no network: it has host bits set; it takes'
    ),
    "unknown option": Mistake("", "filter-rdns -Q", "option -Q not recognized"),
    "unknown option of a member": Mistake(
        "printf 'rdns\\n# two\\ndyndns -Q\\n' >f",
        CHAIN,
        "HERE/f:3: dyndns: option -Q not recognized; see filter-dyndns(8)",
    ),
    "policy of no kind": Mistake("", "filter-rdns -F maybe", "-F takes accept, tempfail or reject, not 'maybe'"),
    "seconds of no kind": Mistake("", "filter-rdns -T long", "-T takes seconds, above 0 and at most 280, not 'long'"),
    "score of no kind": Mistake(
        "", "filter-spamassassin -r ten", "-r takes a score like 15 or 9.5, or file:map, not 'ten'"
    ),
    "port of no kind": Mistake(
        "", "filter-clamav -a localhost:clamd", "-a: not a port between 1 and 65535: localhost:clamd"
    ),
    "spamd's -4": Mistake(
        "",
        "filter-greylist -4 -G 25:4:864",
        "-4 is spamd's: trapped clients get 450 unless -5 is given; see docs/migrating.md",
    ),
    "spamd's -y": Mistake(
        "",
        "filter-greylist -y em0",
        "-y is spamd's: hosts share one store, with -f redis://host; see docs/migrating.md",
    ),
    "spamd's -n": Mistake(
        "",
        "filter-greylist -n Sendmail",
        "-n takes no name, it only observes: smtpd has the banner; see docs/migrating.md",
    ),
    "spamd's -S in a chain": Mistake(
        "echo 'greylist -S 10' >f",
        CHAIN,
        "HERE/f:1: greylist: -S is spamd's: nobody is stuttered at; see docs/migrating.md",
    ),
    "store's folder missing": Mistake(
        "", "filter-greylist -f HERE/d/g.db", "HERE/d is no directory: make it, owned by the user the filter runs as"
    ),
    "store's folder of root": Mistake(
        "mkdir -m 755 d",
        "filter-greylist -f HERE/d/g.db",
        "HERE/d cannot be written by _mailfilter: chown -R _mailfilter HERE/d",
    ),
    "store's folder closed to its owner": Mistake(
        "mkdir -m 500 d; chown _mailfilter d",
        "filter-greylist -f HERE/d/g.db",
        "HERE/d cannot be written by its owner: chmod u+rwX HERE/d",
    ),
    "store on a read-only disk": Mistake(
        "", "filter-greylist -f /usr/g.db", "/usr is on a file system that is mounted read-only: name another place"
    ),
    "password in a command": Mistake(
        "",
        "filter-greylist -f redis://:secret@127.0.0.1",
        "no password in the command line; put the URL in a file: -f file:/path",
    ),
    "quarantine missing": Mistake(
        "", "filter-clamav -q HERE/q", "HERE/q: No such file or directory: make it, or mend its name", "_mailscan"
    ),
    "quarantine of root": Mistake(
        "mkdir -m 700 q",
        "filter-clamav -q HERE/q",
        "HERE/q cannot be read by _mailscan: chown _mailscan HERE/q",
        "_mailscan",
    ),
    "quarantine open to others": Mistake(
        "mkdir -m 755 q; chown _mailscan q",
        "filter-clamav -q HERE/q",
        "HERE/q: mode is 0755, others could look or write into it: chmod 700",
        "_mailscan",
    ),
    "exemption misspelt": Mistake(
        "printf '192.0.2.1\\nfriend@\\n' >w",
        "filter-rdns -W HERE/w",
        'HERE/w:2: "friend@" is neither an address nor a network, nor host:, from:, to: or dkim:',
    ),
    "chain empty": Mistake(": >f", CHAIN, "HERE/f: there is no member in it: write one a line, as 'rdns -f'"),
    "chain with a stranger": Mistake(
        "printf 'rdns\\ngraylist\\n' >f", CHAIN, "HERE/f:2: graylist is no member: there are rdns, dyndns,"
    ),
    "member twice": Mistake(
        "printf 'rdns\\nrdns\\n' >f",
        CHAIN,
        "HERE/f:2: rdns is there already, in HERE/f:1: write a name, as 'second: rdns'",
    ),
    "name twice": Mistake(
        "printf 'a: rdns\\na: dyndns\\n' >f",
        CHAIN,
        "HERE/f:2: a is there already, in HERE/f:1: write a name, as 'second: dyndns'",
    ),
    "signed before it is changed": Mistake(
        "echo 'a.example s HERE/k' >t; printf 'dkimsign -K HERE/t\\nspamassassin\\n' >f",
        CHAIN,
        "HERE/f:2: spamassassin may change what dkimsign signed before it: put dkimsign last",
    ),
    "quote open in a chain": Mistake(
        "echo 'rdns -r \"no name' >f", CHAIN, 'HERE/f:1: " is not closed: quotes come in pairs'
    ),
    "chain file closed": Mistake(
        "echo rdns >f; chmod 600 f", CHAIN, "HERE/f cannot be read by _mailfilter: chown _mailfilter HERE/f"
    ),
    "control socket nowhere": Mistake(
        "",
        "filter-rdns -C HERE/d/x.sock",
        "-C HERE/d/x.sock: there is no directory HERE/d: make it for the filter's user",
    ),
    "lists.conf missing": Mistake(
        "", "filter-lists -c HERE/l", "HERE/l: No such file or directory: make it, or mend its name"
    ),
    "no list to ask": Mistake("", "filter-dnsbl", "no list to ask: name one with -b, or a file of them with -f"),
    "a list that has ended": Mistake(
        "", "filter-dnsbl -b dnsbl.sorbs.net", "dnsbl.sorbs.net has ended: ask it no more"
    ),
    "a shell's words": Mistake("", "filter-rdns; reboot", "; outside quotes is the shell's"),
}


@pytest.fixture(scope="module")
def smtpd(newest: str) -> Iterator[Smtpd]:
    with Smtpd(newest, LISTEN, port=None) as made:
        code, said = made.room.run(
            ["sh", "-c", f"{USERS}; mkdir /mnt/key; {FILTERCTL} dkim keygen -d a.example -s s /mnt/key/k"]
        )
        assert code == 0, said
        yield made


def test_more_than_forty() -> None:
    assert len(MISTAKES) > 40


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_the_place_and_the_remedy_are_told(smtpd: Smtpd, mistake: Mistake) -> None:
    def here(text: str) -> str:
        return text.replace("HERE", "/mnt/here")

    code, said = smtpd.room.run(["sh", "-c", here(f"{FOLDER}; {mistake.before}")])
    assert code == 0, said
    line = f'filter "x" proc-exec "{here(mistake.command)}" user "{mistake.user}"\nlisten on lo filter "x"\n'
    smtpd.room.write(CONF, line + LISTEN, 0o600)
    _, said = smtpd.room.run([FILTERCTL, "check", CONF])
    told = [each for each in said.splitlines() if each.startswith(f"{CONF}:1: ") and ": ok: " not in each]
    assert any(here(mistake.told) in each for each in told), said
    assert len(told) == len(set(told)), said
