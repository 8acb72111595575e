"""filterctl init: what it asks, what it refuses to believe, and what it writes."""

from __future__ import annotations

import io
import os
import pwd
import socket
import sys
import threading
from pathlib import Path

import pytest

from filter_api.control import place
from filter_api.errors import ConfigError, UsageError
from filterctl.setup import init, steps, system, texts
from filterctl.setup.texts import Wanted

WANTED = Wanted(["example.org"], "mx.example.org", ["192.0.2.0/24"], {}, "2026", "/var/lib/x/greylist.db")


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-d", 'example.org" filter "x'], "-d takes a name such as example.org"),
        (["-d", "localhost"], "-d takes a name such as example.org"),
        (["-d", "example.org", "-H", "mx_1.example.org"], "-H takes a name"),
        (["-d", "example.org", "-N", "192.0.2.0/99"], "-N takes networks such as 192.0.2.0/24, not 192.0.2.0/99"),
        (["-d", "example.org", "-N", "10.0.0.0/8,0.0.0.0/0"], "-N 0.0.0.0/0: mail would be relayed for half the world"),
        (["-d", "example.org", "-s", "rspamd"], "-s takes clamav, spamassassin or none, not rspamd"),
        (["-d", "example.org", "-k", "../x"], "-k takes a selector such as 2026"),
        (["-d", "example.org", "-f", "/var/a b"], "blanks and quotes cannot be in it"),
        (["-d", "example.org", "-c", "smtpd.conf"], "-c takes a whole path"),
        (["example.org"], "Domains are given with -d"),
        (["-x"], "option -x not recognized"),
        (["-y"], "which domain is mail for"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_meant_is_refused_with_the_remedy(arguments: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why.replace(".", r"\.")):
        init.run(["-n", *arguments])


def test_it_asks_for_what_was_not_given_and_shows_what_it_would_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("Example.org, example.com\nmail.example.org\n198.51.100.7/24\nclamav\n"))
    monkeypatch.setattr(system, "DAEMONS", dict.fromkeys(system.DAEMONS, system.Daemon(b"", b"x", ())))
    monkeypatch.setattr(system, "CLAMD_CONF", ())
    assert init.run(["-n"]) == 0
    said = capsys.readouterr().out
    assert "Domains that mail is for: Name of this server" in said
    assert "Scanners [none]: " in said
    assert 'match from any for domain { "example.org", "example.com" } action "deliver"' in said
    assert 'action "outbound" relay helo "mail.example.org" filter "mail"' in said
    assert "\nclamav\n" in said


def test_nothing_is_made_with_n(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = system.Layout(
        str(tmp_path / "smtpd.conf"), str(tmp_path / "mail"), str(tmp_path / "state"), str(tmp_path / "aliases")
    )
    monkeypatch.setattr(system, "layout", lambda: there)
    assert init.run(["-ny", "-d", "example.org", "-s", "none"]) == 0
    assert f"would make file {tmp_path}/smtpd.conf\n" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "filters"
    path.write_text("mine\n")
    where = steps.placed(str(path), "new\n")
    assert (where.path, where.beside) == (str(path), f"{path}.new")
    for step in steps.file(where, "new\n"):
        step.do()
    assert (path.read_text(), (tmp_path / "filters.new").read_text()) == ("mine\n", "new\n")
    assert steps.placed(str(path), "mine\n").beside == str(path)
    assert steps.placed(str(path), "newer\n").beside == f"{path}.new.2"
    assert list(steps.file(steps.placed(str(path), "new\n"), "new\n")) == []


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    path = tmp_path / "filters"
    path.symlink_to(tmp_path / "elsewhere")
    for step in steps.file(steps.placed(str(path), "new\n"), "new\n"):
        step.do()
    assert (tmp_path / "filters.new").read_text() == "new\n"
    assert not (tmp_path / "elsewhere").exists()


def test_a_directory_for_control_sockets_is_made_where_no_package_has_made_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(place, "PLACES", (str(tmp_path / "run"), str(tmp_path / "var")))
    wanted = [
        f"directory {tmp_path}/var, mode 0755, owner root",
        f"directory {tmp_path}/var/{own}, mode 0755, owner {own}",
    ]
    made = list(steps.sockets(own))
    assert [step.text for step in made] == wanted
    assert [step.text for step in steps.sockets("nobody-yet")][1:] == [
        f"directory {tmp_path}/var/nobody-yet, mode 0755, owner nobody-yet"
    ]
    for step in made:
        step.do()
    assert (tmp_path / "var" / own).stat().st_mode & 0o7777 == 0o755
    assert steps.has_sockets(own)
    assert list(steps.sockets(own)) == []


def test_a_package_s_directory_for_control_sockets_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name
    (tmp_path / "run" / own).mkdir(parents=True, mode=0o755)
    monkeypatch.setattr(place, "PLACES", (str(tmp_path / "run"), str(tmp_path / "var")))
    assert list(steps.sockets(own)) == []


def test_a_directory_for_control_sockets_that_is_another_s_is_told_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "has_sockets", lambda name: False)
    monkeypatch.setattr(system, "DAEMONS", dict.fromkeys(system.DAEMONS, system.Daemon(b"", b"x", ())))
    told = [text for text in init.notes(WANTED) if "filterctl status" in text]
    assert told == [
        "filterctl status will find no filter: chown _mailfilter /var/opensmtpd-filters/_mailfilter"
        " && chmod 0755 /var/opensmtpd-filters/_mailfilter"
    ]


def test_with_a_certificate_mail_is_encrypted_and_users_can_log_in() -> None:
    certified = Wanted(
        ["example.org"], "mx.example.org", [], {}, "2026", "/x.db", pki=("/etc/ssl/a.crt", "/etc/ssl/private/a.key")
    )
    text = texts.smtpd_conf(certified, "/etc/smtpd.conf")
    assert 'pki "mx.example.org" cert "/etc/ssl/a.crt"\npki "mx.example.org" key "/etc/ssl/private/a.key"\n' in text
    assert 'port 25 hostname "mx.example.org" tls pki "mx.example.org" filter "mail"\n' in text
    assert 'port 587 hostname "mx.example.org" tls-require pki "mx.example.org" auth filter "mail"\n' in text
    assert "\nlisten on 0.0.0.0 port 587" not in texts.smtpd_conf(WANTED, "/etc/smtpd.conf")


def test_tables_have_what_was_said() -> None:
    assert texts.networks(WANTED).splitlines()[2:] == ["127.0.0.0/8", "::1", "192.0.2.0/24"]
    assert texts.keys(WANTED).splitlines()[1:] == ["example.org 2026 /etc/mail/dkim/2026.example.org.key"]
    chain = [line for line in texts.members(WANTED).splitlines() if line and not line.startswith("#")]
    assert chain == [
        "rdns -f",
        "dyndns",
        "greylist -o -f /var/lib/x/greylist.db",
        "auth",
        "dkimsign -K /etc/mail/dkim/keys",
    ]


def test_clamds_socket_is_where_its_configuration_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    place = str(tmp_path / "c.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(64)
                connection.sendall(b"PONG\0")

        thread = threading.Thread(target=answer)
        thread.start()
        (tmp_path / "clamd.conf").write_text(f"# LocalSocket /no\nLocalSocket {place}\nTCPSocket 1\n")
        monkeypatch.setattr(system, "CLAMD_CONF", (str(tmp_path / "clamd.conf"),))
        assert system.answering(system.CLAMD) == place
        thread.join()


def test_a_user_is_made_as_the_system_makes_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "openbsd7")
    assert system.new_user("_mailfilter") == [
        ["groupadd", "_mailfilter"],
        ["useradd", "-g", "_mailfilter", "-L", "daemon", "-d", "/nonexistent", "-s", "/sbin/nologin", "_mailfilter"],
    ]
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert [words[0] for words in system.new_user("_mailfilter")] == ["addgroup", "adduser"]


def test_what_keeps_a_user_from_being_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "new_user", lambda _: [["false"]])
    (step,) = steps.user("_nobody_has_this_name")
    with pytest.raises(ConfigError, match=r"false: status 1: make the user yourself, then again"):
        step.do()
