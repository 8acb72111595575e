"""A private smtpd whose filter-greylist keeps its store where the filter's user may write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.smtpd.honest import HONEST
from tools.private_smtpd import Smtpd, Zone

STORE = "/var/lib/greylist/greylist.db"


@contextmanager
def greylisting(
    version: str, start: str, config: str, *, zone: Zone, files: Mapping[str, str | bytes] | None = None
) -> Iterator[Smtpd]:
    """Run smtpd with `start`, make the directory of the store, and go on with `config`."""
    with Smtpd(version, start, zone=zone, files=files) as running:
        code, output = running.room.run(["install", "-d", "-o", "opensmtpd", "-m", "700", "/var/lib/greylist"])
        assert code == 0, output
        running.restart(config)
        yield running
        assert running.alive(), running.log()
        assert "Traceback" not in running.log()


def let_in(smtpd: Smtpd) -> None:
    """The honest client is asked to come back, and comes back."""
    for _ in range(2):
        with smtpd.client(HONEST) as client:
            client.deliver(b"Subject: first\r\n\r\nx\r\n", sender="joe@honest.example")
