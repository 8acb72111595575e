"""filterctl why: mail of our own, relayed, undeliverable, to several recipients, or given up by its client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filterctl.__main__ import main
from filterctl.mail.logfile import lines
from filterctl.mail.mails import mails
from filterctl.mail.records import Mail
from filterctl.mail.retries import joined
from filterctl.mail.sessions import find
from tests.smtpd import chain_config as at
from tests.smtpd.chain import Chain, converse, mail
from tests.smtpd.chain_log import BOB, as_syslog
from tools.private_smtpd import wait_until


@pytest.fixture(scope="module")
def log(newest: str) -> Iterator[str]:
    with Chain(newest) as chain:
        before = len(chain.smtpd.log())
        for recipient in ("alice@far.example", "carol@nodomain.example"):
            chain.smtpd.room.write("/tmp/mail", mail("ours", author="alice@example.org").replace(b"\r\n", b"\n"))
            command = f"sendmail -f alice@example.org {recipient} < /tmp/mail"
            assert chain.smtpd.room.run(["sh", "-c", command]) == (0, "")
        with chain.smtpd.client(at.RESIDENTIAL, port=587, timeout=60) as client:
            client.ehlo("laptop.example.net")
            assert client.starttls().code == 220
            client.ehlo("laptop.example.net")
            assert client.auth_plain("alice", "secret").code == 235
            assert converse(client, "alice@example.org", BOB, mail("submitted", author="alice@example.org")).code == 250
        chain.insist(at.GOOD, "first@good.example", BOB, mail("first"))
        with chain.client(at.GOOD) as client:
            client.mail_from("both@good.example")
            assert [client.rcpt_to(to).code for to in (BOB, "alice@example.org", "no@where.example")] == [250, 250, 550]
            client.data()
            assert client.body(mail("both")).code == 250
        with chain.client(at.GOOD) as client:
            client.mail_from("gone@good.example")
            client.rcpt_to(BOB)
            client.data()
        # to alice and to the other side; bob; bob and alice; the bounce
        wait_until(lambda: chain.smtpd.log().count("stat=Delivered") == 6, 40, "not everything was delivered")
        wait_until(lambda: 'result="Ok"' in chain.smtpd.log(), 10, "nothing was relayed")
        yield chain.smtpd.log()[before:]
        chain.check_alive()


@pytest.fixture
def path(log: str, tmp_path: Path) -> str:
    (tmp_path / "maillog").write_text("".join(as_syslog(log)))
    return str(tmp_path / "maillog")


@pytest.fixture
def stories(path: str) -> list[Mail]:
    found = find(lines([path], pytest.fail), lambda _: True, lambda _: None)
    return joined(each for session in found.sessions for each in mails(session))


def only(stories: list[Mail], sender: str, *recipients: str, client: str = "") -> Mail:
    (found,) = [
        each
        for each in stories
        if (each.sender, tuple(each.recipients)) == (sender, recipients) and client in {"", each.client.address}
    ]
    return found


def test_what_was_relayed_names_the_server_that_took_it(stories: list[Mail]) -> None:
    ours = only(stories, "alice@example.org", "alice@far.example", client="local")
    (delivery,) = ours.deliveries
    assert (ours.outcome, delivery.relayed, delivery.where) == ("delivered", True, f"{at.FAR} (mx.far.example)")
    assert delivery.said.startswith("250 2.0.0 ")
    theirs = only(stories, "alice@example.org", "alice@far.example", client=at.FAR)
    assert theirs.deliveries[0].where == "alice"


def test_what_could_not_be_delivered_comes_back(
    stories: list[Mail], path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = only(stories, "alice@example.org", "carol@nodomain.example")
    assert (failed.outcome, failed.deliveries[0].said) == ("undeliverable", "Domain does not exist")
    bounce = only(stories, "", "alice@example.org")
    assert (bounce.outcome, bounce.client.address) == ("delivered", "local")
    assert main(["why", "carol@nodomain.example", path]) == 0
    told = capsys.readouterr().out
    assert "not deliverable to carol@nodomain.example, by relay nodomain.example: Domain does not exist\n" in told
    assert "smtpd tells the sender so: see the mail from <> to alice@example.org\n" in told


def test_a_user_who_logged_in_is_named(stories: list[Mail]) -> None:
    sent = only(stories, "alice@example.org", BOB)
    assert (sent.client.user, sent.outcome) == ("alice", "delivered")
    assert [step.pairs["result"] for step in sent.steps] == ["clean", "signed"]


def test_several_recipients_of_one_message_and_one_that_was_refused(stories: list[Mail]) -> None:
    both = only(stories, "both@good.example", BOB, "alice@example.org")
    assert (both.outcome, len(both.deliveries)) == ("delivered", 2)
    refused = only(stories, "both@good.example", "no@where.example")
    assert refused.refusal is not None
    assert (refused.refusal.who, refused.refusal.reply) == ("smtpd", "550 Invalid recipient: <no@where.example>")


def test_none_is_missing_and_none_is_there_twice(stories: list[Mail]) -> None:
    """A client that left amid its message offered no mail that the log knows of."""
    assert len(stories) == 8
    assert only(stories, "first@good.example", BOB).outcome == "delivered"
