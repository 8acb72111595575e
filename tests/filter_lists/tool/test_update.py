"""filterctl lists update, with a web server that behaves."""

from __future__ import annotations

import fcntl
import gzip
import os
import stat
import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_api.files.compiled import read_compiled
from filter_api.text.lines import content_lines
from filter_lists.conf import parse_conf
from filter_lists.tool.state import State, read_state
from filter_lists.tool.update import Job, own_networks, update
from filterctl.lists import output_of
from tests.filter_lists.tool.updating import FEW, HTML, LIST, Lists
from tests.filter_lists.web import Request, Web, text


def test_a_list_is_fetched_checked_and_compiled(lists: Lists, server: Web) -> None:
    server.answers["/list"] = text(LIST + b"127.0.0.1\n10.0.0.0/8\n198.51.100.9/24\n", ETag='"1"')
    assert lists.update(server.url("/list")) == 0
    assert lists.holds("203.0.113.2")
    assert lists.holds("198.51.100.255")
    for address in ("203.0.113.3", "203.0.113.4", "127.0.0.1", "10.1.2.3"):
        assert not lists.holds(address)
    assert lists.told == (
        "pub: 103 entries (before: 0), 1 with host bits, 3 ranges cut, as they hold addresses that no list may hold\n"
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


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [(100, 50, 0), (100, 49, 1), (100, 1_000, 0), (100, 1_001, 1), (50, 1, 0), (3, 50, 0), (3, 51, 1)],
)
def test_how_much_a_list_may_shrink_and_grow(lists: Lists, server: Web, before: int, after: int, status: int) -> None:
    for count, expected in ((before, 0), (after, status)):
        server.answers["/list"] = text(b"".join(b"11.0.%d.%d\n" % (n // 250, n % 250) for n in range(count)))
        assert lists.update(server.url("/list")) == expected


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


def test_own_networks(tmp_path: Path) -> None:
    """As of -N of every filter."""
    expected = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"), ip_network("198.51.100.4/31"))
    assert own_networks("192.0.2.0/24, 2001:db8::/32,198.51.100.4 - 198.51.100.5") == expected
    path = tmp_path / "ours"
    path.write_text("192.0.2.0/24 # here\n2001:db8::/32, 198.51.100.4-198.51.100.5\n")
    assert own_networks(str(path)) == expected
    path.write_text("\n192.0.2.1/24\n")
    with pytest.raises(ConfigError, match="ours:2: "):
        own_networks(str(path))


def test_half_of_the_internet_is_taken_by_force_only(lists: Lists, tmp_path: Path) -> None:
    path = tmp_path / "world"
    path.write_text("".join(f"{number}.0.0.0/8\n" for number in range(1, 224)))
    assert lists.update(f"file:{path}") == 1
    assert lists.update(f"file:{path}", force=True) == 0
    assert lists.holds("8.8.8.8")
    path.write_text("".join(f"{number}.0.0.0/8\n" for number in range(20, 140)))  # 119 of 256 after what is cut out
    assert lists.update(f"file:{path}") == 0


@pytest.mark.parametrize("what", ["fifo", "folder", "link to a fifo", "loop"])
def test_what_is_remembered_is_read_from_a_file_only(lists: Lists, tmp_path: Path, what: str) -> None:
    """Whoever runs `filterctl lists show` need not be the user who may write there."""
    (tmp_path / "list").write_bytes(LIST)
    state = lists.path / "pub.json"
    if what == "folder":
        state.mkdir()
    elif what == "fifo":
        os.mkfifo(state)
    else:
        os.mkfifo(tmp_path / "other")
        state.symlink_to(tmp_path / "other" if "fifo" in what else state)
    source = parse_conf(content_lines(f"pub black file:{tmp_path}/list every=1h\norder pub\n".encode())).used[0]
    assert read_state(str(lists.path), source) == State()


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_other_networks_of_ours_are_taken_out_of_a_list_that_is_as_it_was(
    lists: Lists, server: Web, tmp_path: Path, scheme: str
) -> None:
    def answer(request: Request) -> None:
        if request.headers.get("If-None-Match") == '"1"':
            request.tell(304)
        else:
            request.tell(200, LIST, ETag='"1"')

    server.answers["/list"] = answer
    (tmp_path / "list").write_bytes(LIST)
    url = server.url("/list") if scheme == "http" else f"file:{tmp_path}/list"
    sources = parse_conf(content_lines(f"pub black {url} every=1s\norder pub\n".encode())).used
    job = Job(str(lists.path), output_of, verbose=True)

    def told(*own: str) -> str:
        lists.age(60)
        assert update(sources, job._replace(own=tuple(map(ip_network, own)))) == 0
        return lists.told.partition("(")[0]

    assert told() == "pub: 100 entries "
    assert lists.holds("203.0.113.2")
    assert told("203.0.113.2/32") == "pub: 100 entries "
    assert not lists.holds("203.0.113.2")
    assert told("203.0.113.2/32") == "pub: as it was\n"
    assert told("203.0.113.2/32", "2001:db8::/32") == "pub: 100 entries "
    assert told() == "pub: 100 entries "
    assert lists.holds("203.0.113.2")


def test_an_entry_of_an_own_file_is_left_out_once_its_day_is_over(
    lists: Lists, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is as it was, and not due: that an entry expires is a new version all the same."""
    midnight = 1_798_761_600.0  # the end of 2026-12-31 in UTC
    path = tmp_path / "list"
    path.write_text("198.51.100.7 until 2026-12-31 # why\n198.51.100.8 - 198.51.100.9 UNTIL 2001-01-01\n203.0.113.2\n")
    told = []
    for now in (midnight - 600, midnight - 1, midnight, midnight + 1):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert lists.update(f"file:{path}", age=0) == 0
        told.append((lists.told, [lists.holds(f"198.51.100.{last}") for last in (7, 8, 9)]))
    assert told == [
        ("pub: 3 entries (before: 0), 1 of them expired\n", [True, False, False]),
        ("pub: not due yet\n", [True, False, False]),
        ("pub: 3 entries (before: 3), 2 of them expired\n", [False, False, False]),
        ("pub: not due yet\n", [False, False, False]),
    ]
    assert lists.holds("203.0.113.2")


def test_what_expired_by_a_wrong_clock_is_back_with_the_right_one(
    lists: Lists, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "list"
    path.write_text("198.51.100.7 until 2026-12-31\n203.0.113.2\n")
    found = []
    for now in (4e9, 1_798_761_000.0):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert lists.update(f"file:{path}", age=0) == 0
        found.append(lists.holds("198.51.100.7"))
    assert found == [False, True]


def test_a_file_of_which_all_has_expired_is_no_mistake(lists: Lists, tmp_path: Path) -> None:
    """The version before holds what has expired: it must not stay in use."""
    path = tmp_path / "list"
    path.write_text("".join(f"198.51.100.{last}\n" for last in range(100)))
    assert lists.update(f"file:{path}") == 0
    path.write_text("".join(f"198.51.100.{last} until 2001-01-01\n" for last in range(100)))
    assert lists.update(f"file:{path}") == 0
    assert not lists.holds("198.51.100.7")


def test_an_entry_of_an_own_file_needs_a_right_date_and_other_text_does_not(
    lists: Lists, server: Web, tmp_path: Path
) -> None:
    path = tmp_path / "list"
    path.write_text("203.0.113.2\n203.0.113.6 :2:listed until removed\n# until when?\n198.51.100.7 until monday\n")
    assert lists.update(f"file:{path}") == 1
    assert 'pub: line 4: until takes a date like 2026-12-31, not "monday"; there is no older version' in lists.told
    path.write_text("203.0.113.2\n203.0.113.6 :2:listed until removed\n203.0.113.9 :2:listed until 2001-01-01\n")
    assert lists.update(f"file:{path}") == 0
    assert lists.holds("203.0.113.6")
    assert lists.holds("203.0.113.9")
    server.answers["/list"] = text(b"203.0.113.2 until 2001-01-01\n203.0.113.6 until monday\n")
    assert lists.update(server.url("/list")) == 0
    assert lists.holds("203.0.113.2")
