"""The scenes, one file per group; `ALL` is the order of the table."""

from demo.scenes.clients import CLIENTS
from demo.stage import Scene

ALL: tuple[tuple[str, tuple[Scene, ...]], ...] = (("Who may talk to us", CLIENTS),)
"""(heading, scenes) of each group."""
