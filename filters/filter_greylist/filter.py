"""filter-greylist(8): who was never seen before is asked to come back; who does so is let in, and soon known.

`Greylist` decides at RCPT TO; for the null sender at DATA, so that a server which only asks whether an address exists
is not put off. It gathers facts, has them judged by `judge` and `policy`, and turns the outcome into a reply. A store
that cannot be asked stops no mail: the failure policy is to accept.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Sequence
from functools import cached_property
from importlib import import_module
from typing import ClassVar

from filter_api import trust
from filter_api.bases.trusting import TrustingFilter
from filter_api.confinement.needs import Needs
from filter_api.decision import AddHeader, Decision, Failure, Proceed, Reject, Verdict
from filter_api.errors import CannotCheck
from filter_api.figures import Figure
from filter_api.message.message import Message
from filter_api.net.breaker import Breaker
from filter_api.net.dns import Resolver
from filter_api.net.dnsbl import SelfTests
from filter_api.net.vouching import Vouching
from filter_api.session import PerTransaction, Session
from filter_api.text.addresses import Address, is_role_address, parse_source
from filter_api.wanted import Wanted
from filter_greylist.deciding.clock import CurrentClock, SteadyClock
from filter_greylist.deciding.judge import Case, Judge
from filter_greylist.deciding.learner import Learner
from filter_greylist.deciding.listed import ListedClients
from filter_greylist.deciding.tarpit import Tarpit
from filter_greylist.deciding.trap import LowPriorityMx, SeenClients, Traps
from filter_greylist.deciding.upkeep import Upkeep
from filter_greylist.options import Options, parse
from filter_greylist.rules import policy
from filter_greylist.rules.key import network_name, normal_recipient
from filter_greylist.rules.policy import Delay, Facts, Outcome, Pass, Trap
from filter_greylist.rules.records import address_name
from filter_greylist.store.background import Background
from filter_greylist.store.base import Store, StoreError
from filter_greylist.store.needs import store_needs
from filter_greylist.store.opening import open_spec

DNS_SECONDS = 4.0
"""For SPF in one decision; less if -T leaves less."""

NULL_RECIPIENTS = 100
"""Recipients of a null sender that are looked at; a bounce has one."""

UNREPORTED = b"?"
"""Stands for the recipients of a null sender that smtpd did not report."""

TASKS = 1000
"""Writes after commit that may be under way; more are dropped, as they only refresh what is known."""

_RENEWED = frozenset({"white", "retried"})


class Delivery:
    """What the commit and the header need of a transaction whose client is white or has come back.

    first: when the tuple was first seen, 0 for a white client. delayed: seconds it had to wait.
    """

    __slots__ = ("delayed", "first")

    def __init__(self) -> None:
        self.first = 0
        self.delayed = 0


class Greylist(TrustingFilter):
    """The filter."""

    name: ClassVar[str] = "filter-greylist"
    default_failure: ClassVar[Failure] = Failure.ACCEPT
    reasons: ClassVar[tuple[str, ...]] = policy.REASONS

    deliveries = PerTransaction(Delivery)

    def __init__(
        self, own: Options | None = None, store: Store | None = None, resolver: Resolver | None = None
    ) -> None:
        """`store` and `resolver` are for tests; by default they are what the options and resolv.conf(5) name."""
        super().__init__(resolver)
        self.own = own or Options()
        self.store = store or open_spec(self.own.store, self._store_says, self.own.bounds)
        self.clock = SteadyClock()
        self.store.clock = CurrentClock(lambda: self.clock)
        self.breaker = Breaker("greylist store")
        self.traps = Traps(self.own.traps, self.own.allowed)
        self.low_mx = LowPriorityMx(self.own.low_mx, time.monotonic())
        self.seen = SeenClients(self.own.timers.grey)
        self.tarpit = Tarpit(self.own.tarpit)
        self.learner = Learner(self)
        self.upkeep = Upkeep(self)
        self._opened = asyncio.Event()
        self.background = Background(TASKS, lambda error: self.breaker.failed(str(error)), self._opened)

    def wanted(self) -> Wanted:
        """-x needs the messages, -o the reports of outgoing connections."""
        wanted = super().wanted()
        return Wanted(wanted.hooks if self.own.header else wanted.without("on_message").hooks, outgoing=self.own.learn)

    @property
    def vouching(self) -> Vouching:
        """Asks SPF, and remembers; with -c, for the domains listed there, too."""
        if self._vouching is None and self.own.common is not None:
            self._vouching = Vouching(self.resolver, self.monotonic, self.own.common)
        return super().vouching

    @cached_property
    def judge(self) -> Judge:
        """Decides."""
        return Judge(self.store, self.vouching, self.own.timers, self.own.prefixes, self.learner.white)

    @cached_property
    def listed(self) -> ListedClients:
        """Asks the lists of -l."""
        made = (self.resolver, self.monotonic)
        tests = SelfTests(*made) if self._own_resolver else self.context.shared(SelfTests, *made)
        return ListedClients(self.own.lists, self.resolver, tests, self._list_says, self.monotonic)

    def _list_says(self, shown: str, why: str) -> None:
        self.log.warning(None, "list", list=shown, why=why)

    # --- life ----------------------------------------------------------------------------------------------------

    def needs(self) -> Needs:
        """Name servers, and the store."""
        return super().needs() | store_needs(self.own.store)

    def figures(self) -> Sequence[Figure]:
        """Those of the store, of what has expired in it, and of the lists of -l."""
        listed = self.listed.figures() if self.own.lists else ()
        return [*super().figures(), *self.store.figures(), *self.upkeep.figures(), *listed]

    def preload(self) -> None:
        """What the store and -u will need, too."""
        super().preload()
        self.store.preload()
        import_module("filter_api.names.dynamic")

    async def started(self) -> None:
        """Open the store; from now on it is kept tidy."""
        self.clock = SteadyClock(self.wall, self.monotonic)
        self.low_mx = LowPriorityMx(self.own.low_mx, self.monotonic())
        try:
            await self.store.open()
        finally:
            self._opened.set()
        self.upkeep.start()

    async def stopping(self) -> None:
        """Write what is still to be written."""
        await self.upkeep.stop()
        self._opened.set()  # nobody waits for what will not come
        await self.background.finish()
        await self.store.close()

    def _store_says(self, text: str) -> None:
        self.log.warning(None, "store", note=text)

    # --- questions -----------------------------------------------------------------------------------------------

    def saw_connect(self, session: Session) -> None:
        """Option -M needs to know which listeners are served here, and who was at the primary."""
        if session.outgoing or (self.own.low_mx is None and self.low_mx.is_primary and not self.low_mx.is_noted):
            return
        destination, port = parse_source(session.destination)
        if self.low_mx.saw(destination, port):
            self.log.error(None, "option-M", note="listeners on the wildcard address cannot be told apart; -M is off")
        address = session.address
        if address is not None and self.low_mx.is_noted and self.low_mx.serves_first(destination, port):
            self._note(address)

    def _note(self, address: Address) -> None:
        if self.seen.add(self._network(address), self.monotonic()):
            self.background.begin(self.judge.note(address, self.clock.now()))

    def _network(self, address: Address) -> bytes:
        return network_name(address, self.own.prefixes)

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision | Awaitable[Decision]:
        """Whoever is ours or exempt is not asked to wait, and the roles of RFC 5321 §4.5.1 hear everybody."""
        if session.sender == b"" or self._let_alone(session, recipient):
            return Proceed()
        return self._decide(session, [recipient])

    def on_data(self, session: Session) -> Decision | Awaitable[Decision]:
        """A null sender is judged here. So is a recipient that smtpd did not report, as if all of them were one."""
        transaction = session.transaction
        if transaction is None or transaction.sender != b"":
            return Proceed()
        recipients = [each for each in transaction.recipients if not self._let_alone(session, each)]
        recipients = recipients[:NULL_RECIPIENTS]
        if not transaction.recipients_complete and not (self.ours(session) or self.exempt(session)):
            recipients.append(UNREPORTED)
        return self._decide(session, recipients) if recipients else Proceed()

    def _let_alone(self, session: Session, recipient: bytes) -> bool:
        return self.ours(session) or is_role_address(recipient) or self.exempt(session, recipient)

    # --- the decision --------------------------------------------------------------------------------------------

    async def _decide(self, session: Session, recipients: list[bytes]) -> Decision:
        """Judge the delivery to each recipient (several for a null sender only); the worst outcome decides."""
        address = session.address
        if address is None:
            raise CannotCheck(trust.UNTOLD)
        if not self.breaker.admits():
            raise CannotCheck("the store is down")
        overdue = asyncio.get_running_loop().time() + 0.9 * self._seconds
        try:
            if not self._opened.is_set():  # the first clients of a server that has just started
                await self._opened.wait()
            self.clock.now()
            if self.upkeep.unsettled:
                await self.upkeep.settle()
            outcomes = [await self._judge(session, address, recipient) for recipient in recipients]
        except StoreError as error:
            self.breaker.failed(str(error))
            raise CannotCheck(f"store: {error}") from error
        except asyncio.CancelledError:
            if asyncio.get_running_loop().time() >= overdue:
                self.breaker.failed("it does not answer in time")
            raise
        self.breaker.succeeded()
        outcome = max(outcomes, key=_severity)
        if isinstance(outcome, Pass):
            self.log.debug(session, "passed", reason=outcome.reason, delayed=outcome.delayed, client=address)
            return Proceed()
        return self._wait(outcome) if isinstance(outcome, Delay) else await self._refuse(address, outcome)

    async def _judge(self, session: Session, address: Address, recipient: bytes) -> Outcome:
        sender = session.sender
        case = Case(
            address=address,
            sender=sender,
            recipient=recipient,
            helo=session.identity or b"",
            listed=self.exempt_if_vouched(sender),
            now=self.clock.now(),
            deadline=asyncio.get_running_loop().time() + min(DNS_SECONDS, 0.5 * self._seconds),
        )
        trap = self.traps.reason(normal_recipient(recipient))
        facts = Facts(
            null_sender=sender == b"",
            trap=trap,
            trap_settled=self.traps.is_settled(trap),
            suspicious=await self._is_suspicious(session, address, case.deadline),
            low_mx=self.own.low_mx is not None
            and not self.seen.has(self._network(address), self.monotonic())
            and self.low_mx.out_of_order(
                session.destination_address, self.monotonic(), falling_back=self.store.falling_back
            ),
        )
        outcome = await self.judge.judge(case, facts)
        self._keep(session, outcome, case.now)
        return outcome

    async def _is_suspicious(self, session: Session, address: Address, deadline: float) -> bool:
        """Options -l and -u: whether this client waits; without them everybody does."""
        if self.own.lists and (waits := await self.listed.waits(address, deadline)) is not None:
            return waits
        return _suspicious(session) if self.own.suspicious_only else not self.own.lists

    def _keep(self, session: Session, outcome: Outcome, now: int) -> None:
        """Note what a commit will make white; nothing for all the others, of whom there are many."""
        if not isinstance(outcome, Pass) or outcome.reason not in _RENEWED or session.transaction is None:
            return
        delivery = self.deliveries[session]
        if outcome.reason == "retried":
            delivery.first = min(delivery.first or now, now - outcome.delayed)
            delivery.delayed = max(delivery.delayed, outcome.delayed)

    @property
    def _seconds(self) -> float:
        """How long a decision may take."""
        return self.options.timeout or self.command_deadline

    def _wait(self, outcome: Delay) -> Reject:
        minutes = policy.minutes_left(outcome.seconds)
        when = f" in {minutes} {'minute' if minutes == 1 else 'minutes'}" if outcome.seconds > 0 else ""
        text = f"greylisted, please try again{when}"
        return Reject(451, "4.7.1", text, facts={"reason": outcome.reason, "wait": outcome.seconds})

    async def _refuse(self, address: Address, outcome: Trap) -> Reject:
        held = 0.0 if self.options.observe else await self.tarpit.hold(address_name(address), 0.8 * self._seconds)
        facts = {"reason": outcome.reason, "held": round(held, 1)}
        if self.own.trapped_code == 550:
            return Reject(550, "5.7.1", "your host sends spam and is not welcome here", facts=facts)
        return Reject(450, "4.7.1", "your host is trapped, please try again tomorrow", facts=facts)

    # --- what is learned -----------------------------------------------------------------------------------------

    def saw_commit(self, session: Session, size: int) -> None:
        """Only a message that is in the queue makes its client white, or teaches who our users write to."""
        transaction, now = session.transaction, self.clock.now()
        if transaction is None:
            return
        if session.outgoing:
            self.learner.taken(session, transaction, now)
        elif self.ours(session):
            self.learner.sent(session, transaction, now)
        elif session in self.deliveries and session.address is not None:
            self.learner.whiten(session.address, self.deliveries[session].first or now, now, passed=1)

    def on_message(self, session: Session, message: Message) -> Verdict:
        """Option -x: what had to wait says so."""
        if session not in self.deliveries or not (seconds := self.deliveries[session].delayed):
            return Verdict()
        host = self.server.admd.decode("ascii", "replace") or socket.gethostname()
        return Verdict(edits=[AddHeader("X-Greylist", f"delayed {seconds} seconds by {host}")])


def _severity(outcome: Outcome) -> tuple[int, int]:
    """For a null sender with several recipients: a trap outweighs a delay, and the longest delay the others."""
    if isinstance(outcome, Trap):
        return (2, 0)
    return (1, outcome.seconds) if isinstance(outcome, Delay) else (0, 0)


def _suspicious(session: Session) -> bool:
    """Option -u: no name that leads back to the address, or one of a residential line."""
    if session.rdns is None or session.fcrdns != "pass" or session.address is None:
        return True
    from filter_api.names.dynamic import DEFAULT_REFUSE, score

    return score(session.rdns, session.address).total >= DEFAULT_REFUSE


def build(arguments: Sequence[str], store: Store | None = None, resolver: Resolver | None = None) -> Greylist:
    """Make the filter a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    built = Greylist(own, store, resolver)
    built.options = common
    return built
