"""The program filter-dnsbl(8)."""

from __future__ import annotations

from filter_api.runtime.main import main
from filter_dnsbl.filter import build
from filter_dnsbl.options import USAGE


def run() -> None:
    """The console script."""
    main(build, usage=USAGE)


if __name__ == "__main__":
    run()
