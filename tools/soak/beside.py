"""What goes on beside a soak, in a thread of its own, until it is stopped."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class Beside:
    """A subclass says what in `run`, which waits with `over`."""

    _stopped: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread | None = field(init=False, default=None)

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self.run, name=type(self).__name__.lower(), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Have it end, and wait until it has."""
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def over(self, seconds: float) -> bool:
        """Wait for some seconds; whether it is to end."""
        return self._stopped.wait(seconds)

    def run(self) -> None:
        """What is done in the thread."""
        raise NotImplementedError
