"""Whether a user may read or run a file: by owner, group, mode and every folder above it.

Used for another user than the one filterctl runs as, for which access(2) has no answer. smtpd gives a filter exactly
one group (setgroups with the primary one), so that is all that counts here; ACLs are not looked at.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from filter_api.errors import ConfigError

SMTPD_USERS = ("_smtpd", "opensmtpd", "smtpd")
"""SMTPD_USER of OpenBSD, Debian and other ports: whom a filter runs as if its line names nobody."""


class Identity(NamedTuple):
    """Whom a filter runs as."""

    user: str
    uid: int
    gid: int


def identity(user: str | None, group: str | None) -> Identity:
    """The identity smtpd gives a filter with these options; ConfigError if there is no such user or group.

    Without smtpd on this machine, and so without its user, ``nobody`` stands for it.
    """
    entry = _user(user) if user is not None else _smtpd_user()
    gid = entry.pw_gid
    if group is not None:
        try:
            gid = grp.getgrnam(group).gr_gid
        except KeyError:
            raise ConfigError(f"no group {group}: make it, or name another on this line") from None
    return Identity(entry.pw_name, entry.pw_uid, gid)


@contextmanager
def rights_of(who: Identity) -> Iterator[None]:
    """Open files as this user, where root asks; anybody else goes on as himself. Holds for all threads."""
    if os.geteuid() != 0 or who.uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([who.gid])
    os.setegid(who.gid)
    os.seteuid(who.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def why_not(path: str, who: Identity, *, wanted: int = os.R_OK) -> str | None:
    """What keeps `who` from a file (a folder or the file itself), with the remedy, or None; none of what is not there.

    `wanted`: os.R_OK, os.W_OK, os.X_OK or a sum of them.
    """
    if who.uid == 0:
        return None
    real = os.path.realpath(path)
    parents = real.split(os.sep)[1:-1]
    folder = os.sep
    for name in ("", *parents):
        folder = os.path.join(folder, name) if name else folder
        if not os.path.isdir(folder):
            return None
        if not _allowed(os.stat(folder), who, os.X_OK):
            return f"{folder} cannot be entered by {who.user}: chmod o+x {folder}"
    if not os.path.exists(real):
        return None
    status = os.stat(real)
    if not _allowed(status, who, wanted):
        verbs = [word for bit, word in ((os.R_OK, "read"), (os.W_OK, "written"), (os.X_OK, "run")) if wanted & bit]
        return f"{real} cannot be {' and '.join(verbs)} by {who.user}: {_remedy(real, status, who, wanted)}"
    return None


def _remedy(path: str, status: os.stat_result, who: Identity, wanted: int) -> str:
    if wanted & os.X_OK:
        return f"chmod 0755 {path}"
    if stat.S_ISSOCK(status.st_mode):
        group = _name(status.st_gid, lambda number: grp.getgrgid(number).gr_name)
        open_to_group = status.st_mode & stat.S_IWGRP and status.st_gid != 0
        return f"write group {group} on the filter's line" if open_to_group else "let its daemon open it to a group"
    if status.st_uid == who.uid:
        return f"chmod u+rw {path}"
    owner = _name(status.st_uid, lambda number: pwd.getpwuid(number).pw_name)
    return f"chown {who.user} {path}" + (f", or write user {owner} on the filter's line" if status.st_uid else "")


def _name(number: int, look_up: Callable[[int], str]) -> str:
    try:
        return look_up(number)
    except KeyError:
        return str(number)


def _allowed(status: os.stat_result, who: Identity, wanted: int) -> bool:
    shift = 6 if status.st_uid == who.uid else 3 if status.st_gid == who.gid else 0
    return (stat.S_IMODE(status.st_mode) >> shift) & wanted == wanted


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise ConfigError(f"no user {name}: make it, or name another on this line") from None


def _smtpd_user() -> pwd.struct_passwd:
    for name in SMTPD_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return _user("nobody")
