"""Memory that is counted is memory that is held: filters with the worst shapes of messages that wait or still come."""

from __future__ import annotations

import pytest

from bench.memory import BESIDE, SHAPES, Shape, hold


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.what)
def test_a_filter_grows_by_what_it_counts(shape: Shape) -> None:
    held = hold(shape)
    assert held.ended == (shape.messages if "refused" in shape.what else 0)
    assert held.grown <= held.most


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "of 10 MB" in shape.what], ids=lambda shape: shape.what)
def test_large_messages_that_wait_are_on_disk(shape: Shape) -> None:
    held = hold(shape)
    assert held.counted > 5 * BESIDE
    assert held.grown < BESIDE + 5 * (1 << 20)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "of 1 MB" in shape.what], ids=lambda shape: shape.what)
def test_messages_that_wait_share_what_memory_they_get(shape: Shape) -> None:
    """A hundred of 1 MB are 100 MB, whichever way each of them alone would be held."""
    held = hold(shape)
    assert held.counted > 95_000_000
    assert held.grown < 64 * (1 << 20) + 2 * BESIDE
