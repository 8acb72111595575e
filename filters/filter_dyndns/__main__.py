"""The program filter-dyndns(8); with ``-x`` it explains instead of filtering."""

from __future__ import annotations

import sys

from filter_api.options import COMMON_OPTIONS
from filter_api.runtime.main import main
from filter_dyndns.filter import build
from filter_dyndns.options import OPTIONS, USAGE, wants_explanation


def run() -> None:
    """The console script."""
    if wants_explanation(sys.argv[1:]):
        from filter_dyndns.ctl import run as explain

        sys.exit(explain(sys.argv[1:]))
    main(build, usage=USAGE, options=OPTIONS + COMMON_OPTIONS)


if __name__ == "__main__":
    run()
