"""filterctl lists update, with a web server that behaves, and one that does not."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_api.files.compiled import read_compiled
from filter_api.text.lines import content_lines
from filter_lists.conf import parse_conf
from filter_lists.tool.state import read_state
from filter_lists.tool.update import Job, own_networks, update
from filterctl.lists import output_of
from tests.filter_lists.web import Request, Web, ftp, redirect, slow, text, web
from tools.private_smtpd.tls import certificate

LIST = b"".join(b"203.0.113.%d\n" % (2 * number) for number in range(100))
FEW = b"".join(LIST.splitlines(keepends=True)[:30])
HTML = b"<!DOCTYPE html>\n<html><body>Moved</body></html>\n"


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as running:
        yield running


class Lists:
    """A directory, and what update makes of one list in it."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self.ranges = path / "pub.ranges"
        self._capsys = capsys

    def update(self, source: str, options: str = "every=1h", *, force: bool = False, age: float = 7_200) -> int:
        """Update from a source, two hours after the last time."""
        conf = parse_conf(content_lines(f"pub black {source} {options}\norder pub\n".encode()))
        self._age(age)
        job = Job(str(self.path), output_of, force=force, verbose=True, own=(ip_network("203.0.113.4/31"),))
        return update(conf.used, job)

    def _age(self, seconds: float) -> None:
        state = self.path / "pub.json"
        if state.exists():
            words = state.read_text().split('"asked": ')
            number = words[1].partition(",")[0]
            state.write_text(words[0] + f'"asked": {float(number) - seconds}' + words[1].removeprefix(number))
        if self.ranges.exists():
            os.utime(self.ranges, (1_000, 1_000))

    def holds(self, address: str) -> bool:
        return ip_address(address) in read_compiled(str(self.ranges))

    @property
    def told(self) -> str:
        """What was said, on both ways, since the last look."""
        captured = self._capsys.readouterr()
        return captured.out + captured.err


@pytest.fixture
def lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lists:
    folder = tmp_path / "lists"
    folder.mkdir()
    return Lists(folder, capsys)


def test_a_list_is_fetched_checked_and_compiled(lists: Lists, server: Web) -> None:
    server.answers["/list"] = text(LIST + b"127.0.0.1\n10.0.0.0/8\n198.51.100.9/24\n", ETag='"1"')
    assert lists.update(server.url("/list")) == 0
    assert lists.holds("203.0.113.2")
    assert lists.holds("198.51.100.255")
    for address in ("203.0.113.3", "203.0.113.4", "127.0.0.1", "10.1.2.3"):
        assert not lists.holds(address)
    assert lists.told == (
        "pub: 100 ranges (before: 0), 1 with host bits, 3 cut, as they hold addresses that no list may hold\n"
    )
    assert stat.S_IMODE(lists.ranges.stat().st_mode) == 0o644
    assert sorted(os.listdir(lists.path)) == [".lock", "pub.json", "pub.ranges"]
    assert server.asked[0][1]["user-agent"].startswith("opensmtpd-filters/")


def test_a_list_that_is_as_it_was_is_not_sent_again(lists: Lists, server: Web) -> None:
    def answer(request: Request) -> None:
        if request.headers.get("If-None-Match") == '"1"' or request.headers.get("If-Modified-Since") == "yesterday":
            request.tell(304)
        else:
            request.tell(200, LIST, ETag='"1"', Last_Modified="yesterday")

    server.answers["/list"] = answer
    assert lists.update(server.url("/list")) == 0
    written = lists.ranges.read_bytes()
    lists.told  # noqa: B018 - forget it
    assert lists.update(server.url("/list")) == 0
    assert lists.told == "pub: as it was\n"
    asked = server.asked[1][1]
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"1"', "yesterday")
    assert lists.ranges.read_bytes() == written
    assert time.time() - lists.ranges.stat().st_mtime < 60  # and it is younger


def test_a_damaged_file_is_fetched_whole(lists: Lists, server: Web) -> None:
    server.answers["/list"] = text(LIST, ETag='"1"')
    assert lists.update(server.url("/list")) == 0
    lists.ranges.write_bytes(lists.ranges.read_bytes()[:-1])
    assert lists.update(server.url("/list")) == 0
    assert "if-none-match" not in server.asked[1][1]
    assert lists.holds("203.0.113.2")


def test_every_is_a_floor(lists: Lists, server: Web) -> None:
    server.answers["/list"] = text(LIST)
    for age in (0, 0, 3_000, 600):  # an hour in all, less a little at the third
        assert lists.update(server.url("/list"), age=age) == 0
    assert len(server.asked) == 2
    assert lists.update(server.url("/list"), age=0, force=True) == 0
    assert len(server.asked) == 3


@pytest.mark.parametrize("kind", ["text/plain", "application/x-gzip"])
def test_gzip_is_known_by_its_first_bytes(lists: Lists, server: Web, kind: str) -> None:
    server.answers["/list"] = text(gzip.compress(LIST), Content_Type=kind)
    server.answers["/list.gz"] = text(LIST, Content_Type=kind)
    for path in ("/list", "/list.gz"):
        assert lists.update(server.url(path)) == 0
        assert lists.holds("203.0.113.2")
        lists.ranges.unlink()


def cut_short(request: Request) -> None:
    request.tell(200, LIST[:300], Content_Length="1000")


def cut_chunks(request: Request) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"100\r\n" + LIST[:100])


BAD = {
    "page": (text(HTML), "a web page, not a list"),
    "missing": (lambda request: request.tell(404, b"no"), "the server says 404"),
    "broken": (lambda request: request.tell(500, HTML), "the server says 500"),
    "empty": (text(b""), "empty (empty=ok"),
    "comments": (text(b"# nothing today\n"), "empty (empty=ok"),
    "nonsense": (text(LIST + b"x\n" * 5), '5 lines of 105 are no addresses; the first is line 101, "x"'),
    "world": (text(LIST + b"0.0.0.0/0\n"), "line 101 holds more addresses than a /8"),
    "shrunk": (text(FEW), "it shrank from 99 ranges to"),
    "grown": (text(b"".join(b"11.%d.%d.2\n" % (n // 200, n % 200) for n in range(2_000))), "it grew from 99"),
    "short": (cut_short, "cut short"),
    "chunks": (cut_chunks, "IncompleteRead"),
    "packed": (text(gzip.compress(LIST)[:-9]), "cut short: the end of the gzip"),
    "slow": (slow, "not done within 1 seconds"),
    "round": (redirect("/round"), "redirect"),
    "down": (redirect("ftp://127.0.0.1/list"), "redirected from http to ftp://127.0.0.1/list"),
    "file": (redirect("file:///etc/passwd"), "file:///etc/passwd' is not al"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_said_in_a_line_and_the_old_list_stays(
    lists: Lists, server: Web, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filter_lists.tool.update.LIST_SECONDS", 1)
    server.answers["/good"] = text(LIST)
    server.answers[f"/{what}"], message = BAD[what]
    assert lists.update(server.url("/good")) == 0
    before = lists.ranges.read_bytes()
    state = (lists.path / "pub.json").read_text().replace(server.url("/good"), server.url(f"/{what}"))
    (lists.path / "pub.json").write_text(state)
    lists.told  # noqa: B018
    assert lists.update(server.url(f"/{what}")) == 1
    told = lists.told
    assert message in told
    assert told.startswith("filterctl: pub: ")
    assert re.search(r"; the version of 19(69-12-31|70-01-01) ..:.. stays in use\n\Z", told)
    assert told.count("\n") == 1
    assert lists.ranges.read_bytes() == before


def test_sizes_are_forced_and_the_parser_is_not(lists: Lists, server: Web) -> None:
    server.answers["/list"] = text(LIST)
    assert lists.update(server.url("/list")) == 0
    server.answers["/list"] = text(FEW)
    assert lists.update(server.url("/list")) == 1
    assert lists.update(server.url("/list"), force=True) == 0
    server.answers["/list"] = text(b"")
    assert lists.update(server.url("/list")) == 1
    assert lists.update(server.url("/list"), "every=1h empty=ok") == 0
    assert not lists.holds("203.0.113.2")
    for bad in (HTML, b"0.0.0.0/0\n", b"nonsense\n"):
        server.answers["/list"] = text(bad)
        assert lists.update(server.url("/list"), force=True) == 1


def test_redirects_are_followed(lists: Lists, server: Web) -> None:
    for number in range(5):
        server.answers[f"/{number}"] = redirect(f"/{number + 1}", 301 if number % 2 else 302)
    server.answers["/5"] = text(LIST)
    assert lists.update(server.url("/0")) == 0
    server.answers["/5"] = redirect("/6")
    server.answers["/6"] = text(LIST)
    assert lists.update(server.url("/0")) == 1


def test_tls_is_verified(lists: Lists, server: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, others = certificate("localhost"), certificate("lists.example")
    (tmp_path / "ca.pem").write_text(ours[0] + others[0])
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with web(ours, tmp_path) as good:
        good.answers["/list"] = text(LIST)
        good.answers["/down"] = redirect(server.url("/list"))
        server.answers["/list"] = text(LIST)
        server.answers["/up"] = redirect(good.url("/list"))
        assert lists.update(good.url("/list")) == 0
        assert lists.update(server.url("/up")) == 0
        assert lists.update(good.url("/down")) == 1
        assert "redirected from https to http:" in lists.told
        monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
        assert lists.update(good.url("/list"), force=True) == 1
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with web(others, tmp_path) as wrong:
        wrong.answers["/list"] = text(LIST)
        assert lists.update(wrong.url("/list")) == 1
        assert "ostname mismatch" in lists.told
    assert lists.holds("203.0.113.2")


def test_nobody_listens(lists: Lists, server: Web) -> None:
    url = server.url("/list").replace(str(server.server_address[1]), "1")
    assert lists.update(url) == 1
    assert lists.told == "filterctl: pub: Connection refused; there is no older version\n"


def test_ftp(lists: Lists) -> None:
    with ftp(LIST) as port:
        assert lists.update(f"ftp://127.0.0.1:{port}/pub/list") == 0
    assert lists.holds("203.0.113.2")


def test_a_file_is_taken_in_when_it_has_changed(lists: Lists, tmp_path: Path) -> None:
    path = tmp_path / "country.gz"
    path.write_bytes(gzip.compress(LIST))
    assert lists.update(f"file:{path}") == 0
    assert lists.update(f"file:{path}") == 0
    assert lists.told.splitlines()[1] == "pub: as it was"
    path.write_bytes(gzip.compress(LIST + b"198.51.100.1\n"))
    assert lists.update(f"file:{path}") == 0
    assert lists.holds("198.51.100.1")
    path.unlink()
    assert lists.update(f"file:{path}") == 1
    assert "country.gz: No such file" in lists.told


def script(path: Path, lines: str) -> str:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return f"exec:{path}"


def test_a_program_is_started_from_its_words(lists: Lists, tmp_path: Path) -> None:
    source = script(tmp_path / "list", 'echo "$1"; test "$2" = ";reboot"')
    assert lists.update(f'{source}" 203.0.113.2 \\;reboot"') == 0
    assert lists.holds("203.0.113.2")
    assert not lists.holds("203.0.113.4")


def running(group: str) -> list[str]:
    """What still runs in a group of processes; who ended and was not waited for does not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of_group = path.read_text().rpartition(") ")[2].split()[:3]
            if of_group == group and state != "Z":
                found.append(path.parent.name)
    return found


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("echo 203.0.113.6; exit 3", "ended with status 3"),
        ("echo 203.0.113.6; sleep 60 & wait", "not done within 1 seconds"),
        ("yes 203.0.113.6", "more than"),
        ("echo '<html>'; sleep 60", "web page|not done"),
    ],
)
def test_a_program_that_fails_changes_nothing_and_is_ended(
    lists: Lists, tmp_path: Path, lines: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filter_lists.tool.update.LIST_SECONDS", 1)
    monkeypatch.setattr("filter_lists.tool.published.MAX_LIST_ENTRIES", 100_000)
    good = script(tmp_path / "good", "echo 203.0.113.2")
    assert lists.update(good) == 0
    lists.told  # noqa: B018
    assert lists.update(script(tmp_path / "bad", f"echo $$ >{tmp_path}/pid\n{lines}")) == 1
    assert any(part in lists.told for part in message.split("|"))
    assert lists.holds("203.0.113.2")
    assert not running((tmp_path / "pid").read_text().strip())


def test_a_program_that_is_not_there(lists: Lists, tmp_path: Path) -> None:
    assert lists.update(f"exec:{tmp_path}/nothing") == 1
    assert "nothing: No such file" in lists.told


def test_one_bad_list_keeps_no_other_from_being_updated(lists: Lists, server: Web) -> None:
    server.answers["/good"] = text(LIST)
    conf = parse_conf(
        content_lines(f"a black {server.url('/bad')}\nb black {server.url('/good')}\norder a b\n".encode())
    )
    assert update(conf.used, Job(str(lists.path), output_of)) == 1
    assert ip_address("203.0.113.2") in read_compiled(str(lists.path / "b.ranges"))
    assert lists.told.count("\n") == 1


def test_two_at_once(lists: Lists, server: Web) -> None:
    server.answers["/list"] = text(LIST)
    with open(lists.path / ".lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert lists.update(server.url("/list")) == 0
    assert lists.told == "filterctl: lists update is already running\n"
    assert not server.asked


def test_a_directory_that_is_not_there(lists: Lists) -> None:
    lists.path.rmdir()
    with pytest.raises(ConfigError, match="it must be there, and belong to the user"):
        lists.update("https://lists.example/")


def test_what_an_older_source_left_is_not_compared_with(lists: Lists, server: Web) -> None:
    server.answers["/list"] = text(LIST, ETag='"1"')
    assert lists.update(server.url("/list")) == 0
    server.answers["/small"] = text(b"198.51.100.7\n", ETag='"1"')
    assert lists.update(server.url("/small")) == 0
    assert "if-none-match" not in server.asked[1][1]
    assert lists.holds("198.51.100.7")


@pytest.mark.parametrize("state", ["", "[]", "{", '{"source": 1}', "[" * 50_000, '{"etag": "\\u0000"}'])
def test_a_damaged_state_is_none(lists: Lists, server: Web, state: str) -> None:
    (lists.path / "pub.json").write_text(state)
    source = parse_conf(content_lines(b"pub black https://x/\norder pub\n")).used[0]
    assert read_state(str(lists.path), source).asked == 0
    server.answers["/list"] = text(LIST)
    assert update([source._replace(target=server.url("/list"))], Job(str(lists.path), output_of)) == 0


ENDLESS = """
import sys
from filter_api.files.compiled import write_compiled
from filter_api.files.ranges import RangeBuilder
versions = []
for kind in range(2):
    builder = RangeBuilder()
    for number in range(20_000):
        builder.add(4, 0x0b000000 + 4 * number + kind, 0x0b000000 + 4 * number + kind)
    versions.append(builder.build().ranges)
write_compiled(sys.argv[1], versions[0])
print("ready", flush=True)
while True:
    for version in versions:
        write_compiled(sys.argv[1], version)
"""


def test_whoever_kills_it_leaves_a_whole_list(lists: Lists, server: Web) -> None:
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(lists.ranges)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    for _ in range(20):  # stopped anywhere, it is as good as killed for whoever reads
        time.sleep(0.003)
        process.send_signal(signal.SIGSTOP)
        assert len(read_compiled(str(lists.ranges))) == 20_000
        process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGSTOP)
    process.kill()
    process.communicate()
    assert len(read_compiled(str(lists.ranges))) == 20_000
    (lists.path / ".new-left").write_bytes(b"half")
    server.answers["/list"] = text(LIST)
    assert lists.update(server.url("/list")) == 0
    assert sorted(os.listdir(lists.path)) == [".lock", "pub.json", "pub.ranges"]


def test_own_networks() -> None:
    assert own_networks("192.0.2.0/24, 2001:db8::/32") == (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
