"""filter-dkimsign(8): sign outgoing mail with DKIM."""

from __future__ import annotations

from typing import NoReturn

from filter_api.options import COMMON_OPTIONS
from filter_api.runtime.main import main, require_libraries


def run() -> NoReturn:
    """The console script."""
    require_libraries()  # before cryptography is imported, so that its absence is told in words
    from filter_dkimsign.filter import build
    from filter_dkimsign.options import OPTIONS, USAGE

    main(build, usage=USAGE, options=OPTIONS + COMMON_OPTIONS)


if __name__ == "__main__":
    run()
