"""An event loop whose clock jumps: nobody waits, yet timeouts fall where they would."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class _Selector(selectors.BaseSelector):
    """Looks at real files; where the loop would sleep until its next timer, the clock jumps there instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return self._real.select(None)
        events = self._real.select(0)
        if not events and timeout > 0:
            self.now += timeout
        return events

    def register(self, fileobj: Any, events: int, data: object = None) -> selectors.SelectorKey:  # noqa: ANN401 - as BaseSelector
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401 - as BaseSelector
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: object = None) -> selectors.SelectorKey:  # noqa: ANN401 - as BaseSelector
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 0 and moves only when everybody sleeps; `advance` moves it by hand.

    Do not use it where real sockets must answer: their timeouts would fall at once.
    """

    def __init__(self) -> None:
        self._jumping = _Selector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made, in its own time."""
        return self._jumping.now

    def advance(self, seconds: float) -> None:
        """Let time pass; what falls due runs."""
        until = self.time() + seconds
        self.run_until_complete(asyncio.sleep(seconds))
        self._jumping.now = max(self.time(), until)
