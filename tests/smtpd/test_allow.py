"""filterctl allow and deny beside a running smtpd: the filters that run heed them, without a restart or a signal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from filter_api.confinement import system
from filter_api.files.reloading import LOOK_INTERVAL
from tests.smtpd.dialog import refusal_or_last
from tools.private_smtpd import Smtpd
from tools.private_smtpd.namespace import wait_until

FILTERCTL = "/usr/libexec/opensmtpd/filterctl"
NAMELESS, NAMED = "192.0.2.66", "192.0.2.10"
ZONE = {NAMED: "mx1.example.net", "mx1.example.net": [f"A {NAMED}"]}
CONFINED = "demand" if len(system.offer().parts) > 1 else "try"
"""As hard as the kernel can: then smtpd does not start with a filter that is not confined."""

CONFIG = f"""
table liars file:/etc/mail/liars
table none file:/etc/mail/none
table names file:/etc/mail/names
filter "liars" phase mail-from match mail-from <liars> reject "550 5.7.1 not you"
filter "none" phase connect match src <none> disconnect "550 5.7.1 no"
filter "judges" proc-exec "filter-chain -Z {CONFINED} -W /etc/mail/exempt lists -5 -d /etc -- rdns -f" user "opensmtpd"
filter "names" phase connect match rdns <names> disconnect "550 5.7.1 no such name"
filter "both" chain {{ "liars", "none", "names", "judges" }}
listen on 0.0.0.0 filter "both"
action "local" maildir
match from any for domain "example.org" action "local"
"""
FILES: dict[str, str | bytes] = {
    "/etc/mail/exempt": "# whom nobody here turns away\n",
    "/etc/mail/blacklist": "# whom nobody wants\n",
    "/etc/mail/lists.conf": "mine black file:/etc/mail/blacklist\norder mine\n",
    "/etc/mail/liars": "nobody@nowhere.example\n",
    "/etc/mail/none": "# nobody\n",
    "/etc/mail/names": "# @list\n",
}
SECONDS = 10
"""Filters look once a second; more only where the machine is busy."""


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with Smtpd(version, CONFIG, files=FILES, zone=ZONE) as daemon:
        yield daemon
        assert daemon.alive(), daemon.log()


def filterctl(smtpd: Smtpd, *words: str) -> str:
    status, told = smtpd.room.run([FILTERCTL, *words])
    assert status == 0, told
    return told


def answers(smtpd: Smtpd, address: str, reply: str) -> Callable[[], bool]:
    return lambda: refusal_or_last(smtpd, 25, address).startswith(reply)


def test_a_confined_filter_sees_each_change_at_its_next_look(smtpd: Smtpd) -> None:
    """Each change is a new file, which Landlock would keep from a filter that may read only the old one.

    A second after the change the filter looks at its next client, so the very first answer has to be the new one.
    """
    for words, reply in (
        (["allow", "-t", "1", NAMELESS], "250"),
        (["allow", "-d", NAMELESS], "550 5.7.25"),
        (["deny", NAMED], "550 5.7.1"),
        (["deny", "-d", NAMED], "250"),
    ):
        filterctl(smtpd, *words)
        time.sleep(LOOK_INTERVAL + 0.1)
        assert answers(smtpd, words[-1], reply)(), words


def test_who_is_allowed_is_let_in_and_no_longer_when_the_entry_is_gone(smtpd: Smtpd) -> None:
    assert answers(smtpd, NAMELESS, "550 5.7.25")()
    told = filterctl(smtpd, "allow", "-c", "their PTR comes on Monday", "-t", "3", NAMELESS)
    assert "heeded by judges: lists (/etc/smtpd.conf:7), judges: rdns (/etc/smtpd.conf:7)" in told
    wait_until(answers(smtpd, NAMELESS, "250"), SECONDS, "the entry is not seen")
    assert "their PTR comes on Monday" in filterctl(smtpd, "allow", "-l")
    filterctl(smtpd, "allow", "-d", NAMELESS)
    wait_until(answers(smtpd, NAMELESS, "550 5.7.25"), SECONDS, "the end of the entry is not seen")


def test_who_is_denied_is_refused_and_no_longer_when_the_entry_is_gone(smtpd: Smtpd) -> None:
    assert answers(smtpd, NAMED, "250")()
    filterctl(smtpd, "deny", "192.0.2.0/28")
    wait_until(answers(smtpd, NAMED, "550 5.7.1"), SECONDS, "the entry is not seen")
    filterctl(smtpd, "deny", "-d", "192.0.2.0/28")
    wait_until(answers(smtpd, NAMED, "250"), SECONDS, "the end of the entry is not seen")


def test_a_denied_sender_is_refused_once_smtpd_has_read_its_table(smtpd: Smtpd) -> None:
    def answer() -> str:
        with smtpd.client(NAMED) as client:
            client.ehlo("mx1.example.net")
            return client.mail_from("spam@bad.example").text

    assert "not you" not in answer()
    told = filterctl(smtpd, "deny", "-c", "lies", "from:bad.example")
    command = told.splitlines()[-1].split()
    assert command == ["smtpctl", "update", "table", "liars"]
    status, said = smtpd.room.run(command)
    assert status == 0, said
    wait_until(lambda: "not you" in answer(), SECONDS, "smtpd does not refuse the sender")


def test_names_below_a_domain_are_denied_and_the_domain_itself(smtpd: Smtpd) -> None:
    def says(sender: str) -> bool:
        with smtpd.client(NAMED) as client:
            client.ehlo("mx1.example.net")
            return "not you" in client.mail_from(sender).text

    for what in ("from:.lies.example", "from:liar@"):
        filterctl(smtpd, "deny", what)
    assert smtpd.room.run(["smtpctl", "update", "table", "liars"])[0] == 0
    wait_until(lambda: says("a@lies.example"), SECONDS, "smtpd does not refuse the sender")
    assert says("a@deep.lies.example")
    assert says("liar@anywhere.example")
    assert not says("a@otherlies.example")


@pytest.mark.parametrize("what", ["host:.example.net", "host:mx1.example.net"])
def test_a_denied_name_is_refused(smtpd: Smtpd, what: str) -> None:
    def refused() -> bool:
        with smtpd.client(NAMED) as client:
            return client.banner is not None and client.banner.text == "5.7.1 no such name"

    filterctl(smtpd, "deny", what)
    try:
        assert smtpd.room.run(["smtpctl", "update", "table", "names"])[0] == 0
        wait_until(refused, SECONDS, "smtpd does not refuse the name")
    finally:
        filterctl(smtpd, "deny", "-d", what)
        assert smtpd.room.run(["smtpctl", "update", "table", "names"])[0] == 0
    wait_until(answers(smtpd, NAMED, "250"), SECONDS, "smtpd still refuses the name")


def test_an_empty_table_is_a_list_from_the_next_start_on(smtpd: Smtpd) -> None:
    """smtpd takes an empty file for a map, and refuses entries then; with the line `# @list` it does not."""
    smtpd.room.write("/etc/mail/lists.conf", "order\n")
    update = ["smtpctl", "update", "table", "none"]
    try:
        told = filterctl(smtpd, "deny", "-f", "/etc/smtpd.conf", "198.51.100.0/24")
    finally:
        smtpd.room.write("/etc/mail/lists.conf", FILES["/etc/mail/lists.conf"])
    assert "the table was empty: if that fails, restart smtpd" in told
    assert smtpd.room.run(update)[0] == 1
    smtpd.restart()
    filterctl(smtpd, "deny", "-d", "198.51.100.0/24")
    assert smtpd.room.run(update)[0] == 0
    smtpd.restart()
    smtpd.room.write("/etc/mail/none", smtpd.room.path("/etc/mail/none").read_text() + "198.51.100.0/24\n")
    assert smtpd.room.run(update)[0] == 0


@pytest.mark.parametrize("address", [NAMED, NAMELESS, "192.0.2.77"])
def test_explain_says_what_the_running_filters_say(smtpd: Smtpd, address: str) -> None:
    smtpd.room.write("/etc/mail/blacklist", "192.0.2.77\n")
    wait_until(answers(smtpd, "192.0.2.77", "550 5.7.1"), SECONDS, "the black list is not seen")
    status, told = smtpd.room.run([FILTERCTL, "explain", address, "a@example.net", "bob@example.org"])
    *_, outcome = told.splitlines()
    reply = refusal_or_last(smtpd, 25, address)
    if reply.startswith("250"):
        assert (status, outcome.split()[1]) == (0, "accepted")
    else:
        assert status == 1
        assert outcome.partition("judges: ")[2].partition(": ")[2] == reply
