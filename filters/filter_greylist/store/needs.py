"""What the store of -f needs once the filter runs: a directory, or a server and the directory of the file beside it."""

from __future__ import annotations

import os

from filter_api.confinement.needs import Needs
from filter_greylist.store.spec import Spec
from filter_greylist.store.target import parse_target


def store_needs(spec: Spec) -> Needs:
    """Sentinels name the server to ask, so its port is not known beforehand."""
    if spec.is_path:
        return _directory_of(spec.url)
    target = parse_target(spec)
    server = Needs(
        ports=frozenset(port for _, port in target.hosts),
        any_port=target.master is not None,
        names=True,
        trees=frozenset({target.ca} if target.ca else ()),
    )
    return server | _directory_of(target.fallback)


def _directory_of(path: str) -> Needs:
    """SQLite keeps its journal and its locks beside the file."""
    return Needs(keeps=frozenset({os.path.dirname(path)}))
