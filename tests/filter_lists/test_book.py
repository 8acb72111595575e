"""Lists that are open: what stays from one version of lists.conf to the next, and what is given back."""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from filter_api.files.ranges import Ranges
from filter_api.text.lines import Line, content_lines
from filter_lists.book import book_parser, parse_list
from tests.filter_lists.support import Site

WITH = b"pub black https://lists.example/x\nmine black https://lists.example/y\norder pub mine\n"
WITHOUT = b"mine black https://lists.example/y\norder mine\n"


def test_a_compiled_list_stays_open_while_lists_conf_names_it(site: Site) -> None:
    """A new version that is damaged would otherwise be all there is, when lists.conf has changed."""
    site.compiled("pub", "192.0.2.1")
    parse = book_parser(str(site.directory), time.monotonic)
    first, second = parse(content_lines(WITH)), parse(content_lines(WITH))
    assert first.lists["pub"].compiled is second.lists["pub"].compiled


def test_what_it_does_not_name_any_more_is_given_back(site: Site) -> None:
    site.compiled("pub", "192.0.2.1")
    parse = book_parser(str(site.directory), time.monotonic)
    book = parse(content_lines(WITH))
    compiled = book.lists["pub"].compiled
    assert compiled is not None
    there = weakref.ref(compiled)
    del compiled
    book = parse(content_lines(WITHOUT))
    assert list(book.lists) == ["mine"]
    assert there() is None


def test_a_list_kept_by_hand_is_not_read_again_because_lists_conf_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred of them would hold the event loop up for seconds."""
    read: list[int] = []

    def parse_and_count(lines: Sequence[Line]) -> Ranges:
        read.append(len(lines))
        return parse_list(lines)

    monkeypatch.setattr("filter_lists.book.parse_list", parse_and_count)
    sources = [site.text(f"hand{number}", *["192.0.2.1"] * (number + 1)) for number in range(4)]
    parse = book_parser(str(site.directory), time.monotonic)
    lines = "".join(f"l{number} black {source}\n" for number, source in enumerate(sources[:3])).encode()
    parse(content_lines(lines + b"order l0 l1\n"))
    assert read == [1, 2]
    book = parse(content_lines(lines + b"order l2 l1 l0\n"))  # in another order, and with one more
    assert read == [1, 2, 3]
    assert book.judge(ip_address("192.0.2.1"), 0.0).hits[0][0] == "l2"
    parse(content_lines(lines.replace(b"l1 black", b"l1 white") + b"order l2 l1\n"))  # of another kind
    assert read == [1, 2, 3]
    parse(content_lines(lines.replace(b"/hand1", b"/hand3") + b"order l1 l0\n"))  # from elsewhere; one was dropped
    assert read == [1, 2, 3, 4, 1]


def test_a_list_kept_by_hand_that_breaks_while_lists_conf_changes_stays_as_it_was(site: Site) -> None:
    source = site.text("hand", "192.0.2.1")
    parse = book_parser(str(site.directory), time.monotonic)
    parse(content_lines(f"hand black {source}\norder hand\n".encode()))
    site.text("hand", "192.0.2.1", "nonsense")
    book = parse(content_lines(f"hand black {source} msg=new\norder hand\n".encode()))
    assert book.judge(ip_address("192.0.2.1"), 0.0).hits == [("hand", "new")]
