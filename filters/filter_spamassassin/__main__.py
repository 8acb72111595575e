"""filter-spamassassin(8): have spamd(8) look at mail, mark what is spam, refuse what is very much so."""

from __future__ import annotations

from typing import NoReturn

from filter_api.options import COMMON_OPTIONS
from filter_api.runtime.main import main
from filter_spamassassin.filter import build
from filter_spamassassin.options import OPTIONS, USAGE


def run() -> NoReturn:
    """The console script."""
    main(build, usage=USAGE, options=OPTIONS + COMMON_OPTIONS)


if __name__ == "__main__":
    run()
