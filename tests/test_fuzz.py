"""Every target of `make fuzz` holds on its corpus, which keeps what once failed, and on what hypothesis makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import TARGETS

CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus"
SEEDS = [(name, path) for name in TARGETS for path in sorted((CORPUS / name).iterdir())]


def test_every_target_has_a_corpus_and_nothing_else_lies_there() -> None:
    assert sorted(path.name for path in CORPUS.iterdir()) == sorted(TARGETS)
    assert sum(path.stat().st_size for _, path in SEEDS) < 200_000


@pytest.mark.parametrize(("name", "path"), SEEDS, ids=[f"{name}-{path.name}" for name, path in SEEDS])
def test_the_corpus_holds(name: str, path: Path) -> None:
    TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_mixtures_of_the_corpus_hold(name: str, data: st.DataObject) -> None:
    words = b"\n".join(path.read_bytes() for path in sorted((CORPUS / name).iterdir())).split()
    pieces = st.one_of(
        st.sampled_from(words), st.binary(max_size=12), st.sampled_from([b" ", b"\n", b"\r\n", b"|", b";"])
    )
    TARGETS[name](b"".join(data.draw(st.lists(pieces, max_size=24))))
