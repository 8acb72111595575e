"""filter-rdns played in memory: options, phases, who is never refused, and that nothing is asked twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.errors import ConfigError, UsageError
from filter_api.net.dns import Record, Resolver, Status
from filter_api.testing import FakeZone, Player, Slow
from filter_rdns.__main__ import ReverseDns, build

Zone = Mapping[tuple[str, str], Sequence[Record] | Status | Slow]

GOOD, BARE, LITERAL, LIAR, DOWN, HALF, LONG = (f"192.0.2.{n}" for n in range(1, 8))
LONG_NAME = "a-very-long-name-of-a-mail-server-somewhere-in-a-rack-in-a-hall.of.example"

ZONE: Zone = {
    (GOOD, "PTR"): ["mx.example.org"],
    ("mx.example.org", "A"): [GOOD],
    (LITERAL, "PTR"): [LITERAL],
    (LIAR, "PTR"): ["www.example.org"],
    ("www.example.org", "A"): ["198.51.100.1"],
    (DOWN, "PTR"): Status.TEMPFAIL,
    (HALF, "PTR"): ["half.example"],
    ("half.example", "A"): Status.TEMPFAIL,
    (LONG, "PTR"): [LONG_NAME],
    (LONG_NAME, "A"): [LONG],
    ("example.net", "MX"): [(10, "mail.example.net")],
    ("null.example", "MX"): [(0, ".")],
    ("broken.example", "MX"): Status.TEMPFAIL,
}


def player(*arguments: str, zone: Zone = ZONE) -> tuple[Player, FakeZone]:
    backend = FakeZone(zone)
    return Player(build(list(arguments), Resolver(backend=backend))), backend


def refusal(
    *arguments: str, address: str, rdns: str | None, fcrdns: str = "fail", zone: Zone = ZONE
) -> tuple[str, str]:
    """The first word and reply that is not proceed, and the phase does not matter."""
    smtpd, _ = player(*arguments, zone=zone)
    with smtpd:
        client = smtpd.connect(address, rdns=rdns, fcrdns=fcrdns)
        for step in (client.helo, client.mail_from, client.rcpt_to):
            if client.verdict == "proceed":
                step()
        return client.verdict, client.reply


REPLIES = {
    "": "",
    "none": "550 5.7.25 no reverse DNS for {}",
    "literal": "550 5.7.25 reverse DNS of {} is no name",
    "mismatch": "550 5.7.25 reverse DNS of {} does not lead back to it",
    "doubt": "451 4.7.25 reverse DNS of {} cannot be looked up, try again later",
}
NO_PTR = REPLIES["none"].format(BARE)


@pytest.mark.parametrize(
    ("address", "rdns", "fcrdns", "plain", "forward"),
    [
        (GOOD, "mx.example.org", "pass", "", ""),
        (GOOD, "mx.example.org", "fail", "", ""),  # smtpd's fail is not believed
        (GOOD, None, "fail", "", ""),  # nor is its <unknown>
        (GOOD, None, "error", "", ""),
        (BARE, None, "fail", "none", "none"),
        (BARE, "mx.example.org", "pass", "", ""),  # its pass is
        (LITERAL, LITERAL, "pass", "literal", "literal"),
        (GOOD, GOOD, "pass", "", ""),  # an old answer in smtpd's cache
        (LIAR, "www.example.org", "fail", "", "mismatch"),
        (DOWN, None, "fail", "doubt", "doubt"),
        (DOWN, "mx.example.org", "fail", "", "doubt"),
        (HALF, "half.example", "fail", "", "doubt"),
        (LONG, LONG_NAME[:64], "fail", "", ""),
        ("2001:db8::1", None, "fail", "none", "none"),
    ],
)
def test_clients(address: str, rdns: str | None, fcrdns: str, plain: str, forward: str) -> None:
    for arguments, word in (((), plain), (("-f",), forward)):
        reply = REPLIES[word].format(address)
        found = refusal(*arguments, address=address, rdns=rdns, fcrdns=fcrdns)
        assert found == ("reject" if reply else "proceed", reply)


@pytest.mark.parametrize(
    ("phase", "verdict", "steps"), [("connect", "disconnect", 0), ("mail-from", "reject", 2), ("rcpt-to", "reject", 3)]
)
def test_phases(phase: str, verdict: str, steps: int) -> None:
    smtpd, _ = player("-p", phase)
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        for step in (client.helo, client.mail_from, client.rcpt_to)[:steps]:
            assert client.verdict == "proceed"
            step()
        assert (client.verdict, client.reply) == (verdict, NO_PTR)


def test_the_default_phase_is_mail_from() -> None:
    assert build([]).phases() == ["mail-from"]
    assert build(["-p", "connect"]).phases() == ["connect"]
    assert build(["-H", "-p", "connect"]).phases() == ["connect", "mail-from"]
    assert build(["-p", "rcpt-to"]).phases() == ["mail-from", "rcpt-to"]


def test_nothing_is_asked_for_a_client_that_smtpd_confirmed() -> None:
    smtpd, zone = player("-f")
    with smtpd:
        assert smtpd.connect(GOOD).mail_from().ok
        assert zone.asked == []


def test_without_f_a_name_is_enough_and_nothing_is_asked() -> None:
    smtpd, zone = player()
    with smtpd:
        assert smtpd.connect(LIAR, rdns="www.example.org", fcrdns="fail").mail_from().ok
        assert zone.asked == []


@pytest.mark.parametrize(("address", "questions"), [(GOOD, 2), (BARE, 1), (DOWN, 1), (LIAR, 2)])
def test_a_client_is_looked_up_once_a_session(address: str, questions: int) -> None:
    smtpd, zone = player("-f", "-p", "rcpt-to", "-F", "accept")
    zone.ttl = 0
    with smtpd:
        client = smtpd.connect(address, rdns=None, fcrdns="fail")
        for _ in range(3):
            client.mail_from()
            for _ in range(3):
                client.rcpt_to()
            client.rset()
            smtpd.advance(20)
        assert len(zone.asked) == questions


def test_a_sender_is_looked_up_once_a_transaction() -> None:
    smtpd, zone = player("-S", "-p", "rcpt-to")
    zone.ttl = 0
    with smtpd:
        client = smtpd.connect(GOOD)
        for _ in range(2):
            client.mail_from("joe@example.net")
            for _ in range(3):
                assert client.rcpt_to().ok
            client.rset()
    assert zone.asked == [("example.net", "MX")] * 2


# --- who is never refused ------------------------------------------------------------------------------------------

EVERYTHING = ("-f", "-H", "-S")


@pytest.mark.parametrize("address", ["unix", "127.0.0.1", "127.8.8.8", "::1"])
@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
def test_our_own_clients(address: str, phase: str) -> None:
    smtpd, zone = player(*EVERYTHING, "-p", phase)
    with smtpd:
        client = smtpd.connect(address, rdns=None, fcrdns="fail")
        assert client.verdict == "proceed"
        assert client.helo("localhost").ok
        assert client.mail_from("root").ok
        assert client.rcpt_to().ok
    assert zone.asked == []


def test_networks_of_ours() -> None:
    assert refusal("-N", "192.0.2.0/24", address=BARE, rdns=None) == ("proceed", "")
    assert refusal("-N", "198.51.100.0/24", address=BARE, rdns=None)[0] == "reject"


@pytest.mark.parametrize(("phase", "verdict"), [("mail-from", "proceed"), ("rcpt-to", "proceed")])
def test_who_has_authenticated(phase: str, verdict: str) -> None:
    smtpd, _ = player(*EVERYTHING, "-p", phase)
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        client.helo("laptop")
        client.auth("alice")
        client.mail_from("alice@gone.example")
        assert client.verdict == verdict
        client.rcpt_to()
        assert client.verdict == verdict


def test_a_failed_authentication_does_not_help() -> None:
    smtpd, _ = player()
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        client.auth("alice", "fail")
        assert client.mail_from().reply == NO_PTR


@pytest.mark.parametrize(
    ("entry", "fcrdns", "exempt"),
    [
        (LIAR, "fail", True),
        ("192.0.2.0/24", "fail", True),
        ("2001:db8::/32", "fail", False),
        ("host:www.example.org", "fail", False),  # whoever owns an address can give it any name
    ],
)
def test_exempt_clients(tmp_path: Path, entry: str, fcrdns: str, exempt: bool) -> None:
    file = tmp_path / "exempt"
    file.write_text(f"{entry}\n")
    found = refusal("-f", "-W", str(file), address=LIAR, rdns="www.example.org", fcrdns=fcrdns)
    assert found[0] == ("proceed" if exempt else "reject")


def test_a_confirmed_name_is_exempt_from_the_other_checks(tmp_path: Path) -> None:
    file = tmp_path / "exempt"
    file.write_text("host:mx.example.org\n")
    smtpd, _ = player("-HS", "-W", str(file))
    with smtpd:
        for name, verdict in (("mx.example.org", "proceed"), ("other.example", "reject")):
            client = smtpd.connect(GOOD, rdns=name)
            client.helo("bare")
            assert client.mail_from("joe@gone.example").verdict == verdict


@pytest.mark.parametrize("recipient", ["postmaster@example.org", "Postmaster", "ABUSE@example.org"])
def test_somebody_always_hears_everybody(recipient: str) -> None:
    smtpd, zone = player(*EVERYTHING, "-p", "rcpt-to")
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        client.helo("bare")
        client.mail_from("joe@gone.example")
        assert client.rcpt_to(recipient).ok
        assert zone.asked == []
        assert not client.rcpt_to("joe@example.org").ok


def test_exempt_recipients(tmp_path: Path) -> None:
    file = tmp_path / "exempt"
    file.write_text("to:joe@example.org\n")
    smtpd, _ = player("-p", "rcpt-to", "-W", str(file))
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        client.mail_from()
        assert client.rcpt_to("joe@example.org").ok
        assert client.rcpt_to("jane@example.org").reply == NO_PTR


@pytest.mark.parametrize("arguments", [[], ["-p", "connect"], ["-m", "-p", "rcpt-to"]])
def test_recipients_are_not_known_before_rcpt_to(tmp_path: Path, arguments: list[str]) -> None:
    file = tmp_path / "exempt"
    file.write_text("192.0.2.1\nto:joe@example.org\n")
    with pytest.raises(ConfigError, match=r"exempt:2: "):
        build([*arguments, "-W", str(file)])


# --- marks, texts, observing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
def test_marks_are_made_at_mail_from(phase: str) -> None:
    smtpd, _ = player("-m", "-p", phase)
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        assert client.verdict == "proceed"
        assert client.mail_from().verdict == "junk"
        assert client.rcpt_to().verdict == "proceed"
        assert not smtpd.connect(DOWN, rdns=None, fcrdns="fail").mail_from().ok


def test_a_text_of_the_operator() -> None:
    assert refusal("-r", "no name, no mail", address=BARE, rdns=None) == ("reject", "550 5.7.25 no name, no mail")
    assert refusal("-r", "no name", address=DOWN, rdns=None)[1].endswith("cannot be looked up, try again later")


def test_observing_refuses_nobody_and_tells_everything() -> None:
    smtpd, _ = player("-n")
    with smtpd:
        assert smtpd.connect(BARE, rdns=None, fcrdns="fail").mail_from().ok
        assert len(smtpd.log) == 1
        assert " action=observe-reject " in smtpd.log[0]


# --- doubt ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "verdict", "reply"),
    [
        ("accept", "proceed", ""),
        ("tempfail", "reject", "451 4.7.25 reverse DNS of 192.0.2.5 cannot be looked up, try again later"),
        ("reject", "reject", "550 5.7.25 reverse DNS of 192.0.2.5 cannot be looked up"),
    ],
)
def test_doubt(policy: str, verdict: str, reply: str) -> None:
    assert refusal("-F", policy, address=DOWN, rdns=None) == (verdict, reply)


def test_doubt_that_is_accepted_is_logged() -> None:
    smtpd, _ = player("-F", "accept")
    with smtpd:
        smtpd.connect(DOWN, rdns=None, fcrdns="fail").mail_from()
        assert len(smtpd.log) == 1
        assert " mail-from action=proceed reason=dns why=" in smtpd.log[0]


@pytest.mark.parametrize(("arguments", "seconds"), [((), 5.0), (("-T", "2"), 1.8), (("-T", "60"), 5.0)])
def test_a_decision_does_not_take_long(arguments: tuple[str, ...], seconds: float) -> None:
    zone: Zone = {(BARE, "PTR"): Slow(4.9, ["mx.example"]), ("mx.example", "A"): Slow(4.9, [BARE])}
    smtpd, _ = player("-f", "-S", *arguments, zone=zone)
    with smtpd:
        began = smtpd.loop.time()
        reply = smtpd.connect(BARE, rdns=None, fcrdns="fail").mail_from().reply
        assert reply.startswith("451 4.7.25 reverse DNS of")
        assert seconds - 0.1 <= smtpd.loop.time() - began <= seconds + 0.1


# --- HELO and sender -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
def test_helo_is_answered_at_mail_from_at_the_earliest(phase: str) -> None:
    smtpd, _ = player("-H", "-p", phase)
    with smtpd:
        client = smtpd.connect(GOOD)
        assert client.helo("bare").ok
        client.mail_from()
        if phase == "rcpt-to":
            assert client.verdict == "proceed"
            client.rcpt_to()
        assert (client.verdict, client.reply) == ("reject", "550 5.7.1 HELO needs a full host name")


@pytest.mark.parametrize(
    ("identity", "reply"),
    [
        ("mail.example.net", ""),
        ("mx.example.org", "550 5.7.1 HELO with our own name"),  # as the Player's smtpd greets
        (f"[{GOOD}]", ""),
        (f"[{BARE}]", "550 5.7.1 HELO with an address that is not yours"),
    ],
)
def test_helo(identity: str, reply: str) -> None:
    smtpd, _ = player("-H")
    with smtpd:
        client = smtpd.connect(GOOD)
        client.helo(identity)
        assert client.mail_from().reply == reply


def test_without_h_any_helo_will_do() -> None:
    smtpd, _ = player()
    with smtpd:
        client = smtpd.connect(GOOD)
        client.helo("bare")
        assert client.mail_from().ok


def test_a_helo_given_anew_is_judged_anew() -> None:
    smtpd, _ = player("-H")
    with smtpd:
        client = smtpd.connect(GOOD)
        client.helo("bare")
        assert not client.mail_from().ok
        client.starttls()
        client.helo("mail.example.net")
        assert client.mail_from().ok
        client.rset()
        client.helo("bare")
        assert not client.mail_from().ok


def test_our_name_is_the_admd_where_the_greeting_was_not_seen() -> None:
    handshake = [b"config|smtpd-version|7.8.0", b"config|admd|admd.example", b"config|ready"]
    with Player(build(["-H"], Resolver(backend=FakeZone(ZONE))), handshake=handshake) as smtpd:
        for greeted, reply in ((b"", "550 5.7.1 HELO with our own name"), (b"other.example", "")):
            client = smtpd.connect(GOOD)
            client.report("link-greeting", greeted)
            client.helo("admd.example")
            assert client.mail_from().reply == reply


@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
@pytest.mark.parametrize(
    ("sender", "reply"),
    [
        ("", ""),
        ("joe@example.net", ""),
        ("joe@null.example", "550 5.7.27 the sender's domain accepts no mail"),
        ("joe@gone.example", "550 5.1.8 the sender's domain does not exist"),
        ("joe@www.example.org", ""),
        ("joe@of.example", "550 5.1.8 the sender's domain has no mail server"),
        ("joe@broken.example", "451 4.1.8 the sender's domain cannot be looked up, try again later"),
        ("j" * 300 + "@gone.example", "550 5.1.8 the sender's domain does not exist"),
    ],
)
def test_sender(phase: str, sender: str, reply: str) -> None:
    smtpd, _ = player("-S", "-p", phase)
    with smtpd:
        client = smtpd.connect(GOOD)
        client.helo()
        client.mail_from(sender)
        if phase == "rcpt-to":
            assert client.verdict == "proceed"
            client.rcpt_to()
        assert (client.verdict, client.reply) == ("reject" if reply else "proceed", reply)


def test_the_client_is_judged_before_its_sender() -> None:
    smtpd, zone = player("-S")
    with smtpd:
        assert smtpd.connect(BARE, rdns=None, fcrdns="fail").mail_from("joe@gone.example").reply == NO_PTR
        assert [kind for _, kind in zone.asked] == ["PTR"]


# --- the log -------------------------------------------------------------------------------------------------------


def test_the_line_of_a_refusal() -> None:
    smtpd, _ = player("-f")
    with smtpd:
        client = smtpd.connect(LIAR, rdns=b"www.example.org", fcrdns="fail")
        client.helo("liar.example")
        client.mail_from("joe@example.net")
        assert smtpd.log == [
            client.id.decode() + ' mail-from action=reject reply="550 5.7.25 reverse DNS of 192.0.2.4 does not lead'
            ' back to it" reason=mismatch ptr=www.example.org client=192.0.2.4 rdns=www.example.org helo=liar.example'
            " from=<joe@example.net>"
        ]


def test_verbose_tells_why_somebody_was_let_through() -> None:
    smtpd, _ = player("-fv")
    with smtpd:
        smtpd.connect(GOOD, rdns=None, fcrdns="fail").mail_from()
        assert [line.split(" ", 1)[1] for line in smtpd.log] == [
            'looked-up finding=confirmed ptr=mx.example.org why=""'
        ]


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["-p", "data"], ["-r", ""], ["-r", "a\nb"], ["-x"], ["extra"], ["-F", "maybe"]])
def test_a_bad_command_line(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        build(arguments)


WORD = st.binary(max_size=40).filter(lambda word: b"\n" not in word and b"\0" not in word and b"|" not in word)


@given(rdns=WORD, fcrdns=st.sampled_from(["pass", "fail", "error", ""]), helo=WORD, sender=WORD)
@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
def test_whatever_clients_say_every_question_gets_one_answer(
    phase: str, rdns: bytes, fcrdns: str, helo: bytes, sender: bytes
) -> None:
    smtpd, _ = player("-fHSv", "-p", phase)
    with smtpd:
        client = smtpd.connect(BARE, rdns=rdns, fcrdns=fcrdns)
        if client.verdict == "proceed":
            client.helo(helo)
            client.mail_from(sender)
            client.rcpt_to(sender)
    assert isinstance(smtpd.filter, ReverseDns)
    assert all(line.isascii() and line.isprintable() for line in smtpd.log)
