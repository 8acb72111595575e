"""The classes of time that answers are counted in; a module of its own, as every filter has it from the start."""

from __future__ import annotations

from typing import Final

#: Their upper ends, in seconds; what took longer than the last is in one more.
CLASSES: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
