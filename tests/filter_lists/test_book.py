"""Lists that are open: what stays from one version of lists.conf to the next, and what is given back."""

from __future__ import annotations

import time
import weakref

from filter_api.text.lines import content_lines
from filter_lists.book import book_parser
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
