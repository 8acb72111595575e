"""The scenes, one file per group; `ALL` is their order.

A scene plays on the server that the ones before it have left, as an operator's server does.
"""

from demo.scenes.authors import AUTHORS
from demo.scenes.clients import CLIENTS
from demo.scenes.contents import CONTENTS
from demo.scenes.dying import DYING
from demo.scenes.greylist import GREYLIST
from demo.scenes.leaving import LEAVING
from demo.scenes.one import ONE
from demo.scenes.two import TWO
from demo.stage import Scene

ALL: tuple[tuple[str, tuple[Scene, ...]], ...] = (
    ("Who may talk to us", CLIENTS),
    ("Who is known here", GREYLIST),
    ("Who wrote it", AUTHORS),
    ("What is in the mail", CONTENTS),
    ("A scanner dies", DYING),
    ("What leaves", LEAVING),
    ("All filters in one process", ONE),
    ("One of two mail servers dies", TWO),
)
"""(heading, scenes) of each group."""
