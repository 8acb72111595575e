"""``filterctl dkim``: what filter-dkimsign knows of keys, and where it stands in smtpd.conf."""

from __future__ import annotations

import os
from collections.abc import Iterator

from filter_api.errors import ConfigError


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError and ConfigError."""
    from filter_dkimsign.ctl import run as dkim

    return dkim(arguments, signers)


def signers(path: str | None) -> Iterator[tuple[str, list[str]]]:
    """Name and options of each filter-dkimsign of an smtpd.conf, by default the system's. Raises ConfigError."""
    from filterctl.conf.check import usual_configuration  # none of this is needed by other commands
    from filterctl.conf.members import commands as members_of
    from filterctl.conf.shellwords import split
    from filterctl.conf.smtpdconf import read
    from filterctl.health.doctor import commands

    found = path or usual_configuration()
    for name, command in commands(read(found)):
        try:
            words = split(command.text)
        except ValueError as error:
            raise ConfigError(f"{found}: filter {name}: {error}; filterctl check tells more") from None
        for program, *options in members_of(words):
            if os.path.basename(program) == "filter-dkimsign":
                yield name, options
