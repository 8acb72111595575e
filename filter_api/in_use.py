"""What this process has in use, for whoever asks how it is: files that it follows, daemons that it asks, their queues.

Each announces itself when it is made, and is forgotten with its last reference::

    in_use.FILES.add(self)

Nothing in here is ever read by a filter that decides.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar
from weakref import WeakSet


class FileState:
    """A file as it is in use. size: bytes. modified: seconds since 1970, 0 where there never was a good version.

    loaded: when that version was read, likewise. error: why a newer version is not in use, or why there is none; empty
    if all is well.
    """

    __slots__ = ("error", "loaded", "modified", "path", "size")

    def __init__(self, path: str, size: int, modified: float, loaded: float, error: str) -> None:
        self.path = path
        self.size = size
        self.modified = modified
        self.loaded = loaded
        self.error = error


if TYPE_CHECKING:  # four protocols take longer to make than all else of a small module
    from collections.abc import Iterable

    from filter_api.figures import Figure

    class Followed(Protocol):
        """A file that is read again when it changes."""

        @property
        def state(self) -> FileState: ...

        def look(self) -> None: ...

    class Guard(Protocol):
        """Whether a daemon is held to be down."""

        name: str

        @property
        def is_open(self) -> bool: ...

    class Queue(Protocol):
        """Questions to daemons: how many wait for their turn, and how many are being asked."""

        name: str

        @property
        def waiting(self) -> int: ...

        @property
        def asking(self) -> int: ...

    class Counting(Protocol):
        """Something that counts, and belongs to no filter of the process."""

        def figures(self) -> Iterable[Figure]: ...


Kind = TypeVar("Kind")


class Used(Generic[Kind]):
    """Everything of one kind that is alive. Files are made in threads, too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive: WeakSet[Kind] = WeakSet()

    def add(self, one: Kind) -> None:
        """One more, as long as it lives."""
        with self._lock:
            self._alive.add(one)

    def now(self) -> list[Kind]:
        """Those there are, in no order."""
        with self._lock:
            return list(self._alive)


#: Files named by options, and those that they name.
FILES: Final[Used[Followed]] = Used()

#: Breakers, one for each daemon.
BREAKERS: Final[Used[Guard]] = Used()

#: Queues before daemons.
QUEUES: Final[Used[Queue]] = Used()

#: What has figures of the process: resolvers, daemons. Equal ones are added up.
FIGURES: Final[Used[Counting]] = Used()
