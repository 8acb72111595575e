"""Which store option -f names: a file of SQLite, a Redis URL, or a file that holds such a URL.

    spec = parse_spec("/var/lib/greylist/greylist.db")         # or redis://…, redis+sentinel://…, file:/path

`target` takes the URL apart further, `opening` makes the store.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import NamedTuple

from filter_api.errors import ConfigError, reason
from filter_greylist.store.url import split_url

DEFAULT_PATH = (
    "/var/db/greylist/greylist.db"
    if sys.platform.startswith("openbsd")
    else "/var/lib/opensmtpd-filters/greylist/greylist.db"
)


class Spec(NamedTuple):
    """Where a store is: a path for SQLite, or a Redis URL; `shown` is what may be printed of it."""

    url: str
    shown: str

    @property
    def is_path(self) -> bool:
        """Whether it is a file of SQLite."""
        return "://" not in self.url


SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
SECRETS = frozenset({"sentinel_password"})


def parse_spec(value: str) -> Spec:
    """What option -f says: a path, a URL, or ``file:/path`` of a file that holds the URL.

    Raises ConfigError for an unknown scheme, for a password in the command line (everybody who runs ps(1) would read
    it) and for a file with a password that others may read.
    """
    if value.startswith("file:"):
        path = value.removeprefix("file:")
        return _redis_spec(_secret_line(path), value)
    if "://" in value:
        url = split_url(value)
        if url is not None and (url.password is not None or SECRETS & url.options.keys()):
            raise ConfigError(
                f"-f {url.scheme}://...: no password in the command line; put the URL in a file: -f file:/path"
            )
        return _redis_spec(value, value if "@" not in value else value.partition("://")[0] + "://...")
    if not os.path.isabs(value):
        raise ConfigError(f"-f {value}: not an absolute path, nor a redis:// URL, nor file:/path")
    return Spec(value, value)


def _redis_spec(url: str, shown: str) -> Spec:
    parts = split_url(url)
    if parts is None or parts.scheme not in SCHEMES:
        raise ConfigError(f"-f {shown}: not a URL of redis://, rediss:// or redis+sentinel://")
    return Spec(url, shown)


def _secret_line(path: str) -> str:
    """The first line of a file only its owner (and group) may read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"-f file:{path}: not a regular file")
            if status.st_mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
                raise ConfigError(f"-f file:{path}: others may read or change it; chmod 0600 it")
            return file.readline().strip()
    except OSError as error:
        raise ConfigError(f"-f file:{path}: {reason(error)}") from None
    except UnicodeError:
        raise ConfigError(f"-f file:{path}: not a URL in UTF-8") from None
