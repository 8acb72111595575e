"""Make the store that a spec names.

store = open_spec(parse_spec("/var/lib/greylist/greylist.db"), log)
await store.open()
"""

from __future__ import annotations

from filter_api.errors import ConfigError
from filter_greylist.store.base import DEFAULT_BOUNDS, Bounds, Log, Store
from filter_greylist.store.fallback import FallbackStore
from filter_greylist.store.redis.connect import check_target
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.spec import Spec, parse_spec
from filter_greylist.store.sqlite.schema import check_directory
from filter_greylist.store.sqlite.store import SqliteStore
from filter_greylist.store.target import parse_target

UNBOUNDED = 1 << 40


def open_spec(spec: Spec, log: Log, bounds: Bounds = DEFAULT_BOUNDS, *, alone: bool = False) -> Store:
    """The store a spec names, not opened yet; `log` gets a line when something happens to it. Raises ConfigError.

    alone: for the operator's tool, without a local store that carries on when Redis is away; and what an operator adds
    is not bounded.
    """
    if alone:
        bounds = bounds._replace(hosts=UNBOUNDED, learned=UNBOUNDED)
    if spec.is_path:
        return _open_file(spec, log, bounds, copies=False)
    target = parse_target(spec)
    check_target(target)
    remote = RedisStore(target, log, bounds)
    if alone:
        return remote
    return FallbackStore(remote, _open_file(parse_spec(target.fallback), log, bounds, copies=True), log)


def _open_file(spec: Spec, log: Log, bounds: Bounds, *, copies: bool) -> SqliteStore:
    if not spec.is_path:
        raise ConfigError(f"fallback={spec.shown}: not the path of a file")
    if (trouble := check_directory(spec.url)) is not None:
        raise ConfigError(f"-f {spec.url}: {trouble}")
    return SqliteStore(spec.url, log, bounds, copies=copies)
