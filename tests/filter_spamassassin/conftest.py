"""One spamd for the tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.directories import open_directory
from tests.support.spamd import running_spamd


@pytest.fixture(scope="session")
def spamd() -> Iterator[Path]:
    """The path of its socket; it adds fields and a Subject of its own configuration."""
    configuration = (
        "rewrite_header Subject *****SPAM _SCORE_*****\nadd_header all Relay _RELAYCOUNTRY_ here\n"
        "add_header spam Report _REPORT_\nreport_safe 1\n"
        "header FROM_ENVELOPE EnvelopeFrom =~ /\\@believed\\.example$/\nscore FROM_ENVELOPE 3\n"
        "header FROM_FORGED EnvelopeFrom =~ /\\@forged\\.example$/\nscore FROM_FORGED 3\n"
        "header NO_ENVELOPE EnvelopeFrom =~ /^UNSET$/ [if-unset: UNSET]\nscore NO_ENVELOPE 3\n"
    )
    with open_directory() as directory, running_spamd(directory, configuration=configuration) as path:
        yield path
