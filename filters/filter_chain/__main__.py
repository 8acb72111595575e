"""The program filter-chain(8)."""

from __future__ import annotations

from filter_api.runtime.main import main
from filter_chain.filter import build
from filter_chain.options import OPTIONS, USAGE


def run() -> None:
    """The console script."""
    main(build, usage=USAGE, options=OPTIONS)


if __name__ == "__main__":
    run()
