"""The program filter-lists(8)."""

from __future__ import annotations

from filter_api.runtime.main import main
from filter_lists.filter import build
from filter_lists.options import USAGE


def run() -> None:
    """The console script."""
    main(build, usage=USAGE)


if __name__ == "__main__":
    run()
