"""Which files this process follows: what reads a file again when it changes is noted here when it is made.

A confined filter may read nothing but what it was told to, and this is the list: no option can be forgotten in it. Keys
are in it, too, which `in_use.FILES` does not show.
"""

from __future__ import annotations

import os
from typing import Any, Final

from filter_api.in_use import Used

_FOLLOWING: Final[Used[Any]] = Used()


def note(follower: Any) -> None:  # noqa: ANN401 - whatever has a `path`, and can be referred to weakly
    """`follower.path` is read again as long as `follower` lives."""
    _FOLLOWING.add(follower)


def paths() -> frozenset[str]:
    """The files followed now, as absolute paths."""
    return frozenset(os.path.abspath(each.path) for each in _FOLLOWING.now())
