"""What filterctl doctor finds out about a line of filter-lists."""

from __future__ import annotations

import pytest

from filter_api.errors import ConfigError
from filter_lists.diagnose import diagnose
from tests.filter_lists.support import Site


def test_lists_that_are_fresh_are_fine(site: Site) -> None:
    site.compiled("pub", "192.0.2.1", age=3_600)
    site.write(f"mine black {site.text('mine', '192.0.2.1')}", "pub black https://lists.example/x", "order mine pub")
    assert diagnose([*site.options, "-5"], largest_message=0) == [("ok", "2 lists")]


def test_lists_that_are_old_or_missing_are_named(site: Site) -> None:
    site.compiled("old", "192.0.2.1", age=30 * 86_400)
    site.write("old black https://lists.example/x", "new black https://lists.example/y", "order old new")
    assert diagnose(site.options, largest_message=0) == [
        ("warning", "old: not confirmed for 4w: too old to be used"),
        ("warning", "new: not fetched yet: filterctl lists update fetches it"),
    ]


def test_what_the_filter_would_not_start_with_is_an_error(site: Site) -> None:
    site.write("old grey https://lists.example/x")
    with pytest.raises(ConfigError, match=r"lists\.conf:1: old: "):
        diagnose(site.options, largest_message=0)
