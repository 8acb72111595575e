"""Make a client of redis-py for a target: a single server or, through Sentinel, whichever is the master now.

Every connection has deadlines, keeps none of redis-py's retries, and speaks RESP2.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

from filter_api.errors import ConfigError
from filter_greylist.store.target import Target

CONNECT_SECONDS = 1.0
SOCKET_SECONDS = 2.0


def check_target(target: Target) -> None:
    """Say at start what would keep every connection from being made. Raises ConfigError."""
    if importlib.util.find_spec("redis") is None:
        raise ConfigError(
            f"-f {target.shown}: the redis module is missing: install python3-redis, py3-redis, or by pip "
            "opensmtpd-filters[redis]"
        )
    if target.ca is not None and not os.access(target.ca, os.R_OK):
        raise ConfigError(f"-f {target.shown}: {target.ca} cannot be read")


def load() -> None:
    """Import what a connection will need, and the ways of resolving names and of running threads with it."""
    for name in ("redis.asyncio", "redis.asyncio.sentinel", "redis.backoff", "encodings.idna"):
        importlib.import_module(name)


def make_client(target: Target) -> Any:  # noqa: ANN401 - no type is common to the versions of redis-py
    """A client, not connected yet."""
    return make_link(target)[0]


async def close(client: Any) -> None:  # noqa: ANN401 - as above
    """Close all connections of a client. Raises whatever goes wrong."""
    method = getattr(client, "aclose", None) or client.close  # redis-py before 5.0.1 has the latter only
    await method(close_connection_pool=True)  # an older redis-py leaves those open that were found by Sentinel


def make_link(target: Target) -> tuple[Any, Any]:
    """A client, not connected yet, and the Sentinels that know its server, or None."""
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.asyncio.sentinel import Sentinel
    from redis.backoff import NoBackoff

    common: dict[str, Any] = {
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
    }
    tls = _tls(target)
    login: dict[str, Any] = {"username": target.username, "password": target.password, "db": target.db}
    if target.master is None:
        host, port = target.hosts[0]
        return Redis(host=host, port=port, **login, **common, **tls), None
    sentinels: Any = Sentinel(  # type: ignore[no-untyped-call]  # redis-py has no types for it
        target.hosts,
        sentinel_kwargs={**common, **tls, "password": target.sentinel_password},
        **login,
        **common,
        **tls,
    )
    return sentinels.master_for(target.master), sentinels


def _tls(target: Target) -> dict[str, Any]:
    if not target.tls:
        return {}
    return {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": target.ca}
