"""What pytest needs in a room: its children collect again what their parent has collected.

A child that does not find one of its tests has not killed anything, but mutmut takes any trouble for a kill.
"""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path

import pytest

SLOW = ("ten_thousand",)
"""Words of the names of tests that take seconds without being marked so: left out, or their time would be over."""
LONGEST = 1.0
"""Seconds of a test that is asked about each mutant."""
TOGETHER = 3.0
"""Seconds of all tests that are asked about each mutant: beyond that the slowest are left out."""
NOT_FOUND = 35
"""mutmut calls a mutant with this status suspicious; it counts as alive."""


def in_child() -> bool:
    return "__mutmut_" in os.environ.get("MUTANT_UNDER_TEST", "")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """A test that takes a few times as long as it may hangs, and that is a kill: most of a run would be spent waiting.

    pytest collects garbage several times at its end: what the parent has made need not be looked at each time.
    """
    if in_child():
        config.option.timeout = 5 * LONGEST
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In a child without those that took long when all were run, unless there are no others."""
    items[:] = [item for item in items if not any(word in item.name for word in SLOW)]
    if in_child():
        seconds = json.loads(Path("mutmut-stats.json").read_text())["duration_by_test"]
        items[:] = asked(items, seconds) or items


def asked(items: list[pytest.Item], seconds: dict[str, float]) -> list[pytest.Item]:
    """The fast ones in the order in which they are run: the files with the fastest tests first.

    mutmut names them in no order, and what a file sets up for all of its tests would be set up again and again.
    """
    chosen: list[pytest.Item] = []
    slowest: dict[Path, float] = {}
    together = 0.0
    for item in sorted(items, key=lambda item: (seconds.get(item.nodeid, 0.0), item.nodeid)):
        takes = seconds.get(item.nodeid, 0.0)
        together += takes
        if takes > LONGEST or together > TOGETHER:
            break
        chosen.append(item)
        slowest[item.path] = takes
    return sorted(chosen, key=lambda item: (slowest[item.path], item.path))


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Names of cases are made once and then escaped each time, so that they would be others the second time."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        for each in (mark, getattr(mark, "_param_ids_from", None)):
            if each is not None:
                object.__setattr__(each, "_param_ids_generated", None)


def pytest_sessionfinish(exitstatus: int) -> None:
    if in_child() and exitstatus in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED}:
        os._exit(NOT_FOUND)
