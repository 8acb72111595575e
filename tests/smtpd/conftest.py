"""Fixtures of the tests under a real smtpd: which versions there are, and one daemon per module where it survives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.private_smtpd import Unavailable, require

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.daemon)


VERSIONS = os.environ.get("SMTPD_VERSIONS", "6.8 7").split()
"""SMTPD_VERSIONS=sid: the newest there is, after `tools/daemons sid`."""


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each smtpd in turn; the test is skipped, with the reason, where that one cannot run."""
    wanted = str(request.param)
    try:
        require(wanted)
    except Unavailable as error:
        pytest.skip(str(error))
    return wanted


@pytest.fixture(scope="session")
def newest() -> str:
    """The newest smtpd of those, for what does not depend on the version."""
    try:
        require(VERSIONS[-1])
    except Unavailable as error:
        pytest.skip(str(error))
    return VERSIONS[-1]
