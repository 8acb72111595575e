"""Open a greylist as the user of its filter does, and know what the filter has noted there: for all verbs."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from filter_api.errors import ConfigError, UsageError
from filter_api.text.escape import printable
from filter_greylist.deciding.upkeep import SETTINGS
from filter_greylist.options import parse_prefixes, parse_timers
from filter_greylist.rules.key import Prefixes
from filter_greylist.rules.records import Timers
from filter_greylist.store.base import Store
from filter_greylist.store.opening import open_spec
from filter_greylist.store.spec import Spec, parse_spec


class Settings(NamedTuple):
    """The -G and -k of the filter that uses the store, as it noted them there."""

    timers: Timers = Timers()
    prefixes: Prefixes = Prefixes()


def open_as_owner(value: str, *, make: bool = False) -> tuple[Spec, Store]:
    """The store that -f names, opened with the rights of its owner.

    make: make it where there is none yet, as the owner of its directory, who is the user the filter will run as.
    Raises ConfigError.
    """
    spec = parse_spec(value)
    if spec.is_path:
        _take_rights(spec.url, make=make)
    return spec, open_spec(spec, complain, alone=True)


def _take_rights(path: str, *, make: bool) -> None:
    if _is_there(path):
        owned = path
    elif not make:
        raise ConfigError(f"{path}: no greylist is there; the filter makes it when it starts, as do import, -a and -T")
    else:
        owned = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(owned):
            raise ConfigError(f"{owned}: no such directory: install -d -m 700 -o _greylist -g _greylist {owned}")
        if os.geteuid() == 0 and os.lstat(owned).st_uid == 0:
            raise ConfigError(f"{owned}: belongs to root, not to the user of filter-greylist: chown _greylist {owned}")
    if os.geteuid() == 0:
        become_owner(owned)


def _is_there(path: str) -> bool:
    """Whether there is a file; ConfigError where we may not know."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:
        raise ConfigError(f"{path}: permission denied: run this as root, or as the user of filter-greylist") from None
    return True


def become_owner(path: str) -> None:
    """Give up root's rights for those of the user whose file or directory it is, for good."""
    status = os.lstat(path)
    if status.st_uid == 0:
        return
    os.setgroups([])
    os.setresgid(status.st_gid, status.st_gid, status.st_gid)
    os.setresuid(status.st_uid, status.st_uid, status.st_uid)
    os.umask(0o077)


async def settings_of(store: Store) -> Settings:
    """What the filter noted; the defaults where none has used the store yet."""
    noted = await store.noted(SETTINGS)
    words = [] if noted is None else noted.decode("ascii", "replace").split()
    values = dict(zip(words[::2], words[1::2], strict=False))
    try:
        return Settings(parse_timers(values.get("-G", "25:4:864")), parse_prefixes(values.get("-k", "24:64")))
    except UsageError:
        return Settings()


def complain(text: str) -> None:
    """A line on stderr."""
    sys.stderr.write(f"filterctl: greylist: {printable(text, 900)}\n")
