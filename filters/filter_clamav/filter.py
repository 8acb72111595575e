"""filter-clamav(8): refuse mail in which clamd(8) finds something.

A message is scanned when it is whole, never while a client is still sending. What cannot be scanned is not taken for
clean: the client is told to come again, unless -F says otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from filter_api.bases.scanning import ScanningFilter
from filter_api.decision import Edit, Failure, Reject, Verdict
from filter_api.message.message import Message
from filter_api.net.backend import BackendError
from filter_api.session import Session
from filter_clamav import policy
from filter_clamav.clamd import VERSION, Found, TooLarge, scan
from filter_clamav.options import Options, parse
from filter_clamav.policy import Action

if TYPE_CHECKING:
    from filter_api.net.dns import Resolver

VERSION_AGE = 300.0
"""Seconds after which clamd is asked for its version again: freshclam(1) brings new signatures every few hours."""

VERSION_SECONDS = 2.0
"""Seconds a message waits for that answer; without it the last one is shown."""


class ClamAv(ScanningFilter):
    """Scans every message, those of our own users too: it is their machines that send viruses."""

    name: ClassVar[str] = "filter-clamav"
    default_failure: ClassVar[Failure] = Failure.TEMPFAIL
    tempfail: ClassVar[Reject] = Reject(451, "4.7.1", "message cannot be scanned for viruses now, try again later")
    permfail: ClassVar[Reject] = Reject(554, "5.7.1", "message cannot be scanned for viruses")
    reasons: ClassVar[tuple[str, ...]] = ("clean", "virus", "toolarge", "exempt")

    def __init__(self, own: Options, resolver: Resolver | None = None) -> None:
        super().__init__(own.scan, resolver)
        self.own = own
        self.version = ""
        self._version_asked = float("-inf")

    def unchecked(self) -> Sequence[Edit]:
        """Option -F accept: it goes on, and says that nobody looked."""
        return policy.unscanned("scanner not available")

    async def examine(self, session: Session, message: Message, deadline: float) -> Verdict:
        """Scan a message."""
        if await self.is_exempt(session, deadline):
            return Verdict(edits=policy.unscanned("exempt"), facts={"result": "skipped", "reason": "exempt"})
        if await self.is_too_large(message):
            edits = policy.unscanned(f"larger than {self.settings.size_limit} bytes")
            return Verdict(edits=edits, facts={"result": "toolarge"})
        result = await self.settings.backends.ask(scan(message.text), deadline)
        if isinstance(result, TooLarge):
            return Verdict(policy.TOO_LARGE, facts={"result": "toolarge"})
        version = await self.current_version(deadline) if self.own.headers else None
        if isinstance(result, Found):
            return await self.found(session, message, result.name, version, deadline)
        return Verdict(edits=policy.scanned("Clean", version, self.host), facts={"result": "clean"})

    async def found(
        self, session: Session, message: Message, name: str, version: str | None, deadline: float
    ) -> Verdict:
        """Do what -i says of this name."""
        facts = {"result": "virus", "virus": name}
        action = self.own.policy.actions.of(name)
        if action is Action.REJECT:
            return await self.refuse(session, message, self.own.policy.refusal(name), facts, deadline)
        status = f"Infected ({name})" if action is Action.MARK else f"Clean ({name} accepted)"
        return Verdict(edits=policy.scanned(status, version, self.host), facts={**facts, "rule": action.value})

    async def current_version(self, deadline: float) -> str:
        """clamd's version and database, as fresh as `VERSION_AGE`; empty while it was never heard."""
        now = asyncio.get_running_loop().time()
        if now - self._version_asked >= VERSION_AGE:
            self._version_asked = now
            try:
                self.version = await self.settings.backends.ask(VERSION, min(deadline, now + VERSION_SECONDS))
            except BackendError as error:
                self.log.debug(None, "version", reason=str(error))
        return self.version


def build(arguments: Sequence[str], resolver: Resolver | None = None) -> ClamAv:
    """Make the filter a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    built = ClamAv(own, resolver)
    built.options = common
    return built
