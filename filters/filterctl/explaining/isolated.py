"""Have something done in a process of its own, as another user, and get a value back: what runs there leaves no trace.

A filter reads its files with the rights of its user, so it can be asked truly only with these.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from filter_api.errors import ConfigError, UsageError, reason
from filter_api.options import VersionWanted
from filterctl.programs.access import Identity


def as_user(who: Identity, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """What `work` gives, as lists and texts. As whom it ran: root becomes `who`, anybody else stays himself.

    Raises ConfigError for what `work` raises of UsageError, ConfigError and OSError, and where it ends without a value.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(who, work, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    found = json.loads(data) if data else {"error": "it ended without an answer"}
    if "error" in found:
        raise ConfigError(found["error"])
    return found["value"]


def _child(who: Identity, work: Callable[[], Any], writing: int) -> None:
    """Never returns."""
    status = 1
    try:
        _become(who)
        found = {"value": work()}
        status = 0
    except VersionWanted:
        found = {"error": "only prints its version"}
    except OSError as error:
        found = {"error": f"{error.filename}: {reason(error)}" if error.filename else reason(error)}
    except (UsageError, ConfigError) as error:
        found = {"error": str(error)}
    except BaseException as error:  # noqa: BLE001 - the process ends here, whatever it was
        found = {"error": f"{type(error).__name__}: {error}"}
    try:
        with open(writing, "wb") as pipe:
            pipe.write(json.dumps(found).encode("ascii"))
    finally:
        os._exit(status)


def _become(who: Identity) -> None:
    if os.geteuid() != 0 or who.uid == 0:
        return
    os.setgroups([who.gid])
    os.setresgid(who.gid, who.gid, who.gid)
    os.setresuid(who.uid, who.uid, who.uid)
    os.umask(0o077)
