"""Servers that send pages, halves or nothing, lead elsewhere or are somebody else: the old list stays."""

from __future__ import annotations

import gzip
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from filter_api.text.lines import content_lines
from filter_lists.conf import parse_conf
from filter_lists.tool.update import Job, update
from filterctl.lists import output_of
from tests.filter_lists.tool.updating import FEW, HTML, LIST, Lists
from tests.filter_lists.web import Request, Web, ftp, redirect, slow, text, web
from tools.private_smtpd.tls import certificate


def cut_short(request: Request) -> None:
    request.tell(200, LIST[:300], Content_Length="1000")


def cut_chunks(request: Request) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"100\r\n" + LIST[:100])


def a_part(request: Request) -> None:
    request.tell(206, LIST[:600], Content_Range=f"bytes 0-599/{len(LIST)}")


BAD = {
    "page": (text(HTML), "a web page, not a list"),
    "missing": (lambda request: request.tell(404, b"no"), "the server says 404"),
    "broken": (lambda request: request.tell(500, HTML), "the server says 500"),
    "empty": (text(b""), "empty (empty=ok"),
    "comments": (text(b"# nothing today\n"), "empty (empty=ok"),
    "nonsense": (text(LIST + b"x\n" * 5), '5 lines of 105 are no addresses; the first is line 101, "x"'),
    "world": (text(LIST + b"0.0.0.0/0\n"), "line 101 holds more addresses than a /8"),
    "pieces": (text(b"".join(b"%d.0.0.0/8\n" % n for n in range(1, 224))), "more than half of all addresses of IPv4"),
    "ranges": (
        text(b"".join(b"%d.0.0.0-%d.127.255.255\n%d.128.0.0/9\n" % (n, n, n) for n in range(20, 200))),
        "more than half of all addresses of IPv4",
    ),
    "six": (
        text(LIST + b"".join(b"2a%02x:%x000::/20\n" % (n, m) for n in range(20) for m in range(16))),
        "a /12 of IPv6",
    ),
    "shrunk": (text(FEW), "it shrank from 100 entries to"),
    "grown": (text(b"".join(b"11.%d.%d.2\n" % (n // 200, n % 200) for n in range(2_000))), "it grew from 100"),
    "short": (cut_short, "cut short"),
    "chunks": (cut_chunks, "IncompleteRead"),
    "packed": (text(gzip.compress(LIST)[:-9]), "cut short: the end of the gzip"),
    "slow": (slow, "not done within 1 seconds"),
    "round": (redirect("/round"), "redirect"),
    "down": (redirect("ftp://127.0.0.1/list"), "redirected from http to ftp://127.0.0.1/list"),
    "part": (a_part, "the server says 206"),
    "accepted": (lambda request: request.tell(202, LIST), "the server says 202"),
    "bracket": (redirect("http://[::1/list"), "Invalid IPv6 URL"),
    "label": (redirect(f"http://{'a' * 70}.example/list"), "label"),
    "letters": (redirect("http://\u00e4\u00ff/\u00e4"), "encode"),
    "port": (redirect("http://127.0.0.1:port/list"), "nonnumeric port"),
    "file": (redirect("file:///etc/passwd"), "file:///etc/passwd' is not al"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_said_in_a_line_and_the_old_list_stays(
    lists: Lists, server: Web, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/good"] = text(LIST)
    server.answers[f"/{what}"], message = BAD[what]
    assert lists.update(server.url("/good")) == 0
    before = lists.ranges.read_bytes()
    state = (lists.path / "pub.json").read_text().replace(server.url("/good"), server.url(f"/{what}"))
    (lists.path / "pub.json").write_text(state)
    lists.told  # noqa: B018
    monkeypatch.setattr("filter_lists.tool.update.LIST_SECONDS", 1 if what == "slow" else 60)
    assert lists.update(server.url(f"/{what}")) == 1
    told = lists.told
    assert message in told
    assert told.startswith("filterctl: pub: ")
    assert re.search(r"; the version of 19(69-12-31|70-01-01) ..:.. stays in use\n\Z", told)
    assert told.count("\n") == 1
    assert lists.ranges.read_bytes() == before


@pytest.mark.parametrize("length", ["\u00b2", "-5", "1e3", "\u00bc"])
def test_a_length_that_is_no_number_is_none(lists: Lists, server: Web, length: str) -> None:
    server.answers["/list"] = text(LIST, Content_Length=length)
    assert lists.update(server.url("/list")) == 0
    assert lists.holds("203.0.113.2")


def test_one_list_that_leads_nowhere_keeps_none_of_the_others(lists: Lists, server: Web) -> None:
    server.answers["/bad"], server.answers["/good"] = redirect("http://[::1/"), text(LIST)
    lines = f"bad black {server.url('/bad')}\npub black {server.url('/good')}\norder bad pub\n"
    conf = parse_conf(content_lines(lines.encode()))
    assert update(conf.used, Job(str(lists.path), output_of)) == 1
    assert lists.holds("203.0.113.2")


def test_that_nothing_is_new_counts_only_where_it_was_asked(lists: Lists, server: Web) -> None:
    server.answers["/list"] = text(LIST, ETag='"1"')
    assert lists.update(server.url("/list")) == 0
    server.answers["/list"] = lambda request: request.tell(304)
    for force, damage in ((True, False), (False, True), (True, True)):
        if damage:
            lists.ranges.write_bytes(lists.ranges.read_bytes()[:-1])
        lists.told  # noqa: B018
        assert lists.update(server.url("/list"), force=force) == 1
        assert "the server says 304" in lists.told
    assert (lists.path / "pub.json").read_text().count(server.url("/list")) == 1  # what is known of it is not lost


def test_redirects_are_followed(lists: Lists, server: Web) -> None:
    for number in range(5):
        server.answers[f"/{number}"] = redirect(f"/{number + 1}", 301 if number % 2 else 302)
    server.answers["/5"] = text(LIST)
    assert lists.update(server.url("/0")) == 0
    server.answers["/5"] = redirect("/6")
    server.answers["/6"] = text(LIST)
    assert lists.update(server.url("/0")) == 1


def test_what_is_said_beside_a_redirect_is_not_read(lists: Lists, server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be without an end."""

    def endless(request: Request) -> None:
        request.send_response(302)
        request.send_header("Location", "/list")
        request.end_headers()
        with suppress(ConnectionError):
            while not request.server.stopped.is_set():
                request.wfile.write(b"x" * 100_000)

    server.answers["/endless"], server.answers["/list"] = endless, text(LIST)
    monkeypatch.setattr("filter_lists.tool.update.LIST_SECONDS", 20)
    assert lists.update(server.url("/endless")) == 0


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
