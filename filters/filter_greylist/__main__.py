"""filter-greylist(8): greylisting as spamd(8) does it, inside smtpd.

The class that runs is chosen by the options, as what a filter overrides is what smtpd asks it.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import ClassVar

from filter_api.decision import AddHeader, Edit, Verdict
from filter_api.message.message import Message
from filter_api.net.dns import Resolver
from filter_api.runtime.main import main
from filter_api.session import Session
from filter_greylist.filter import Greylist
from filter_greylist.options import USAGE, parse
from filter_greylist.store.base import Store


class WithHeader(Greylist):
    """-x: messages that had to wait say so. Only this one asks smtpd for the messages."""

    def on_message(self, session: Session, message: Message) -> Verdict:
        """Add X-Greylist to what was delayed."""
        edits: list[Edit] = []
        if session in self.deliveries and (seconds := self.deliveries[session].delayed):
            host = self.server.admd.decode("ascii", "replace") or socket.gethostname()
            edits.append(AddHeader("X-Greylist", f"delayed {seconds} seconds by {host}"))
        return Verdict(edits=edits)


class Learning(Greylist):
    """-o: the reports of outgoing connections are wanted as well."""

    watch_outgoing: ClassVar[bool] = True


class LearningWithHeader(WithHeader):
    """-o -x."""

    watch_outgoing: ClassVar[bool] = True


def build(arguments: Sequence[str], store: Store | None = None, resolver: Resolver | None = None) -> Greylist:
    """Make the filter a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    if own.header:
        kind: type[Greylist] = LearningWithHeader if own.learn else WithHeader
    else:
        kind = Learning if own.learn else Greylist
    built = kind(own, store, resolver)
    built.options = common
    return built


def run() -> None:
    """The console script."""
    main(build, usage=USAGE)


if __name__ == "__main__":
    run()
