"""What ``filterctl doctor`` asks about a line of filter-greylist: is its store sound, does its Redis answer?"""

from __future__ import annotations

import asyncio
import getopt
import glob
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final
from urllib.parse import quote

from filter_api.options import COMMON_LETTERS
from filter_greylist.options import LETTERS
from filter_greylist.store.redis.connect import close, make_client
from filter_greylist.store.spec import DEFAULT_PATH, Spec, parse_spec
from filter_greylist.store.target import parse_target

OLDEST_REDIS: Final = 7
LEAST_FREE: Final = 0.05
"""Part of the file system below which the store is close to being unable to learn."""

_BUSY_SECONDS: Final = 5.0

Remark = tuple[str, str]


def diagnose(arguments: Sequence[str], *, largest_message: int) -> list[Remark]:
    """Severity and text of what is found. arguments: the filter's; largest_message: not asked here.

    Raises ConfigError for a store the filter would not start with.
    """
    try:
        options, _ = getopt.getopt(list(arguments), LETTERS + COMMON_LETTERS)
    except getopt.GetoptError:
        return []  # told by check
    spec = parse_spec(dict(options).get("-f", DEFAULT_PATH))
    return _diagnose_file(spec.url) if spec.is_path else asyncio.run(_diagnose_redis(spec))


def _diagnose_file(path: str) -> list[Remark]:
    if not os.path.exists(path):
        return [("note", f"{path}: not there yet, the filter makes it")]
    found = [
        ("warning", f"{name}: set aside because it was damaged") for name in sorted(glob.glob(f"{path}.corrupt-*"))
    ]
    room = os.statvfs(path)
    if room.f_bavail < LEAST_FREE * room.f_blocks:
        found.append(("warning", f"{path}: the file system is nearly full"))
    try:
        # SQLite gives a -wal or -shm it makes as root to the owner of the database.
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as store:
            (verdict,) = store.execute("PRAGMA quick_check(1)").fetchone()
            (tuples,) = store.execute("SELECT tuples FROM tally").fetchone()
    except sqlite3.Error as error:
        return [*found, ("error", f"{path}: {error}")]
    if verdict != "ok":
        return [*found, ("error", f"{path}: damaged: {verdict}")]
    return [*found, ("ok", f"{path}: sound, {tuples} tuple{'' if tuples == 1 else 's'}")]


async def _diagnose_redis(spec: Spec) -> list[Remark]:
    from redis.exceptions import RedisError

    client = make_client(parse_target(spec))
    try:
        info: dict[str, Any] = await client.info()
    except (RedisError, OSError) as error:
        return [("error", f"{spec.shown}: {error}")]
    finally:
        await close(client)
    version = str(info.get("redis_version", "0"))
    found = [("ok", f"{spec.shown}: version {version}, {info.get('used_memory_human', 'unknown')} in use")]
    if int(version.partition(".")[0]) < OLDEST_REDIS:
        found.append(("warning", f"{spec.shown}: before version {OLDEST_REDIS} it was not tried"))
    policy = info.get("maxmemory_policy", "noeviction")
    if info.get("maxmemory") and policy != "noeviction":
        found.append(("warning", f"{spec.shown}: maxmemory-policy {policy} drops what was learned; use noeviction"))
    if not info.get("aof_enabled"):
        found.append(
            ("note", f"{spec.shown}: without appendonly a crash loses what was learned since the last snapshot")
        )
    return found
