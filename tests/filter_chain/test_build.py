"""What filter-chain makes of its members, and what it refuses before it registers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from filter_api.errors import ConfigError, UsageError
from filter_api.runtime.main import Chain
from filter_api.testing import Player
from filter_chain.filter import MEMBERS, build

ROOT = Path(__file__).resolve().parents[2]


def chain(tmp_path: Path, *lines: str, options: Sequence[str] = ()) -> Chain:
    path = tmp_path / "filters"
    path.write_text("".join(f"{line}\n" for line in lines))
    return build([*options, "-f", str(path)])


def refused(tmp_path: Path, *lines: str, options: Sequence[str] = ()) -> str:
    with pytest.raises(ConfigError) as raised:
        chain(tmp_path, *lines, options=options)
    return str(raised.value).replace(f"{tmp_path}/", "")


def test_the_control_socket_is_that_of_the_process_and_members_know_their_own_words(tmp_path: Path) -> None:
    made = chain(tmp_path, "rdns -f", options=["-C", "/run/x.sock", "-n"])
    assert made.options.control == "/run/x.sock"
    assert made.members["rdns"].options.control is None
    assert made.members["rdns"].options.given == ("-n", "-f")


def test_members_are_asked_in_the_order_of_the_file_each_with_its_own_options(tmp_path: Path) -> None:
    made = chain(tmp_path, "dyndns -F reject", "rdns -n", "second: rdns -T 3 -v")
    assert list(made.members) == ["dyndns", "rdns", "second"]
    assert [each.name for each in made.members.values()] == ["filter-dyndns", "filter-rdns", "filter-rdns"]
    assert [each.failure.value for each in made.members.values()] == ["reject", "tempfail", "tempfail"]
    assert [each.options.observe for each in made.members.values()] == [False, True, False]
    assert [each.options.timeout for each in made.members.values()] == [None, None, 3.0]
    assert [each.options.verbose for each in made.members.values()] == [False, False, True]
    assert (made.program, made.beside, made.options.observe) == ("filter-chain", False, False)


def test_every_filter_of_the_suite_can_be_a_member() -> None:
    others = {path.name.removeprefix("filter_") for path in (ROOT / "filters").glob("filter_*")} - {"chain"}
    assert set(MEMBERS) == others


def test_networks_and_exemptions_given_once_hold_for_all_and_a_members_own_come_on_top(tmp_path: Path) -> None:
    (tmp_path / "all").write_text("192.0.2.1\n")
    (tmp_path / "own").write_text("192.0.2.2\nto:bob@example.org\n")
    options = ["-N", "198.51.100.0/24", "-W", str(tmp_path / "all")]
    made = chain(tmp_path, "dyndns", f"rdns -p rcpt-to -W {tmp_path / 'own'} -N 203.0.113.0/24", options=options)
    dyndns, rdns = made.members.values()
    with Player(dict(made.members)) as smtpd:
        opened = smtpd.dispatcher.sessions.open
        one, two = (opened[smtpd.connect(address, rdns=None).id] for address in ("192.0.2.1", "192.0.2.2"))
        assert (dyndns.exempt(one), dyndns.exempt(two)) == (True, False)
        assert (rdns.exempt(one), rdns.exempt(two)) == (True, True)
        ours, theirs = (opened[smtpd.connect(address, rdns=None).id] for address in ("198.51.100.1", "203.0.113.1"))
        assert (dyndns.ours(ours), dyndns.ours(theirs)) == (True, False)
        assert (rdns.ours(ours), rdns.ours(theirs)) == (False, True)


def test_the_exemptions_of_all_are_of_clients_only(tmp_path: Path) -> None:
    (tmp_path / "all").write_text("from:example.org\n")
    assert refused(tmp_path, "rdns", options=["-W", str(tmp_path / "all")]).startswith("all:1: from: cannot be used")


@pytest.mark.parametrize("options", [["-N", ""], ["-N", "", "-n"], ["-n", "-N", "", "-v"], ["-N", "::1", "-N", ""]])
def test_an_empty_list_of_networks_is_one_and_nobody_is_ours_by_address(tmp_path: Path, options: list[str]) -> None:
    made = chain(tmp_path, "dyndns", "rdns", options=options)
    assert all(each.options.observe is ("-n" in options) for each in made.members.values())
    with Player(dict(made.members)) as smtpd:
        session = smtpd.dispatcher.sessions.open[smtpd.connect("::1", rdns=None).id]
        assert not any(each.ours(session) for each in made.members.values())


def test_an_exempt_file_without_a_name_is_told_as_each_filter_tells_it(tmp_path: Path) -> None:
    assert refused(tmp_path, "rdns", options=["-W", ""]) == ": No such file or directory"


def test_observing_is_told_to_each_member_as_a_scanner_must_not_keep_what_it_only_observes(tmp_path: Path) -> None:
    made = chain(tmp_path, "rdns", "clamav", options=["-n"])
    assert made.options.observe
    assert all(each.options.observe for each in made.members.values())


def test_all_members_ask_the_same_resolver_and_remember_spf_together(tmp_path: Path) -> None:
    made = chain(tmp_path, "rdns", "dyndns", f"greylist -f {tmp_path / 'x.db'}", "spamassassin")
    with Player(dict(made.members)):
        resolvers = {id(each.resolver) for each in made.members.values()}  # type: ignore[attr-defined]
        vouching = {id(each.vouching) for each in made.members.values()}  # type: ignore[attr-defined]
    assert len(resolvers) == len(vouching) == 1


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["rdns", "nosuch -x"], "filters:2: nosuch is no member: there are rdns, "),
        (["chain"], "filters:1: chain is no member: there are rdns, "),
        (["../rdns"], "filters:1: ../rdns is no member: "),
        (["rdns -q"], "filters:1: rdns: option -q not recognized; see filter-rdns(8)"),
        (["strict: rdns -p never"], "filters:1: strict: -p takes connect, mail-from or rcpt-to"),
        (["rdns extra"], "filters:1: rdns: unexpected argument: extra; see filter-rdns(8)"),
        (["rdns", "rdns -f"], "filters:2: rdns is there already, in filters:1: write a name, as 'second: rdns'"),
        (["a: rdns", "a: dyndns"], "filters:2: a is there already, in filters:1: "),
        (["rdns -L"], "filters:1: -L is an option of filter-chain itself: write it before the first member"),
        (["rdns -C none"], "filters:1: -C is an option of filter-chain itself: write it before the first member"),
        (["rdns -V"], "filters:1: -V is an option of filter-chain itself: write it before the first member"),
        (["rdns -W /nonexistent"], "filters:1: rdns: /nonexistent: No such file or directory"),
        (["rdns 'x"], "filters:1: ' is not closed"),
    ],
)
def test_what_is_wrong_with_a_member_is_told_with_its_line(tmp_path: Path, lines: list[str], complaint: str) -> None:
    assert refused(tmp_path, *lines).startswith(complaint)


def signer(tmp_path: Path) -> str:
    key = tmp_path / "key"
    if not key.exists():
        keygen = [sys.executable, "-m", "filterctl", "dkim", "keygen", "-d", "example.org", "-s", "x"]
        subprocess.run([*keygen, key], check=True, capture_output=True)
    return f"dkimsign -d example.org -s x -k {key}"


def test_nobody_may_change_a_message_behind_the_signature(tmp_path: Path) -> None:
    complaint = "filters:2: clamav may change what dkimsign signed before it: put dkimsign last"
    assert refused(tmp_path, signer(tmp_path), "clamav") == complaint
    refused(tmp_path, signer(tmp_path), "rdns", f"greylist -x -f {tmp_path / 'x.db'}")


def test_who_changes_nothing_may_stand_behind_the_signature_and_a_second_signer_as_well(tmp_path: Path) -> None:
    made = chain(tmp_path, signer(tmp_path), "rdns", f"greylist -f {tmp_path / 'x.db'}", f"again: {signer(tmp_path)}")
    assert len(made.members) == 4


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "there is no member: name a file with -f, or members behind the options"),
        (["-f", "/dev/null", "rdns"], "the members are in the file of -f or on the command line, not in both: rdns"),
        (["-q", "rdns"], "option -q not recognized"),
        (["-F", "accept", "rdns"], "option -F not recognized"),
        (["rdns", "--", "rdns"], "rdns is there already: write a name, as 'second: rdns'"),
        (["nosuch"], "nosuch is no member: there are rdns, "),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(words: list[str], complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        build(words)
    assert str(raised.value).startswith(complaint)


def test_the_program_ends_with_status_1_before_it_registers_and_shows_how_it_is_used() -> None:
    done = subprocess.run([sys.executable, "-m", "filter_chain", "nosuch"], input=b"", capture_output=True)
    assert done.returncode == 1
    assert done.stdout == b""
    first, second = done.stderr.decode().splitlines()
    assert first.endswith(
        "nosuch is no member: there are rdns, dyndns, lists, dnsbl, greylist, auth, clamav, spamassassin, dkimsign"
    )
    assert second.startswith("usage: filter-chain [-LnpvV] [-C path] [-f file] [-N networks] [-W file] [-Z mode]")


def test_the_program_registers_for_what_its_members_want_and_names_them_in_its_log(tmp_path: Path) -> None:
    """A client without a name, refused by the first member that objects."""
    path = tmp_path / "filters"
    path.write_text("outer: rdns -p connect\ndyndns\n")
    told = [
        "config|smtpd-version|7.6.0",
        "config|protocol|0.7",
        "config|subsystem|smtp-in",
        "config|ready",
        "report|0.7|1.000000|smtp-in|link-connect|aaaaaaaaaaaaaaaa||fail|192.0.2.1:25|192.0.2.9:25",
        "filter|0.7|1.000000|smtp-in|connect|aaaaaaaaaaaaaaaa|bbbbbbbbbbbbbbbb||192.0.2.1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "filter_chain", "-f", path],
        input="".join(f"{line}\n" for line in told),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "register|filter|smtp-in|connect" in done.stdout
    assert "register|filter|smtp-in|mail-from" in done.stdout
    assert "register|filter|smtp-in|data-line" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("filter-result|aaaaaaaaaaaaaaaa|bbbbbbbbbbbbbbbb|disconnect|")
    assert "outer: aaaaaaaaaaaaaaaa connect action=disconnect" in done.stderr
