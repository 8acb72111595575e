"""The program filter-dnsbl(8)."""

from __future__ import annotations

from filter_api.options import COMMON_OPTIONS
from filter_api.runtime.main import main
from filter_dnsbl.filter import build
from filter_dnsbl.options import OPTIONS, USAGE


def run() -> None:
    """The console script."""
    main(build, usage=USAGE, options=OPTIONS + COMMON_OPTIONS)


if __name__ == "__main__":
    run()
