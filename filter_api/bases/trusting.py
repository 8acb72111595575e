"""The parent of filters that ask SPF whom to believe: `filter_api.trust` with a resolver.

class NoHosts(TrustingFilter):
    async def on_mail_from(self, session, sender):
        if await self.vouched(session, sender, deadline): ...
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from filter_api import trust
from filter_api.authenticated import Authentications
from filter_api.confinement.needs import Needs
from filter_api.filter import Filter
from filter_api.session import Session
from filter_api.trust import Exemption

if TYPE_CHECKING:
    from filter_api.net.dns import Resolver
    from filter_api.net.vouching import Vouched, Vouching


class TrustingFilter(Filter):
    """Resolver and memory are made at the first question: most installations never ask one.

    Filters of one process share them, so that each question is asked once.
    """

    later: ClassVar[tuple[str, ...]] = ("filter_api.net.vouching",)

    def __init__(self, resolver: Resolver | None = None) -> None:
        """`resolver` is for tests; by default the name servers of resolv.conf(5) are asked."""
        self._own_resolver = resolver is not None
        self._resolver = resolver
        self._vouching: Vouching | None = None

    def asks_dns(self) -> bool:
        """Whether this filter may ever ask the DNS; only then is it worth 5 MB to have dnspython loaded."""
        return True

    def needs(self) -> Needs:
        """Name servers, if they may be asked."""
        return Needs(dns=self.asks_dns())

    def preload(self) -> None:
        """What questions to SPF and to the DNS need."""
        super().preload()
        if self.asks_dns():
            import_module("filter_api.net.dns.dnspython")

    def ask_by(self, resolver: Resolver) -> None:
        """Ask these name servers instead of those of resolv.conf(5); before anything is asked."""
        self._own_resolver, self._resolver = True, resolver

    @property
    def resolver(self) -> Resolver:
        """Asks the DNS."""
        if self._resolver is None:
            from filter_api.net.dns import Resolver

            self._resolver = self.context.shared(Resolver)
        return self._resolver

    @property
    def vouching(self) -> Vouching:
        """Asks SPF, and remembers."""
        if self._vouching is None:
            from filter_api.net.vouching import Vouching

            made = (self.resolver, self.monotonic)
            self._vouching = Vouching(*made) if self._own_resolver else self.context.shared(Vouching, *made)
        return self._vouching

    def reload(self) -> None:
        """SIGHUP: a zone may have been corrected."""
        if self._vouching is not None:
            self._vouching.forget()
        elif self._resolver is not None:
            self._resolver.forget()

    async def vouched(self, session: Session, sender: bytes | None, deadline: float) -> Vouched:
        """Whether SPF vouches for a sender of this client. `deadline` is a time of the event loop."""
        from filter_api.net.vouching import NOBODY

        if session.address is None or sender is None:
            return NOBODY
        found = await self.vouching.sender(session.address, sender, session.identity or b"", deadline)
        if found.spf:
            self.log.info(session, "not-vouched", sender=sender, spf=found.spf, why=found.why)
        return found

    async def is_message_exempt(self, session: Session, deadline: float) -> Vouched:
        """Whether -W exempts a message.

        By its client, all of its recipients, its author if a signature of his domain holds, or its sender if SPF
        vouches for it.
        """
        from filter_api.net.vouching import NOBODY, Vouched

        table = self.options.exempt
        if table is None:
            return NOBODY
        signed = self.context.shared(Authentications).signed_author(session) if table.has_authors else ""
        says = trust.message_exemption(table, session, signed)
        if says is Exemption.IF_VOUCHED:
            return await self.vouched(session, session.sender, deadline)
        return Vouched(says is Exemption.YES)
