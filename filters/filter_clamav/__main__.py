"""filter-clamav(8): refuse mail in which clamd(8) finds something."""

from __future__ import annotations

from typing import NoReturn

from filter_api.options import COMMON_OPTIONS
from filter_api.runtime.main import main
from filter_clamav.filter import build
from filter_clamav.options import OPTIONS, USAGE


def run() -> NoReturn:
    """The console script."""
    main(build, usage=USAGE, options=OPTIONS + COMMON_OPTIONS)


if __name__ == "__main__":
    run()
