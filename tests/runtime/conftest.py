"""What tests of the runtime share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.talk import Talk, talks


@pytest.fixture
def talk() -> Iterator[Callable[..., Talk]]:
    """Makes sessions of a filter, message by message; they are closed in the end."""
    with talks() as make:
        yield make
