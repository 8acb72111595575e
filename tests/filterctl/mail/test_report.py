"""filterctl report messages: logs of both kinds, plain and compressed, as lines and as a summary."""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from filter_api.log import Logger
from filterctl.__main__ import main
from filterctl.mail.maillog import Message, read

LOG = """\
Nov 20 09:53:11 mx smtpd[89374]: 0000000000000001 smtp connected address=192.0.2.1 host=mx.example.org
Nov 20 09:53:12 mx smtpd[89374]: clamav: 0000000000000001 message result=clean client=192.0.2.1 action=proceed \
from=<ann@example.org> to=<bob@example.com> size=3062 delay=0.1 subject="The minutes" msgid=<1@example.org>
Nov 20 09:53:14 mx smtpd[89374]: spamassassin: 0000000000000001 message result=ham score=-1.9 required=5.0 \
client=192.0.2.1 tests=BAYES_00,SPF_PASS action=proceed from=<ann@example.org> to=<bob@example.com> size=3162 \
delay=2.7 subject="The minutes" msgid=<1@example.org>
Nov 20 10:00:00 mx filter-spamassassin[7]: 0000000000000002 message result=spam score=15.9 required=5.0 \
client=2001:db8::1 tests=BAYES_99 id=20261120-100000-0a1b2c3d action=reject reply="550 5.7.1 message refused as spam; \
id 20261120-100000-0a1b2c3d" from=<x@spam.example> to=<bob@example.com>,<eve@example.com> size=12000 delay=1.0 \
subject="=?utf-8?B?QnV5IG5vdyDwn5KK?=" msgid=""
Nov 20 10:00:01 mx smtpd[89374]: dkimsign: 0000000000000003 message result=signed from=<bob@example.com> size=1
Nov 21 00:00:01 mx smtpd[89374]: clamav: 0000000000000004 message result=virus virus=Eicar-Test client=198.51.100.9 \
action=reject reply="554 5.7.1 virus found: Eicar-Test" from=<x@virus.example> to=<bob@example.com> size=700 delay=0.0 \
subject="a\\x1b[31mb\\x0ac" msgid=<4@x>
2026-11-21T00:00:02.123456+00:00 mx smtpd[89374]: spamassassin: 0000000000000005 message result=ham score=2.0 \
required=5.0 client=192.0.2.1 action=proceed from=<> to=<bob@example.com> size=100 delay=0.3 subject="" msgid=""
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "maillog"
    path.write_text(LOG)
    return path


def read_all(*paths: Path) -> list[Message]:
    """The messages of logs of which none is bad."""
    bad: list[str] = []
    messages = read(map(str, paths), bad.append)
    assert bad == []
    return messages


def lines(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    assert main(["report", "messages", *map(str, arguments)]) == 0
    return capsys.readouterr().out.splitlines()


def test_lines(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, log)
    assert len(found) == 4
    first = found[0].split()
    assert first[:9] == ["Nov", "20", "09:53:12", "3062", "B", "192.0.2.1", "ann@example.org", "->", "bob@example.com"]
    assert first[9:12] == ["-1.900", "hits", "ham"]
    assert found[0].endswith('"The minutes"')
    assert 'spam!     "Buy now \N{PILL}" 20261120-100000-0a1b2c3d' in found[1]
    assert "bob@example.com_+1" in found[1]
    assert 'virus!    "a\\x1b[31mb\\nc" Eicar-Test' in found[2]
    assert "<> -> bob@example.com" in found[3]
    assert found[3].startswith("Nov 21 00:00:02 ")


def test_a_message_both_filters_saw_is_one(log: Path) -> None:
    messages = read_all(log)
    assert [message.result for message in messages] == ["ham", "spam", "virus", "ham"]
    assert messages[0].filters == {"clamav", "spamassassin"}
    again = read_all(log, log)
    assert len(again) == 8, "the same filter logging it again is another message"


def test_the_members_of_a_chain_are_filters_of_their_own(tmp_path: Path) -> None:
    """As smtpd logs them, by the name of the process and of the member; and with -L, by that of the member."""
    log = tmp_path / "maillog"
    line = "Nov 20 09:53:1{0} mx {1}: 000000000000000{2} message result={3} action=proceed from=<a@b> msgid=<1>\n"
    log.write_text(
        line.format(1, "smtpd[1]: mail: clamav", 1, "clean")
        + line.format(2, "smtpd[1]: mail: inner-2: again", 1, "clean")  # no filter logs so
        + line.format(3, "smtpd[1]: mail: spamassassin", 1, "spam")
        + line.format(4, "filter-chain[7]: clamav", 2, "clean")
    )
    one, two = read_all(log)
    assert (one.result, one.filters) == ("spam", {"mail: clamav", "mail: spamassassin"})
    assert (two.result, two.filters) == ("clean", {"filter-chain[7]: clamav"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("smtpd[1]: clamav", "smtpd[1]: mail: clamav"),
        ("smtpd[1]: clamav: clamav", "smtpd[1]: clamav"),
        ("smtpd[1]: in: scan", "smtpd[1]: out: scan"),
        ("filter-chain[7]: scan", "filter-chain[8]: scan"),
        ("filter-clamav[7]", "filter-clamav[8]"),
        ("smtpd[1]: mail: 0123456789abcdef", "smtpd[1]: mail: message"),
        ("smtpd[1]: message: message", "smtpd[1]: fedcba9876543210"),
        ("smtpd: smtpd", "smtpd: smtpd: smtpd"),
        ("smtpd[1]: mail: smtpd", "smtpd[1]: mail: filter-chain"),
    ],
)
def test_filters_are_told_apart_whatever_they_are_called(tmp_path: Path, one: str, other: str) -> None:
    """One message that two of them saw is one; one that the same filter saw twice was two."""
    log = tmp_path / "maillog"
    line = "Nov 20 09:53:11 mx {}: 0123456789abcdef message result={} action=proceed from=<a@b> msgid=<1>\n"
    log.write_text(line.format(one, "clean") + line.format(other, "spam"))
    (message,) = read_all(log)
    assert message.result == "spam"
    log.write_text(line.format(one, "clean") + line.format(other, "spam") + line.format(one, "virus"))
    assert [message.result for message in read_all(log)] == ["spam", "virus"]


def test_the_results_that_matter_win(tmp_path: Path) -> None:
    log = tmp_path / "maillog"
    line = "Nov 20 09:53:1{0} mx smtpd[1]: {1}: 0000000000000001 message result={2} action={3} from=<a@b> msgid=<1>\n"
    log.write_text(
        line.format(1, "spamassassin", "spam", "proceed")
        + line.format(2, "clamav", "virus", "reject")
        + line.format(3, "other", "skipped", "proceed")
    )
    (message,) = read_all(log)
    assert (message.result, message.pairs["action"]) == ("virus", "reject")


def test_what_was_only_observed_is_no_refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "maillog"
    log.write_text(LOG.replace("action=reject", "action=observe-reject"))
    assert 'spam?     "Buy now' in lines(capsys, log)[1]
    assert "  1 ham, 1 spam, 1 refusals only observed" in lines(capsys, "-d", log)


def test_compressed_and_piped(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "maillog.0.gz"
    packed.write_bytes(gzip.compress(LOG.encode()))
    assert lines(capsys, packed) == lines(capsys, log)
    assert len(lines(capsys, packed, log)) == 8
    packed.write_bytes(gzip.compress(LOG.encode())[:-20])
    assert main(["report", "messages", str(packed)]) == 1
    assert "maillog.0.gz: " in capsys.readouterr().err


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress], ids=["gzip", "xz", "bzip2"])
@pytest.mark.parametrize("name", ["maillog.0.gz", "maillog.0", "maillog.1.old", "gz"])
def test_a_log_is_unpacked_by_what_it_holds_not_by_its_name(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], pack: Callable[[bytes], bytes], name: str
) -> None:
    packed = tmp_path / name
    packed.write_bytes(pack(LOG.encode()))
    assert lines(capsys, packed) == lines(capsys, log)


def test_a_plain_log_may_be_named_like_a_packed_one(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "maillog.gz"
    plain.write_text(LOG)
    assert lines(capsys, plain) == lines(capsys, log)


@pytest.mark.parametrize("data", [LOG.encode(), gzip.compress(LOG.encode()), lzma.compress(LOG.encode())])
def test_standard_input_is_unpacked_too(log: Path, capsys: pytest.CaptureFixture[str], data: bytes) -> None:
    program = "import sys; from filterctl.__main__ import main; sys.exit(main(['report', 'messages', '-']))"
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().splitlines() == lines(capsys, log)


def test_a_pipe_that_brings_a_byte_at_a_time_is_unpacked_too(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = "import sys; from filterctl.__main__ import main; sys.exit(main(['report', 'messages', '-']))"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        packed = lzma.compress(LOG.encode())
        for byte in packed[:8]:
            process.stdin.write(bytes([byte]))
            process.stdin.flush()
            time.sleep(0.02)
        printed, _ = process.communicate(packed[8:], timeout=60)
    assert process.returncode == 0
    assert printed.decode().splitlines() == lines(capsys, log)


@pytest.mark.parametrize("data", [b"", b"\x1f", b"BZ", b"x", b"x\n"])
def test_a_log_shorter_than_any_mark_is_an_empty_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    (tmp_path / "short").write_bytes(data)
    assert lines(capsys, tmp_path / "short") == []


@pytest.mark.parametrize(
    "bad",
    [
        gzip.compress(LOG.encode())[:-20],
        b"\x1f\x8bnot gzip at all",
        lzma.compress(LOG.encode())[:-40],
        b"BZhgarbage",
        b"\x28\xb5\x2f\xfd zstd",
    ],
)
def test_a_bad_log_is_named_and_hides_no_other(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: bytes
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(bad)
    assert main(["report", "messages", str(broken), str(log)]) == 1
    told = capsys.readouterr()
    assert f"filterctl: report: {broken}: " in told.err
    assert '"The minutes"' in told.out
    assert main(["report", "messages", str(tmp_path), str(log)]) == 1
    assert '"The minutes"' in capsys.readouterr().out


def test_the_rest_of_a_line_that_is_too_long_is_no_line(tmp_path: Path) -> None:
    line = LOG.splitlines()[1]
    (tmp_path / "log").write_text("x" * 16_384 + line + "\n" + line + "\n")
    assert len(read_all(tmp_path / "log")) == 1


@pytest.mark.parametrize(
    "subject",
    [
        b"x " * 300 + b"result=clean from=<friend@example.org> action=proceed",
        b'"' * 200 + b" result=clean",
        b"\\" * 300 + b'" result=clean',
        b"\xff" * 400 + b' result=clean " result=clean',
    ],
)
def test_a_subject_cannot_say_what_a_message_was(tmp_path: Path, subject: bytes) -> None:
    written: list[str] = []
    facts = {"result": "virus", "action": "reject", "reply": "550 " + "n" * 400, "from": b"<" + b"a" * 300 + b"@b>"}
    Logger(lambda _level, line: written.append(line)).line(
        logging.INFO, None, "message", {**facts, "subject": subject, "msgid": b"<1@x> result=clean"}
    )
    assert len(written[0]) <= 900
    (tmp_path / "log").write_text(f"Nov 20 09:53:12 mx smtpd[1]: clamav: 0000000000000001 {written[0]}\n")
    (message,) = read_all(tmp_path / "log")
    assert message.result == "virus"
    assert message.sender.startswith("aaaa")
    assert message.pairs.keys() == {*facts, "subject", "msgid"}


def scores(found: list[str]) -> list[str]:
    return [line.partition(" hits")[0].split()[-1] for line in found]


def test_sorting(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scores(lines(capsys, "-s", "score", log)) == ["-", "-1.900", "2.000", "15.900"]
    assert scores(lines(capsys, "-r", "-s", "score", log)) == ["15.900", "2.000", "-1.900", "-"]
    assert scores(lines(capsys, "-s", "size", log)) == ["2.000", "-", "-1.900", "15.900"]
    found = subprocess.run(
        ["sort", "-n", "-k", "10"], input="\n".join(lines(capsys, log)), capture_output=True, text=True, check=True
    )
    assert scores(found.stdout.splitlines()) == ["-1.900", "-", "2.000", "15.900"], "as mlog's lines were sorted"


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        (["result=ham"], 2),
        (["score>=2"], 2),
        (["score>2"], 1),
        (["score<0"], 1),
        (["score<=100"], 3),
        (["size>1k"], 2),
        (["from=EXAMPLE.org"], 1),
        (["to=eve@"], 1),
        (["action=reject", "result=virus"], 1),
        (["virus=none"], 0),
    ],
)
def test_conditions(log: Path, capsys: pytest.CaptureFixture[str], conditions: list[str], count: int) -> None:
    options = [word for condition in conditions for word in ("-m", condition)]
    assert len(lines(capsys, *options, log)) == count


def test_summary(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(lines(capsys, "-d", log))
    assert text.startswith("Nov 20: 2 messages, 14.7 KB\n  1 ham, 1 spam, 1 refused by scanners\n  scores\n")
    assert "     -2 .. 0 ################################################## 1\n" in text
    assert "Nov 21: 1 message, 700 B\n  1 virus, 1 refused by scanners\n" in text
    assert "  viruses\n         1 Eicar-Test\n" in text
    assert "2026-11-21: 1 message, 100 B\n  1 ham\n" in text
    assert "  recipients\n         2 bob@example.com\n         1 eve@example.com\n" in text
    top = "\n".join(lines(capsys, "-d", "-n", "1", log))
    assert "eve@example.com" not in top


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sessions"],
        ["messages", "-s", "subject"],
        ["messages", "-n", "few"],
        ["messages", "-m", "score"],
        ["messages", "-m", "from>a"],
        ["messages", "-m", "score>high"],
        ["messages", "-x"],
    ],
)
def test_bad_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", *arguments]) == 1
    assert "usage: filterctl report" in capsys.readouterr().err


def test_a_log_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "messages", "/nonexistent"]) == 1
    assert capsys.readouterr().err == "filterctl: report: /nonexistent: No such file or directory\n"


def test_garbage_is_no_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "maillog"
    path.write_bytes(
        bytes(range(256)) * 1000 + b"\nNov 20 09:53:11 mx smtpd[1]: x: 0123456789abcdef message \n" + b"x" * 99999
    )
    assert lines(capsys, path) == []
