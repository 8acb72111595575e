"""The filters that a command of smtpd.conf runs: itself, or the members of filter-chain(8)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import cast

from filter_api.errors import ConfigError, UsageError
from filter_api.options import VersionWanted
from filterctl.__main__ import load


def commands(words: Sequence[str]) -> list[list[str]]:
    """Program and options of each filter in this command; the command itself if it is no chain, or a wrong one."""
    words = recorded(words)
    if words and os.path.basename(words[0]) == "filter-chain":
        try:
            members = cast(Callable[[Sequence[str]], list[list[str]]], load("filter_chain.ctl", "commands"))
            return members(words[1:])
        except (UsageError, ConfigError, VersionWanted):
            pass  # the dry run of check tells
    return [list(words)] if words else []


def recorded(words: Sequence[str]) -> Sequence[str]:
    """The command itself, or that of the filter behind ``filterctl record``."""
    while [os.path.basename(word) for word in words[:2]] == ["filterctl", "record"] and "--" in words:
        words = words[list(words).index("--") + 1 :]
    return words
