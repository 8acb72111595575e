"""A process is confined to what its members need, before it has a second thread (`filter_api.confinement`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from filter_api.confinement import system
from filter_api.confinement.confined import Confined
from filter_api.confinement.needs import Confine, Needs
from filter_api.errors import ConfigError
from filter_api.files import followed
from filter_api.filter import Filter
from filter_api.log import Logger
from filter_api.message.spool import spool_directory
from filter_api.options import CommonOptions

SYSLOG = "/dev/log"
"""Where syslogd listens on Linux (`filter_api.runtime.log`)."""


class Confinement(NamedTuple):
    """What came of it. needs: None if the process is left as it is. listens: where the control socket may be."""

    found: Confined
    needs: Needs | None = None
    listens: Sequence[str] = ()


def confine(members: Collection[Filter], options: CommonOptions, listens: Sequence[str] = ()) -> Confinement:
    """Confine this process for good, as -Z wants it. Raises ConfigError where that is demanded and cannot be had."""
    if options.confine is Confine.OFF:
        return Confinement(Confined((), ("-Z off",)), None, listens)
    needs = needs_of(members, options, listens)
    found = Confined((), (_untold(members),)) if needs is None else system.confine(needs)
    if found.missing and options.confine is Confine.DEMAND:
        raise ConfigError(
            f"-Z demand: it cannot be confined: {found.summary()}; see CONFINEMENT in opensmtpd-filters(7)"
        )
    return Confinement(found, needs, listens)


def needs_of(members: Collection[Filter], options: CommonOptions, listens: Sequence[str]) -> Needs | None:
    """What the members of a process need together; None if one of them does not say."""
    needs = Needs(reads=followed.paths(), listens=frozenset(listens))
    if options.syslog:
        needs |= Needs(sockets=frozenset({SYSLOG}))
    for member in members:
        own = member.needs()
        if own is None:
            return None
        needs |= own
        if "on_message" in member.wanted():
            needs |= Needs(keeps=frozenset({spool_directory()}))
    return needs


def _untold(members: Collection[Filter]) -> str:
    name = next(member.name for member in members if member.needs() is None)
    return f"{name} does not say what it needs"


def tell(confinement: Confinement, log: Logger) -> None:
    """What is in force: for -v; once as a warning where something is missing that was wanted."""
    found, needs, _ = confinement
    if found.missing and needs is not None:
        log.warning(None, "confined", by=found.summary())
    else:
        log.debug(None, "confined", by=found.summary())
    for note in found.notes:
        log.info(None, "confined", note=note)


def settle(confinement: Confinement, log: Logger) -> None:
    """All modules are loaded: take away what that needed. Never raises."""
    if confinement.needs is None:
        return
    try:
        system.settle(confinement.needs)
    except OSError as error:
        log.warning(None, "confined", note=f"modules can still be loaded: {error.strerror}")
