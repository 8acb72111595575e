"""What is remembered of a list between two updates: NAME.json beside NAME.ranges.

Only the fetching user writes there; a file that is damaged is as good as none, as the list is then fetched whole.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from filter_api.files.compiled import replace_file
from filter_api.files.reloading import open_regular
from filter_lists.conf import Source

_LARGEST = 1_000_000
"""Bytes of such a file; ours have some hundred."""


@dataclass(slots=True)
class State:
    """source: where it was fetched from. etag, modified: what the server called it. asked, changed: seconds since 1970.

    entries: how many it has, previous: those of the version before. loose, bad, cut: lines with host bits, those that
    were not understood, ranges that lost what no list may hold. own: a digest of the networks of -N. gone: how many of
    the entries had expired. expires: when the next one does so (seconds since 1970), 0 for never.
    """

    source: str = ""
    etag: str = ""
    modified: str = ""
    asked: float = 0.0
    changed: float = 0.0
    entries: int = 0
    previous: int = 0
    loose: int = 0
    bad: int = 0
    cut: int = 0
    own: str = ""
    gone: int = 0
    expires: float = 0.0

    def has_expired(self, now: float) -> bool:
        """Whether something that was compiled counts no longer. now: seconds since 1970."""
        return 0 < self.expires <= now


def state_path(directory: str, source: Source) -> str:
    """Where it is kept."""
    return os.path.join(directory, source.name + ".json")


def read_state(directory: str, source: Source) -> State:
    """What is remembered; nothing if there is nothing, or if the list now comes from elsewhere."""
    try:
        with open(open_regular(state_path(directory, source)), "rb") as file:
            found: Any = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return State()
    empty = asdict(State())
    if not isinstance(found, dict) or set(found) != set(empty):
        return State()
    if any(type(found[key]) is not type(value) for key, value in empty.items()):
        return State()
    state = State(**found)
    return state if state.source == source.shown else State()


def write_state(directory: str, source: Source, state: State) -> None:
    """Remember it. Raises ConfigError."""
    replace_file(state_path(directory, source), [json.dumps(asdict(state), indent=1).encode() + b"\n"])
