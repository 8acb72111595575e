"""A filter of this suite that notes what it imports after it has loaded everything: a program for `Chain`.

It runs inside the private system. The first argument is the name of the filter, the others are its own.
"""

import importlib
import os
import sys

from filter_api.runtime import guard

NOTES = "/tmp/late-imports"

started = False
waiting: set[guard.Guarded] = set()
make, preload = guard.Guarded.__init__, guard.Guarded.preload


def made(self: guard.Guarded, *arguments: object, **named: object) -> None:
    """One more member, which has not loaded its modules yet."""
    global started
    started = True
    make(self, *arguments, **named)  # type: ignore[arg-type]  # whatever it takes
    waiting.add(self)


def loaded(self: guard.Guarded) -> None:
    """It has."""
    preload(self)
    waiting.discard(self)


def note(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: something is imported."""
    if event == "import" and started and not waiting:
        notes = os.open(NOTES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.write(notes, f"{sys.argv[0]} {arguments[0]}\n".encode())
        os.close(notes)


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    guard.Guarded.__init__ = made  # type: ignore[method-assign]
    guard.Guarded.preload = loaded  # type: ignore[method-assign]
    sys.addaudithook(note)
    importlib.import_module(f"{sys.argv[0].replace('-', '_')}.__main__").run()
