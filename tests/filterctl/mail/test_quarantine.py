"""filterctl quarantine: list, show, release, delete, expire, whatever the mail and its facts hold."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
from pathlib import Path

import pytest

from filter_api.quarantine.directory import FACTS, MESSAGE, dump_facts
from filter_api.text.escape import parse_pairs
from filterctl.__main__ import main
from tests.support.shapes import SHAPES
from tests.support.smtpsink import HANG_UP, smtp_sink

SPAM = "20261119-095311-0a1b2c3d"
VIRUS = "20261120-095311-11111111"
HOSTILE = b"Subject: \x1b[2J\x1b]0;owned\x07\r\nX: caf\xe9\x85\r\n\r\nbody \x9b31m \x00\rover\x7f\r\n.\r\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "q"
    path.mkdir(mode=0o700)
    put(
        path,
        SPAM,
        SHAPES["plain"],
        result="spam",
        score="15.9",
        subject="=?utf-8?Q?caf=C3=A9?=",
        to=["bob@example.com"],
    )
    put(
        path,
        VIRUS,
        HOSTILE,
        result="virus",
        virus="Eicar",
        subject="\x1b[2J\xe2\x80\xaex",
        to=["bob@example.com", "eve@example.com"],
    )
    return path


def put(directory: Path, name: str, content: bytes, **facts: object) -> None:
    known: dict[str, object] = {"client": "192.0.2.1", "from": "ann@example.org", "size": len(content)}
    to = facts.get("to")
    known["recipients"] = len(to) if isinstance(to, list) else 0
    (directory / (name + MESSAGE)).write_bytes(content)
    (directory / (name + FACTS)).write_bytes(dump_facts({**known, **facts}))


def call(directory: Path, *arguments: str) -> int:
    return main(["quarantine", "-q", str(directory), *arguments])


def test_list(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(directory, "list") == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "SIZE", "WHY", "CLIENT", "FROM", "TO", "SUBJECT"]
    assert first.split() == [
        SPAM, str(len(SHAPES["plain"])), "spam", "15.9", "192.0.2.1", "<ann@example.org>", "<bob@example.com>", "café",
    ]  # fmt: skip
    assert "Eicar" in second
    assert "<bob@example.com> +1" in second
    assert second.endswith("\\x1b[2J\\u202ex")


def test_list_in_one_line_each(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(directory, "list", "-1") == 0
    first, second = map(parse_pairs, capsys.readouterr().out.splitlines())
    assert (first["id"], first["time"], first["score"]) == (SPAM, "2026-11-19T09:53:11Z", "15.9")
    assert (second["virus"], second["to"]) == ("Eicar", "<bob@example.com>,<eve@example.com>")


def test_a_file_that_cannot_be_read_hides_no_other(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / (SPAM + FACTS)).unlink()
    (directory / (SPAM + FACTS)).symlink_to("/etc/passwd")
    assert call(directory, "list", "-1") == 1
    told = capsys.readouterr()
    assert [parse_pairs(line)["id"] for line in told.out.splitlines()] == [VIRUS]
    assert SPAM in told.err
    (directory / (VIRUS + MESSAGE)).unlink()
    (directory / (VIRUS + MESSAGE)).symlink_to("/etc/passwd")
    assert call(directory, "release", VIRUS, SPAM) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_damaged_facts_are_listed_all_the_same(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / (SPAM + FACTS)).write_text("{")
    put(directory, VIRUS, b"", to="bob", subject=3, size="x\n", client=None, **{"from": ["\x1b"]})
    for options in ([], ["-1"]):
        assert call(directory, "list", *options) == 0
        text = capsys.readouterr().out
        assert SPAM in text
        assert VIRUS in text
        assert "\x1b" not in text
        assert len(text.splitlines()) == 3 - len(options)


def test_show_never_drives_the_terminal(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(directory, "show", VIRUS) == 0
    text = capsys.readouterr().out
    assert "virus: Eicar\n" in text
    assert "to: bob@example.com\nto: eve@example.com\n" in text
    assert "Subject: \\x1b[2J\\x1b]0;owned\\x07\n" in text
    assert "body \\x9b31m \\x00\\x0dover\\x7f\n.\n" in text
    assert all(char == "\n" or 0x20 <= ord(char) < 0x7F for char in text)


def test_show_as_it_is(directory: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert call(directory, "show", "-r", VIRUS) == 0
    assert capfdbinary.readouterr().out == HOSTILE


def test_show_as_it_is_is_not_for_terminals(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as screen, os.fdopen(control, "rb"):
        monkeypatch.setattr("sys.stdout", screen)
        assert call(directory, "show", "-r", VIRUS) == 1


def test_delete(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(directory, "delete", SPAM, "20260101-000000-00000000", VIRUS) == 1
    printed = capsys.readouterr()
    assert printed.out == f"{SPAM}: deleted\n{VIRUS}: deleted\n"
    assert "no such message: 20260101-000000-00000000" in printed.err
    assert os.listdir(directory) == []


def test_expire(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(directory, "20200101-000000-00000000", b"")
    assert call(directory, "expire", "-t", "36500") == 0
    assert capsys.readouterr().out == "0 expired\n"
    assert call(directory, "expire", "-t", "1000") == 0
    assert capsys.readouterr().out == "1 expired\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_release(directory: Path, host: str, capsys: pytest.CaptureFixture[str]) -> None:
    with smtp_sink(host=host.strip("[]")) as sink:
        assert call(directory, "release", "-a", f"{host}:{sink.port}", SPAM, VIRUS) == 0
    assert capsys.readouterr().out == f"{SPAM}: released: 250 2.0.0 ok\n{VIRUS}: released: 250 2.0.0 ok\n"
    assert sink.messages == [SHAPES["plain"], HOSTILE]
    assert sink.commands == [
        "EHLO localhost", "MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.com>", "DATA", "the message", "QUIT",
        "EHLO localhost", "MAIL FROM:<ann@example.org> BODY=8BITMIME", "RCPT TO:<bob@example.com>",
        "RCPT TO:<eve@example.com>", "DATA", "the message", "QUIT",
    ]  # fmt: skip
    assert (directory / (SPAM + MESSAGE)).exists(), "until it is deleted or expires"


def test_a_released_message_is_marked_and_released_again_only_by_force(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with smtp_sink() as sink:
        release = ("release", "-a", f"127.0.0.1:{sink.port}")
        assert call(directory, *release, SPAM) == 0
        assert call(directory, *release, SPAM, VIRUS) == 1
        told = capsys.readouterr()
        assert f"{SPAM}: not released: it was released at 20" in told.err
        assert "-f" in told.err
        assert f"{VIRUS}: released: 250" in told.out, "the others are released all the same"
        assert len(sink.messages) == 2
        assert call(directory, *release, "-f", SPAM) == 0
        assert re.fullmatch(rf"{SPAM}: released once more, after 20\S+Z: 250 2\.0\.0 ok\n", capsys.readouterr().out), (
            "the second time is told as one"
        )
        assert len(sink.messages) == 3
    assert call(directory, "list") == 0
    assert "spam 15.9, released" in capsys.readouterr().out
    assert call(directory, "list", "-1") == 0
    assert parse_pairs(capsys.readouterr().out.splitlines()[0])["released"].startswith("20")
    assert call(directory, "show", SPAM) == 0
    assert "\nreleased: 20" in capsys.readouterr().out


@pytest.mark.parametrize("bye", ["", "421 closing", "500 what", "garbage", HANG_UP])
def test_the_answer_to_the_message_decides_whatever_comes_after_it(
    directory: Path, bye: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with smtp_sink({"QUIT": bye}) as sink:
        release = ("release", "-a", f"127.0.0.1:{sink.port}", SPAM)
        assert call(directory, *release) == 0
        assert capsys.readouterr().out == f"{SPAM}: released: 250 2.0.0 ok\n"
        assert call(directory, *release) == 1
        assert len(sink.messages) == 1


@pytest.mark.parametrize("phase", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_listener_that_hangs_up_before_has_taken_nothing(
    directory: Path, phase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with smtp_sink({phase: HANG_UP}) as sink:
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", SPAM) == 1
    assert f"{SPAM}: not released: " in capsys.readouterr().err
    with smtp_sink() as sink:
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", SPAM) == 0


def test_a_message_without_an_answer_may_be_tried_again(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with smtp_sink({"the message": HANG_UP}) as sink:
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", SPAM) == 1
    assert "may have been taken all the same" in capsys.readouterr().err
    with smtp_sink() as sink:
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", SPAM) == 0


def test_two_operators_release_one_message_once(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with smtp_sink() as sink, (directory / (SPAM + MESSAGE)).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", SPAM) == 1
    assert "somebody else is releasing it" in capsys.readouterr().err
    assert sink.messages == []


def test_a_mark_that_cannot_be_written_is_told_and_the_release_too(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with smtp_sink() as sink:
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", SPAM) == 1
    told = capsys.readouterr()
    assert told.out == f"{SPAM}: released: 250 2.0.0 ok\n"
    assert f"{SPAM}: released, but this could not be written down: No space left on device" in told.err
    assert sorted(os.listdir(directory)) == sorted(name + end for name in (SPAM, VIRUS) for end in (FACTS, MESSAGE))


@pytest.mark.parametrize("verb", [["list"], ["list", "-1"], ["show"], ["show", "-r"], ["release"]])
@pytest.mark.parametrize("suffix", [FACTS, MESSAGE])
def test_a_file_linked_from_elsewhere_is_never_read(
    directory: Path, tmp_path: Path, verb: list[str], suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "shadow"
    secret.write_text('{"subject": "root:secret", "to": ["a@b"], "from": "", "recipients": 1}')
    (directory / (SPAM + suffix)).unlink()
    os.link(secret, directory / (SPAM + suffix))
    with smtp_sink() as sink:
        options = ["-a", f"127.0.0.1:{sink.port}"] if verb == ["release"] else []
        status = call(directory, *verb, *options, *([] if verb[0] == "list" else [SPAM]))
    told = capsys.readouterr()
    assert "secret" not in told.out + told.err
    assert sink.messages == []
    if verb[0] != "list" or suffix == FACTS:
        assert status == 1
        assert "2 names" in told.err
    if verb[0] == "list":
        assert VIRUS in told.out


@pytest.mark.parametrize("damage", [b"[" * 100_000, b'{"to":' * 50_000, b'{"size": ' + b"9" * 5000 + b"}"])
def test_facts_of_any_depth_are_damaged_facts(
    directory: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / (SPAM + FACTS)).write_bytes(damage)
    for arguments in (["list"], ["list", "-1"], ["show", SPAM]):
        assert call(directory, *arguments) == 0
    assert call(directory, "release", "-a", "127.0.0.1:9", SPAM) == 1
    assert "its recipients are not known" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*SHAPES])
def test_every_shape_is_released_as_it_came(directory: Path, name: str) -> None:
    put(directory, SPAM, SHAPES[name], to=["bob@example.com"], **{"from": ""})
    with smtp_sink() as sink:
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", SPAM) == 0
    (message,) = sink.messages
    assert message == (SHAPES[name] or b"\r\n")
    assert "MAIL FROM:<>" in " ".join(sink.commands)


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ({"MAIL": "451 4.3.0 later"}, "MAIL FROM:<ann@example.org> was answered 451 4.3.0 later"),
        ({"RCPT TO:<eve": "550 5.1.1 unknown"}, "RCPT TO:<eve@example.com> was answered 550 5.1.1 unknown"),
        ({"DATA": "554 no"}, "(554, b'no')"),
        ({"the message": "554 5.6.0 no \x1b"}, "the message was answered 554 5.6.0 no \\x1b"),
        ({"EHLO": "500 what"}, "EHLO was answered 500 what"),
    ],
)
def test_what_the_listener_refuses(
    directory: Path, answers: dict[str, str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with smtp_sink(answers) as sink:
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", VIRUS) == 1
    assert f"{VIRUS}: not released: {what}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"to": []}, "its recipients are not known"),
        ({"to": "bob@example.com"}, "its recipients are not known"),
        ({"to": ["bob@example.com"], "recipients": 3}, "2 of its 3 recipients are not known by name"),
        ({"to": ["bob@example.com\r\nDATA"]}, "its envelope is damaged"),
        ({"to": ["bob@example.com>"]}, "its envelope is damaged"),
        ({"to": [7]}, "its envelope is damaged"),
        ({"to": ["bob@example.com"], "from": "a b"}, "its envelope is damaged"),
        ({"to": ["bob@example.com"], "from": "caf\xe9@x"}, "its envelope is damaged"),
    ],
)
def test_an_envelope_that_cannot_be(
    directory: Path, facts: dict[str, object], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(directory, SPAM, b"Subject: x\r\n", **facts)
    with smtp_sink() as sink:
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", SPAM) == 1
    assert sink.commands == []
    assert f"not released: {why}" in capsys.readouterr().err


def test_nobody_listens(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with smtp_sink() as sink:
        port = sink.port
    assert call(directory, "release", "-a", f"127.0.0.1:{port}", SPAM) == 1
    assert f'smtpd.conf needs "listen on 127.0.0.1 port {port}" without filters' in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["192.0.2.1:25", "localhost:25", "[2001:db8::1]:25", "0.0.0.0:25", "/run/x", "127.0.0.1:0"]
)
def test_only_loopback_is_released_to(directory: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(directory, "release", "-a", address, SPAM) == 1
    assert "loopback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["purge"],
        ["list", "x"],
        ["show"],
        ["show", SPAM, VIRUS],
        ["delete"],
        ["release"],
        ["expire", "-t", "x"],
        ["-x"],
    ],
)
def test_bad_usage(directory: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(directory, *arguments) == 1
    assert "usage: filterctl quarantine" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["show", "delete", "release"])
@pytest.mark.parametrize("name", ["../../etc/passwd", "x", SPAM + "x", "\x1b[2J"])
def test_ids_that_are_none(directory: Path, verb: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(directory, verb, name) == 1
    printed = capsys.readouterr()
    assert "no such message" in printed.err
    assert "\x1b" not in printed.err


def test_several_directories(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One for each filter: they are listed together, and a message is found wherever it is."""
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    name = "20261119-120000-22222222"
    put(other, name, b"Subject: x\r\n", to=["bob@example.com"])
    both = ["quarantine", "-q", str(directory), "-q", str(other)]
    assert main([*both, "list", "-1"]) == 0
    assert [parse_pairs(line)["id"] for line in capsys.readouterr().out.splitlines()] == [SPAM, name, VIRUS]
    assert main([*both, "delete", name, SPAM]) == 0
    assert os.listdir(other) == []


def test_the_usual_place(directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The directories in it, if there are any, else itself."""
    for usual in (directory, directory.parent):
        monkeypatch.setattr("filterctl.mail.kept.DEFAULT_DIRECTORY", str(usual))
        assert main(["quarantine", "list", "-1"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 2
    monkeypatch.setattr("filterctl.mail.kept.DEFAULT_DIRECTORY", str(directory / "none"))
    assert main(["quarantine", "list"]) == 1
    assert "No such file" in capsys.readouterr().err


def test_a_directory_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path / "none", "list") == 1
    assert "No such file" in capsys.readouterr().err


GAP = {"to": ["bob@example.com"], "recipients": 2, "complete": False}


@pytest.mark.parametrize(
    ("facts", "options", "why"),
    [
        (GAP, [], "smtpd did not report its whole envelope, 1 recipients are known: say with -t whom it is for"),
        ({**GAP, "recipients": 1}, [], "smtpd did not report its whole envelope"),
        ({**GAP, "to": []}, [], "smtpd did not report its whole envelope, 0 recipients are known"),
        (GAP, ["-s", "ann@example.org"], "smtpd did not report its whole envelope"),
        ({**GAP, "from": None}, ["-t", "bob@example.com"], "its sender is not known, give one with -s"),
        ({"to": ["bob@example.com"], "from": None}, [], "its sender is not known, give one with -s"),
    ],
)
def test_an_envelope_with_gaps_is_not_released(
    directory: Path, facts: dict[str, object], options: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(directory, SPAM, b"Subject: x\r\n", **facts)
    with smtp_sink() as sink:
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", *options, SPAM) == 1
    assert sink.commands == []
    assert f"{SPAM}: not released: {why}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("facts", "options", "envelope"),
    [
        (
            GAP,
            ["-t", "bob@example.com", "-t", "x@example.com"],
            ("ann@example.org", ["bob@example.com", "x@example.com"]),
        ),
        ({**GAP, "from": None}, ["-s", "", "-t", "bob@example.com"], ("", ["bob@example.com"])),
        ({**GAP, "from": None}, ["-s", "a@b", "-t", "bob@example.com"], ("a@b", ["bob@example.com"])),
        ({"to": ["bob@example.com"], "from": None}, ["-s", "a@b"], ("a@b", ["bob@example.com"])),
        ({"to": ["bob@example.com"]}, ["-t", "carol@example.com"], ("ann@example.org", ["carol@example.com"])),
    ],
)
def test_the_operator_says_whom_it_is_for(
    directory: Path, facts: dict[str, object], options: list[str], envelope: tuple[str, list[str]]
) -> None:
    put(directory, SPAM, b"Subject: x\r\n\r\nx\r\n", **facts)
    with smtp_sink() as sink:
        assert call(directory, "release", "-a", f"127.0.0.1:{sink.port}", *options, SPAM) == 0
    sender, recipients = envelope
    said = [command.split(" BODY")[0] for command in sink.commands]
    assert [command for command in said if command.startswith("MAIL")] == [f"MAIL FROM:<{sender}>"]
    assert [command for command in said if command.startswith("RCPT")] == [f"RCPT TO:<{each}>" for each in recipients]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-t", "a b", SPAM],
        ["-t", "a>b@x", SPAM],
        ["-t", "\u00e4@x", SPAM],
        ["-s", "a\nb", SPAM],
        ["-t", "a@b", SPAM, VIRUS],
    ],
)
def test_an_envelope_that_cannot_be_given(
    directory: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(directory, "release", *arguments) == 1
    assert "usage" in capsys.readouterr().err


def test_gaps_are_shown(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(directory, SPAM, b"Subject: x\r\n", **{**GAP, "from": None})
    assert call(directory, "list") == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert "  -  " in row
    assert "<bob@example.com> +?" in row
    assert call(directory, "list", "-1") == 0
    first, second = map(parse_pairs, capsys.readouterr().out.splitlines())
    assert (first["from"], first["complete"]) == ("-", "no")
    assert "complete" not in second
