"""The file of keys: what a list's provider gives its customers to put into the names of their questions.

One a line, a name and the key: ``dqs abcdefgh``. Whoever has a key asks at its owner's cost, so the file must be
readable by its owner alone, and no key is part of anything that is shown.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Final

from filter_api.bounds import MAX_KEY_FILE
from filter_api.errors import ConfigError, reason
from filter_api.text.escape import printable
from filter_api.text.lines import content_lines

_LINE: Final = rb"([A-Za-z0-9_-]{1,40})\s+([A-Za-z0-9-]{1,63})"


def read_keys(path: str) -> dict[str, str]:
    """The keys of a file by their names. Raises ConfigError, which names file and line and never what stands there."""
    shown = printable(path)
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{shown}: not a regular file")
            if status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                raise ConfigError(f"{shown}: mode {mode:04o} lets others read the keys; chmod 600 {shown}")
            data = file.read(MAX_KEY_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{shown}: {reason(error)}") from None
    if len(data) > MAX_KEY_FILE:
        raise ConfigError(f"{shown}: larger than {MAX_KEY_FILE} bytes, so it is no file of keys")
    keys: dict[str, str] = {}
    for line in content_lines(data):
        found = re.fullmatch(_LINE, line.text)
        if found is None:
            raise ConfigError(f"{shown}:{line.number}: a line is the name of a key, a blank, and the key")
        if found[1].decode() in keys:
            raise ConfigError(f"{shown}:{line.number}: the key {found[1].decode()} was given before; keep one of them")
        keys[found[1].decode()] = found[2].decode()
    return keys
