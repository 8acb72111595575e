"""The program filter-rdns(8)."""

from __future__ import annotations

from filter_api.runtime.main import main
from filter_rdns.filter import build
from filter_rdns.options import USAGE


def run() -> None:
    """The console script."""
    main(build, usage=USAGE)


if __name__ == "__main__":
    run()
