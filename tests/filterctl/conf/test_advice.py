"""What smtpd takes, the filters take, and still does not do what was meant: told with the remedy, or not told."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterctl.conf.check import Checker
from filterctl.conf.smtpdconf import read

GREYLIST = 'filter "greylist" proc-exec "filter-greylist -o"\n'
SIGN = 'filter "sign" proc-exec "filter-dkimsign -K /etc/mail/dkim/keys"\n'
MAIL = 'filter "mail" proc-exec "filter-chain rdns -- greylist -o -- dkimsign -K /etc/mail/dkim/keys"\n'
MX = 'listen on 192.0.2.25 filter "greylist"\n'
RELAY = 'action "out" relay\n'

UNTAUGHT = "filter greylist: -o learns nothing, as it stands on no listener of our own users and programs"
UNSIGNED = 'is not signed by sign: listen on socket filter "sign"'
STRANGERS = "whom this filter judges as strangers: name them with -N"
PLACEHOLDER = "this srs key stands in examples"


def told(path: Path, lines: str) -> str:
    path /= "smtpd.conf"
    path.write_text(lines)
    checker = Checker(read(str(path)), [])
    list(checker.definitions())
    return "\n".join(f"{each.place.line}: {each.text}" for each in checker.chains() if each.severity == "warning")


@pytest.mark.parametrize(
    "lines",
    [
        GREYLIST + MX,
        GREYLIST + MX + 'listen on 192.0.2.25 port 587 tls-require auth filter "x"\n' + RELAY,
        GREYLIST + MX + 'listen on socket\naction "out" relay filter "greylist"\n',
        GREYLIST + MX + 'filter "x" proc-exec "filter-x"\nlisten on socket filter "x"\n',
        MAIL + 'listen on all filter "mail"\n',
    ],
)
def test_a_greylist_that_cannot_learn(tmp_path: Path, lines: str) -> None:
    assert UNTAUGHT.replace("greylist", "mail" if lines.startswith(MAIL) else "greylist") in told(tmp_path, lines)


@pytest.mark.parametrize(
    "lines",
    [
        GREYLIST.replace(" -o", "") + MX,
        GREYLIST + MX + 'listen on socket filter "greylist"\n',
        GREYLIST + MX + 'listen on 192.0.2.25 port 587 tls-require auth <users> filter { "greylist" }\n',
        GREYLIST + 'listen on 192.0.2.25 tls auth-optional filter "greylist"\n',
        GREYLIST + MX + 'listen on lo0 filter "greylist"\n',
        GREYLIST + MX + 'listen on 127.0.0.1 filter "greylist"\n',
        MAIL + 'listen on all filter "mail"\nlisten on socket filter "mail"\n',
    ],
)
def test_a_greylist_that_learns(tmp_path: Path, lines: str) -> None:
    assert "learns nothing" not in told(tmp_path, lines)


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (SIGN + 'listen on 192.0.2.25 port 587 auth filter "sign"\n', 1),
        (SIGN + 'listen on 192.0.2.25 port 587 auth filter "sign"\nlisten on socket\n', 3),
        (SIGN + GREYLIST + 'listen on lo0 filter "sign"\nlisten on socket filter "greylist"\n', 4),
    ],
)
def test_programs_of_this_host_are_not_signed_for(tmp_path: Path, lines: str, line: int) -> None:
    found = told(tmp_path, lines)
    assert f"{line}: mail of programs on this host (cron, bounces) {UNSIGNED}" in found


@pytest.mark.parametrize(
    "lines",
    [
        SIGN + 'listen on 192.0.2.25 port 587 auth filter "sign"\nlisten on socket filter "sign"\n',
        MAIL + 'listen on all filter "mail"\nlisten on socket filter "mail"\n',
        GREYLIST + MX,
        SIGN + 'action "out" relay filter "sign"\n',
    ],
)
def test_nothing_is_to_be_said_of_signing(tmp_path: Path, lines: str) -> None:
    assert "is not signed" not in told(tmp_path, lines)


RDNS = 'filter "rdns" proc-exec "filter-rdns"\n'
OPEN = 'listen on 192.0.2.25 filter "rdns"\n'


@pytest.mark.parametrize(
    ("lines", "whom"),
    [
        (RDNS + OPEN + RELAY + 'match from src "10.0.0.0/16" for any action "out"\n', "10.0.0.0/16"),
        (RDNS + OPEN + RELAY + 'match from src { "127.0.0.0/8", "10.0.0.0/16" } for any action "out"\n', "10.0.0.0/16"),
        (RDNS + OPEN + RELAY + 'match from src <nets> for any action "out"\n', "<nets>"),
        (MAIL.replace("dkimsign", "rdns") + OPEN.replace("rdns", "mail") + RELAY + 'match from src "10.1.2.3" for any '
         'action "out"\n', "10.1.2.3"),
    ],
)  # fmt: skip
def test_clients_of_ours_that_are_judged_as_strangers(tmp_path: Path, lines: str, whom: str) -> None:
    found = told(tmp_path, lines)
    assert f"smtpd relays for {whom} (" in found
    assert STRANGERS in found


@pytest.mark.parametrize(
    "lines",
    [
        RDNS.replace("rdns\"\n", 'rdns -N 10.0.0.0/16"\n') + OPEN + 'match from src "10.0.0.0/16" for any action "o"\n',
        RDNS + OPEN + 'match ! from src "10.0.0.0/16" for any reject\n',
        RDNS + OPEN + 'match from src "10.0.0.0/16" for any reject\n',
        RDNS + OPEN + 'match from src "127.0.0.0/8" for any action "out"\n',
        RDNS + OPEN + 'match from src "10.0.0.0/16" for domain "example.org" action "in"\n',
        RDNS + OPEN + 'match auth from src "10.0.0.0/16" for any action "out"\n',
        RDNS + OPEN + "match from local for any action out\n",
        RDNS + 'listen on 192.0.2.25 port 587 auth filter "rdns"\nmatch from src "10.0.0.0/16" for any action "out"\n',
        'filter "mail" proc-exec "filter-chain -N 10.0.0.0/16 rdns -- dyndns"\n' + OPEN.replace("rdns", "mail") +
        'match from src "10.0.0.0/16" for any action "out"\n',
    ],
)  # fmt: skip
def test_nothing_is_to_be_said_of_strangers(tmp_path: Path, lines: str) -> None:
    assert STRANGERS not in told(tmp_path, lines)


@pytest.mark.parametrize("key", ["change me: thirty-two random characters", "CHANGEME", "secret", "XXX", "key"])
def test_a_key_that_everybody_knows(tmp_path: Path, key: str) -> None:
    assert f"2: {PLACEHOLDER}" in told(tmp_path, f'\nsrs key "{key}"\n')


@pytest.mark.parametrize("key", ["6f0c3a9be2", "aGVsbG8gd29ybGQ", "our own 32 characters"])
def test_a_key_of_ones_own(tmp_path: Path, key: str) -> None:
    assert PLACEHOLDER not in told(tmp_path, f'srs key "{key}"\nsrs ttl 5\n')


SEAL = 'filter "seal" proc-exec "filter-dkimsign -d example.org -s a -k /etc/mail/key -A /etc/mail/forwarded"\n'
AUTH = 'filter "auth" proc-exec "filter-auth"\n'
UNSEALED = "filter seal: -A seals nothing, as no filter-auth stands before it"


@pytest.mark.parametrize(
    ("lines", "warned"),
    [
        (SEAL + 'listen on all filter "seal"\n', True),
        (SEAL + AUTH + 'listen on all filter { "seal", "auth" }\n', True),
        (SEAL + AUTH + 'listen on all filter "auth"\nlisten on socket filter "seal"\n', True),
        (SEAL + AUTH + 'listen on all filter { "auth", "seal" }\n', False),
        (SEAL + AUTH + 'listen on all filter { "auth", "seal" }\nlisten on socket filter "seal"\n', False),
        (SEAL.replace("filter-dkimsign", "filter-chain auth -- dkimsign") + 'listen on all filter "seal"\n', False),
        (SEAL.replace(" -A /etc/mail/forwarded", "") + 'listen on all filter "seal"\n', False),
    ],
)
def test_seals_want_filter_auth_before_them(tmp_path: Path, lines: str, warned: bool) -> None:
    assert (UNSEALED in told(tmp_path, lines)) is warned
