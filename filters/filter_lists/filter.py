"""filter-lists(8): turn away clients that are on black lists, one's own or published ones.

Nothing is asked of anybody, except of SPF where ``-W`` lists the sender.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Sequence
from typing import TYPE_CHECKING, ClassVar

from filter_api.bases import judging
from filter_api.bases.phase import Phase
from filter_api.confinement.needs import Needs
from filter_api.decision import Decision, Proceed, Reject
from filter_api.figures import Figure
from filter_api.files.reloading import ReloadingFile
from filter_api.session import Session
from filter_lists import policy
from filter_lists.book import Book, read_book
from filter_lists.options import Options, parse

if TYPE_CHECKING:
    from filter_api.net.dns import Resolver


class Lists(judging.JudgingFilter):
    """Refuses or marks at the phase of -p."""

    name: ClassVar[str] = "filter-lists"
    tempfail: ClassVar[Reject] = Reject(451, "4.7.1", "the client cannot be checked, try again later")
    permfail: ClassVar[Reject] = Reject(550, "5.7.1", "the client cannot be checked")
    reasons: ClassVar[tuple[str, ...]] = ("listed",)

    def __init__(self, own: Options, book: ReloadingFile[Book], resolver: Resolver | None = None) -> None:
        """`resolver` is for tests; by default the name servers of resolv.conf(5) are asked."""
        super().__init__(resolver)
        self.own = own
        self.book = book

    def asks_dns(self) -> bool:
        """Only of SPF, about senders that -W may list."""
        return self.options.exempt is not None

    def needs(self) -> Needs:
        """What SPF asks, and the directory of -d: lists.conf may name other lists in it later."""
        return super().needs() | Needs(trees=frozenset({self.own.directory}))

    def figures(self) -> Sequence[Figure]:
        """Those of each list."""
        lists, now = self.book.current().lists.values(), self.wall()
        return [*super().figures(), *(figure for each in lists for figure in each.figures(now))]

    def decides_at(self) -> Collection[Phase]:
        """At the phase of -p."""
        return (self.own.phase,)

    def judge(self, session: Session, phase: Phase, sender: bytes | None = None) -> Decision | Awaitable[Decision]:
        """Decide on a client; at once, unless SPF is asked for its sender."""
        if session.address is None or self.left_alone(session):
            return Proceed()
        found = self.book.current().judge(session.address, self.wall())
        if found.spared or found.unknown:
            spared = ",".join(f"{black}:{white}" for black, white in found.spared)
            self.log.debug(session, "judged", spared=spared, unknown=",".join(found.unknown))
        decision = policy.decide(found, self.own, phase)
        if sender and not isinstance(decision, Proceed) and self.exempt_if_vouched(sender):
            return self.unless_vouched(session, sender, decision, phase, self.deadline())
        return decision


def build(arguments: Sequence[str], resolver: Resolver | None = None) -> Lists:
    """Make the filter a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    built = Lists(own, read_book(own.conf, own.directory), resolver)
    built.options = common
    return built
