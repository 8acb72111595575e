"""The systems a private smtpd or another mail server runs in: which there are, where, and why one cannot be used.

Each is a small Debian in a folder, made once by tools/daemons (debootstrap) and only ever read afterwards. A folder
carries its own smtpd, Python, dnspython, cryptography and redis, so the suite is also tried with the libraries
Debian ships. The folders lie in $OPENSMTPD_FILTERS_CACHE, by default in $XDG_CACHE_HOME/opensmtpd-filters or
~/.cache/opensmtpd-filters; tools/daemons looks in the same place.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final


class Unavailable(Exception):
    """A private smtpd cannot be started here; the text says why and what would help."""


@dataclass(frozen=True, slots=True)
class System:
    """One kept system folder."""

    version: str
    """Name in tests: the first figures of smtpd's version, which decide how it treats filters."""
    suite: str
    """Debian suite, and the name of the folder."""
    protocol: str
    """Version of the filter protocol it speaks."""

    @property
    def folder(self) -> Path:
        return cache_folder() / self.suite


SYSTEMS: Final = {
    "6.8": System("6.8", "bookworm", "0.6"),
    "7": System("7", "trixie", "0.7"),
    "sid": System("sid", "sid", "0.7"),
}
"""By version. `sid` is not made by default: `tools/daemons sid` makes it, to look at what comes next."""

POSTFIX: Final = System("postfix", "postfix", "")
"""Another mail server, which speaks to a private smtpd from a room of its own."""


def cache_folder() -> Path:
    explicit = os.environ.get("OPENSMTPD_FILTERS_CACHE")
    if explicit:
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "opensmtpd-filters"


def require(version: str) -> System:
    """The system for `version`; raises Unavailable with the reason if it cannot be used on this machine."""
    return usable(SYSTEMS[version])


def usable(system: System) -> System:
    """The same system; raises Unavailable with the reason if it cannot be used on this machine."""
    if not sys.platform.startswith("linux"):
        raise Unavailable("a private smtpd needs Linux namespaces; on this system use a spare machine's smtpd")
    if os.geteuid() != 0:
        raise Unavailable("namespaces with their own mounts and users need root")
    for program in ("unshare", "mount", "ip"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed; tools/daemons installs it on Debian")
    if not (system.folder / ".complete").exists():
        raise Unavailable(f"no {system.suite} system in {system.folder}; tools/daemons makes it")
    return system
