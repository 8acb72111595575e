"""Whatever a hook does, smtpd lives, this client gets an answer in time, and the next mail is delivered.

One daemon per version runs through all of it: what one fault left behind would show in the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.private_smtpd import Client, Smtpd

CONFIG = """
filter "naughty" proc-exec "naughty -v"
listen on 0.0.0.0 filter "naughty"
action "local" maildir
match from any for domain "example.org" action "local"
"""
SOURCE = Path(__file__).with_name("naughty_filter.py").read_text()
MAIL = b"Subject: x\r\n\r\nhello\r\n"

TEMPFAIL = 451
FAULTS = {
    "print": 250,
    "print-much": 250,
    "write-fd-1": 250,
    "read-fd-0": 250,
    "exit": TEMPFAIL,
    "interrupt": TEMPFAIL,
    "recurse": TEMPFAIL,
    "none": TEMPFAIL,
    "text": TEMPFAIL,
    "verdict": TEMPFAIL,
    "class": TEMPFAIL,
    "exit-in-a-thread": 250,
    "fail-in-a-task": 250,
    "generator": TEMPFAIL,
    "long-reply": TEMPFAIL,
    "two-line-reply": TEMPFAIL,
    "wrong-code": TEMPFAIL,
    "sleep": 250,
    "hang": TEMPFAIL,
    "hang-and-cling": TEMPFAIL,
    "exit-later": TEMPFAIL,
    "none-later": TEMPFAIL,
    "future": TEMPFAIL,
    "report": 250,
    "log-much": 250,
    "log-flood": 250,
}
AT_MESSAGE = {
    "exit": TEMPFAIL,
    "interrupt": TEMPFAIL,
    "recurse": TEMPFAIL,
    "none": TEMPFAIL,
    "text": TEMPFAIL,
    "print": TEMPFAIL,  # a decision where a verdict is wanted
    "hang": TEMPFAIL,
    "hang-and-cling": TEMPFAIL,
    "exit-later": TEMPFAIL,
    "none-later": TEMPFAIL,
    "junk": TEMPFAIL,
    "long-edit": 550,  # 5.6.0: no line that long can be given to smtpd
    "smuggle": TEMPFAIL,
}


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with Smtpd(version, CONFIG, filters={"naughty": SOURCE}) as running:
        yield running


def assert_unharmed(smtpd: Smtpd) -> None:
    """smtpd and the filter live, the lookup process rests, and mail flows."""
    assert smtpd.alive(), smtpd.log()
    assert len(smtpd.filters()) == 1
    delivered = len(smtpd.maildir("carol"))
    with smtpd.client("192.0.2.250") as client:
        assert client.deliver(MAIL, recipient="carol@example.org").code == 250
        client.quit()
    smtpd.wait_mail("carol", delivered + 1)
    before, at = smtpd.lookup_cpu(), time.monotonic()
    time.sleep(0.1)
    assert smtpd.lookup_cpu() - before < 0.8 * (time.monotonic() - at), "the lookup process spins"


def count(smtpd: Smtpd) -> dict[str, int]:
    """What the filter knows of itself; the session that asks is counted."""
    with smtpd.client("192.0.2.251") as client:
        client.ehlo()
        words = client.mail_from("count@example.net").text.split()
        client.quit()
    return {key: int(value) for key, _, value in (word.partition("=") for word in words if "=" in word)}


@pytest.mark.parametrize(("name", "code"), FAULTS.items(), ids=FAULTS)
def test_a_hook_misbehaves_at_a_command(smtpd: Smtpd, name: str, code: int) -> None:
    with smtpd.client("192.0.2.1", timeout=10) as client:
        assert client.deliver(MAIL, sender=f"{name}@example.net").code == code
        client.quit()
    assert_unharmed(smtpd)


@pytest.mark.parametrize(("name", "code"), AT_MESSAGE.items(), ids=AT_MESSAGE)
def test_a_hook_misbehaves_at_a_message(smtpd: Smtpd, name: str, code: int) -> None:
    with smtpd.client("192.0.2.1", timeout=10) as client:
        assert client.deliver(MAIL, sender=f"message-{name}@example.net").code == code
        client.quit()
    assert_unharmed(smtpd)


def test_what_was_printed_is_in_the_log(smtpd: Smtpd) -> None:
    smtpd.wait_log("naughty: hello world")


PHASES = ("connect", "ehlo", "mail", "rcpt", "data", "text", "dot")


def walk(client: Client, last: str, sender: str) -> None:
    """Go on until the phase `last`, without waiting for what that one is answered."""
    steps = {
        "ehlo": b"EHLO client.example.net\r\n",
        "mail": b"MAIL FROM:<%s@example.net>\r\n" % sender.encode(),
        "rcpt": b"RCPT TO:<bob@example.org>\r\n",
        "data": b"DATA\r\n",
        "text": MAIL,
        "dot": b".\r\n",
    }
    for phase in PHASES[1 : PHASES.index(last) + 1]:
        client.send(steps[phase])
        if phase not in {last, "text"}:
            client.reply()


@pytest.mark.parametrize("sender", ["alice", "moment", "hang"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_client_vanishes(smtpd: Smtpd, phase: str, sender: str) -> None:
    if sender != "alice" and PHASES.index(phase) > PHASES.index("mail"):
        sender = f"message-{sender}"
    before = count(smtpd)
    clients = [smtpd.client("192.0.2.2") for _ in range(3)]
    for client in clients:
        walk(client, phase, sender)
        client.close()
    deadline = time.monotonic() + 10
    while count(smtpd)["open"] > before["open"] and time.monotonic() < deadline:
        time.sleep(0.1)
    after = count(smtpd)
    assert after["open"] == before["open"], "sessions are left behind"
    assert after["descriptors"] == before["descriptors"], "descriptors are left behind"
    assert_unharmed(smtpd)


def send_many(client: Client, mails: int, sender: str, answers: list[int]) -> None:
    """Send on a connection that is greeted already, noting the last code of each mail."""
    client.ehlo()
    for _ in range(mails):
        reply = client.mail_from(f"{sender}@example.net")
        if reply.code < 400:
            client.rcpt_to("bob@example.org")
            reply = client.message(MAIL)
        answers.append(reply.code)
    client.quit()


def connected(smtpd: Smtpd, count: int) -> list[Client]:
    """Clients that are greeted, one after the other: smtpd listens with a backlog of five, and drops what is more."""
    return [smtpd.client(f"198.51.100.{n % 250 + 1}", timeout=60) for n in range(count)]


def in_parallel(clients: list[Client], mails: int, sender: str, answers: list[int]) -> list[threading.Thread]:
    threads = [threading.Thread(target=send_many, args=(client, mails, sender, answers)) for client in clients]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.timed
def test_two_hundred_clients_at_once(smtpd: Smtpd) -> None:
    answers: list[int] = []
    started = time.monotonic()
    for thread in in_parallel(connected(smtpd, 200), 2, "moment", answers):
        thread.join()
    assert answers == [250] * 400
    assert time.monotonic() - started < 40, "the clients waited for each other: 400 moments of 0.2 s are 80 s"
    assert_unharmed(smtpd)


def test_a_hundred_hangups_under_load(smtpd: Smtpd) -> None:
    before = count(smtpd)["reloads"]
    answers: list[int] = []
    threads = in_parallel(connected(smtpd, 8), 40, "alice", answers)
    for _ in range(100):
        smtpd.hang_up()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert answers == [250] * 320
    assert count(smtpd)["reloads"] > before
    assert_unharmed(smtpd)


SOAK = 6.0
"""Seconds of load with faults; memory must stay where it was after the first part of it."""


def test_a_soak_with_faults_leaves_memory_and_descriptors_as_they_were(smtpd: Smtpd) -> None:
    harmless = [
        "alice",
        "none",
        "exit",
        "exit-later",
        "message-none",
        "message-exit",
        "print",
        "moment",
        "two-line-reply",
    ]
    stop = time.monotonic() + SOAK
    resident: list[int] = []
    before = count(smtpd)

    def client(number: int) -> None:
        turn = number
        while time.monotonic() < stop:
            answers: list[int] = []
            one = smtpd.client(f"198.51.100.{number + 1}", timeout=60)
            send_many(one, 5, harmless[turn % len(harmless)], answers)
            turn += 1

    threads = [threading.Thread(target=client, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    while time.monotonic() < stop:
        time.sleep(0.5)
        resident.append(smtpd.filters()[0].resident)
    for thread in threads:
        thread.join()
    after = count(smtpd)
    assert after["open"] == before["open"]
    assert after["descriptors"] == before["descriptors"]
    assert resident[-1] < resident[len(resident) // 3] + (1 << 20), f"memory grows: {resident}"
    assert_unharmed(smtpd)
