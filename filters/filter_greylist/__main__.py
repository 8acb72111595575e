"""The program filter-greylist(8)."""

from __future__ import annotations

from filter_api.runtime.main import main
from filter_greylist.filter import build
from filter_greylist.options import USAGE


def run() -> None:
    """The console script."""
    main(build, usage=USAGE)


if __name__ == "__main__":
    run()
