"""Which files this process follows: what reads a file again when it changes is noted here when it is made.

A confined filter may read nothing but what it was told to, and this is the list: no option can be forgotten in it.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final
from weakref import WeakSet

_FOLLOWING: Final[WeakSet[Any]] = WeakSet()
_LOCK: Final = threading.Lock()  # files are read in threads, too


def note(follower: Any) -> None:  # noqa: ANN401 - whatever has a `path`, and can be referred to weakly
    """`follower.path` is read again as long as `follower` lives."""
    with _LOCK:
        _FOLLOWING.add(follower)


def paths() -> frozenset[str]:
    """The files followed now, as absolute paths."""
    with _LOCK:
        return frozenset(os.path.abspath(each.path) for each in _FOLLOWING)
