"""What holds for every test: in CI a test that needs a daemon may not be skipped; a bound of time gets four tries.

On a developer's machine a test whose daemon is missing is skipped, with the reason. CI (environment variable CI set
to anything but "false") has everything tools/daemons can install, so there a skip means that something went untested,
which is reported as the failure it is.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pluggy
import pytest

IN_CI = os.environ.get("CI", "false").lower() not in {"", "0", "false"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A bound of time holds if it holds once in four: what is too slow never passes, and a busy machine may be."""
    for item in items:
        if item.get_closest_marker("timed"):
            item.add_marker(pytest.mark.flaky(reruns=3, reruns_delay=1))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    report = (yield).get_result()
    if IN_CI and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("daemon"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} needs a daemon and was skipped in CI: {skip_reason(report)}"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pluggy.Result[pytest.CollectReport], None]:
    report = (yield).get_result()
    if IN_CI and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped as a whole in CI"


def skip_reason(report: pytest.TestReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
