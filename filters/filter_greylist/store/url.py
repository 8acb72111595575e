"""Take a Redis URL apart: ``scheme://[user[:password]@]host[,host…][/path][?option=value&…]``.

The standard library's urlsplit knows one host to a URL, and which lists of hosts it refuses depends on its version.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

_URL = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<user>[^:@/?]*)(?::(?P<password>[^@/?]*))?@)?"
    r"(?P<hosts>[^@/?]+)(?P<path>/[^?]*)?(?:\?(?P<options>.*))?"
)


class Url(NamedTuple):
    """The pieces, percent signs resolved."""

    scheme: str
    user: str | None
    password: str | None
    hosts: tuple[str, ...]
    path: tuple[str, ...]
    options: dict[str, str]


def split_url(text: str) -> Url | None:
    """The pieces of a URL; None if it is none."""
    match = _URL.fullmatch(text)
    if match is None:
        return None
    user, password, path = match["user"], match["password"], match["path"] or ""
    return Url(
        match["scheme"],
        unquote(user) if user else None,
        unquote(password) if password else None,
        tuple(match["hosts"].split(",")),
        tuple(unquote(piece) for piece in path.split("/") if piece),
        dict(parse_qsl(match["options"] or "", keep_blank_values=True)),
    )
