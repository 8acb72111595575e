"""What a Redis URL says.

    redis://[user:password@]host[:port][/db][?prefix=…&fallback=/path]
    rediss://…                                                              the same over TLS, certificate checked
    redis+sentinel://[user:password@]host[:port],host[:port]…/name[/db][?sentinel_password=…]

``prefix`` (``greylist:``) begins every name in Redis, so that several greylists share a server; ``fallback`` is the
SQLite file that carries on while Redis is away; ``ca`` is a file with the certificate authorities of rediss://.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from filter_api.errors import ConfigError
from filter_greylist.store.spec import DEFAULT_PATH, Spec
from filter_greylist.store.url import split_url

PORT = 6379
SENTINEL_PORT = 26379
DEFAULT_FALLBACK = os.path.join(os.path.dirname(DEFAULT_PATH), "fallback.db")
_OPTIONS = frozenset({"prefix", "fallback", "ca", "sentinel_password"})

Host = tuple[str, int]


class Target(NamedTuple):
    """A Redis server, or the Sentinels that know it (then `master` names it)."""

    shown: str
    hosts: tuple[Host, ...]
    master: str | None
    db: int
    username: str | None
    password: str | None
    sentinel_password: str | None
    tls: bool
    ca: str | None
    prefix: bytes
    fallback: str


def parse_target(spec: Spec) -> Target:
    """Take a URL apart; ConfigError names it (never its password) and what is wrong with it."""
    try:
        return _target(spec)
    except ValueError as error:
        raise ConfigError(f"-f {spec.shown}: {error}") from None


def _target(spec: Spec) -> Target:
    url = split_url(spec.url)
    if url is None:
        raise ValueError("not a URL")
    sentinel = url.scheme.endswith("+sentinel")
    if unknown := sorted(url.options.keys() - _OPTIONS):
        raise ValueError(f"unknown option {unknown[0]!r}")
    path = list(url.path)
    if len(path) > (2 if sentinel else 1) or (sentinel and not path):
        raise ValueError("the path is /name/db for Sentinel, /db otherwise")
    return Target(
        shown=spec.shown,
        hosts=tuple(_host(host, SENTINEL_PORT if sentinel else PORT) for host in url.hosts),
        master=path.pop(0) if sentinel else None,
        db=_number(path[0]) if path else 0,
        username=url.user,
        password=url.password,
        sentinel_password=url.options.get("sentinel_password"),
        tls=url.scheme.startswith("rediss"),
        ca=url.options.get("ca"),
        prefix=url.options.get("prefix", "greylist:").encode("utf-8"),
        fallback=url.options.get("fallback", DEFAULT_FALLBACK),
    )


def _host(text: str, port: int) -> Host:
    """``host``, ``host:port`` or ``[2001:db8::1]:port``."""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or rest[:1] not in {"", ":"}:
            raise ValueError(f"{text!r} is no [address]:port")
        number = rest[1:]
    else:
        host, _, number = text.partition(":")
    if not host:
        raise ValueError("a host is missing")
    return host, _number(number) if number else port


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise ValueError(f"{text!r} is no number of a port or database")
    return int(text)
