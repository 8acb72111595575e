"""Every figure that the filters of this suite and the parts of a process have, from the real ones."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path

from filter_api.figures import Figure
from filter_api.net.backend import Backend
from filter_api.net.dns import Resolver
from filter_api.net.dnsbl import parse_entry, subject_of_address
from filter_api.net.endpoint import parse_endpoint
from filter_api.testing.dns import FakeZone
from filter_clamav.filter import build as clamav
from filter_dnsbl.filter import build as dnsbl
from filter_greylist.filter import build as greylist
from filter_lists.filter import build as lists


def figures_of_process() -> list[Figure]:
    """Of a resolver and a daemon."""
    return [*Resolver().figures(), *Backend(parse_endpoint("127.0.0.1:783", 783)).figures()]


def figures_of_filters(directory: Path) -> list[Figure]:
    """Of each kind of filter that has some, with what it needs in a directory."""
    return asyncio.run(_of_filters(directory))


async def _of_filters(directory: Path) -> list[Figure]:
    for name in ("lists", "greylist", "quarantine"):
        (directory / name).mkdir(mode=0o700)
    (directory / "black").write_text("192.0.2.1\n")
    (directory / "lists.conf").write_text(f'mine black file:{directory}/black msg="no"\norder mine\n')
    asking = dnsbl(["-b", "zen.example", "-q"], Resolver(backend=FakeZone({})))
    inquiry = asking.lists.inquiry()
    inquiry.ask([parse_entry("zen.example")], [subject_of_address(ipaddress.ip_address("127.0.0.2"))])
    await inquiry.wait(lambda: False, asyncio.get_running_loop().time() + 5)
    made = [
        asking,
        clamav(["-q", str(directory / "quarantine")]),
        greylist(["-f", f"redis://127.0.0.1:1/0?fallback={directory}/greylist/greylist.db"]),
        lists(["-c", str(directory / "lists.conf"), "-d", str(directory / "lists")]),
    ]
    return [figure for each in made for figure in each.figures()]
