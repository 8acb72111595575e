"""``filterctl explain greylist``: what the filter would do with a delivery and why.

    filterctl explain greylist [options of filter-greylist] address from to [helo]

It is the filter that decides, with the options of its line of smtpd.conf and a store that is only looked at; what the
filter noted in the store counts where -G and -k are not given. Exit status 1 means that the mail would be refused for
now.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from ipaddress import ip_address

from filter_api.decision import Decision, Disconnect, Reject
from filter_api.errors import CannotCheck, ConfigError, UsageError
from filter_api.filter import Filter
from filter_api.log import Logger
from filter_api.net.dns import Resolver
from filter_api.net.rdns import Finding, look_up
from filter_api.options import COMMON_OPTIONS, CommonOptions, options_of
from filter_api.session import Session, Transaction
from filter_api.text.addresses import Address, is_role_address, plain_address
from filter_api.text.escape import parse_pairs, printable, unescape
from filter_greylist.deciding.judge import Case, seen_tuple, tuple_of
from filter_greylist.deciding.tarpit import Tarpit
from filter_greylist.filter import Greylist
from filter_greylist.options import OPTIONS, Options, parse
from filter_greylist.rules import policy
from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Life, Tuple
from filter_greylist.store.base import Store, StoreError
from filter_greylist.tool.listing import in_words, typed
from filter_greylist.tool.looking import Looking, TellingVouching
from filter_greylist.tool.opening import open_as_owner, settings_of

SECONDS = 10.0


def run(arguments: list[str], resolver: Resolver | None = None) -> int:
    """Explain one delivery; `resolver` is for tests. Raises UsageError and ConfigError."""
    options, rest = options_of(arguments, OPTIONS + COMMON_OPTIONS)
    if not 3 <= len(rest) <= 4:
        raise UsageError("greylist takes an address, a sender and a recipient, and after them a HELO name")
    own, common = parse(arguments[: len(arguments) - len(rest)])
    try:
        address = plain_address(ip_address(rest[0]))
    except ValueError:
        raise UsageError(f"{printable(rest[0], 60)} is no address") from None
    sender, recipient, helo = (unescape(typed(word).strip("<>")) for word in (*rest[1:], "")[:3])
    spec, store = open_as_owner(options.get("-f", own.store.url))
    case = Case(address, sender, recipient, helo, listed=False, now=0, deadline=0.0)
    explanation = Explanation(store, own, common, case, resolver or Resolver())
    try:
        return asyncio.run(explanation.tell(set(options)))
    except (StoreError, CannotCheck) as error:
        raise ConfigError(f"{spec.shown}: {error}") from None


class OpenedLooking(Looking):
    """Opens what it looks at, and closes it, as a filter does with its store."""

    async def open(self) -> None:
        """Open it."""
        await self._store.open()

    async def close(self) -> None:
        """Close it."""
        await self._store.close()


def only_look(filter_: Filter) -> Callable[[], None]:
    """See filter_greylist.ctl. What is found goes to the log of the filter."""
    if not isinstance(filter_, Greylist):
        raise TypeError(f"{filter_.name} has no greylist")
    _, store = open_as_owner(filter_.own.store.url)

    def known(found: Known) -> None:
        filter_.log.debug(None, "known", found=_known(found, filter_.clock.now()))

    def tried(attempt: Tuple, life: Life | None) -> None:
        del attempt
        if life is not None:
            filter_.log.debug(None, "tuple", found=_tuple(life, filter_.clock.now(), by_network=True))

    looking = OpenedLooking(store, known, tried)
    looking.clock = filter_.store.clock
    filter_.store = looking
    filter_.own = filter_.own._replace(tarpit=0.0)
    filter_.tarpit = Tarpit(0.0)

    def begin() -> None:
        filter_.low_mx.trust_the_start()

    return begin


def _session(case: Case) -> Session:
    """The session that smtpd would tell of."""
    session = Session(b"0" * 16)
    session.source = _endpoint(case.address, 0)
    session.identity = case.helo or None
    session.transaction = Transaction()
    session.transaction.sender = case.sender
    session.transaction.add_recipient(case.recipient)
    return session


def _endpoint(address: Address, port: int) -> bytes:
    """An address as smtpd reports it."""
    return (f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}").encode("ascii")


class Explanation:
    """One delivery before one filter."""

    def __init__(self, store: Store, own: Options, common: CommonOptions, case: Case, resolver: Resolver) -> None:
        self.store = store
        self.own = own._replace(tarpit=0.0)  # nobody waits here
        self.common = common
        self.case = case
        self.session = _session(case)
        self.resolver = resolver
        self.passed = ""

    async def tell(self, given: set[str]) -> int:
        """Print every step, and what comes of it; the exit status."""
        await self.store.open()
        try:
            settings = await settings_of(self.store)
            self.own = self.own._replace(
                timers=self.own.timers if "-G" in given else settings.timers,
                prefixes=self.own.prefixes if "-k" in given else settings.prefixes,
            )
            if self.own.suspicious_only or self.common.exempt is not None:
                await self._look_up_name()
            refused = await self._told(quiet=False)
            if refused and self.own.low_mx is not None:
                self.session.destination = _endpoint(self.own.low_mx, 25)
                await self._told(quiet=True)
        finally:
            await self.store.close()
        return 1 if refused else 0

    async def _look_up_name(self) -> None:
        """What smtpd would know of the client's name; options -u and -W host: ask for it."""
        deadline = asyncio.get_running_loop().time() + SECONDS
        found = await look_up(self.resolver, self.case.address, forward=True, deadline=deadline)
        confirmed = found.finding is Finding.CONFIRMED
        self.session.fcrdns = "pass" if confirmed else "fail"
        self.session.rdns = found.names[0].encode("ascii", "replace") if found.names else None
        name = printable(self.session.rdns) if self.session.rdns else "none"
        _say("rdns", f"{name}, {'which leads back' if confirmed else found.why or 'which does not lead back'}")

    async def _told(self, *, quiet: bool) -> bool:
        """Have the filter decide; whether it refuses."""
        say: Callable[[str, str], None] = (lambda _what, _text: None) if quiet else _say
        filter_ = self._filter(say)
        await filter_.started()
        filter_.low_mx.trust_the_start()
        await filter_.upkeep.beat()
        try:
            decision = await self._decided(filter_)
        finally:
            await filter_.stopping()
        what = "at -M" if quiet else "outcome"
        if isinstance(decision, Reject | Disconnect):
            _say(what, _refusal(decision))
            return True
        self.passed = self.passed or self._why_unasked(filter_)
        _say(what, f"let in ({self.passed})")
        return False

    def _filter(self, say: Callable[[str, str], None]) -> Greylist:
        case = self.case

        def tried(attempt: Tuple, life: Life | None) -> None:
            if attempt.key != seen_tuple(case.address, self.own.prefixes).key:
                by_network = attempt.key == tuple_of(case, self.own.prefixes).key
                say("tuple", _tuple(life, now(), by_network=by_network))

        def now() -> int:
            return filter_.clock.now()

        looking = Looking(self.store, lambda known: say("known", _known(known, now())), tried)
        filter_ = Greylist(self.own, looking, self.resolver)
        filter_.options = self.common
        filter_.options.timeout = SECONDS
        filter_.log = Logger(self._take, verbose=True)
        filter_.judge.tell_spf(lambda vouching: TellingVouching(vouching, self.resolver, say))
        return filter_

    async def _decided(self, filter_: Greylist) -> Decision:
        """What the filter says where it decides: at RCPT TO, for the null sender at DATA."""
        if self.case.sender == b"":
            asked = filter_.on_data(self.session)
        else:
            asked = filter_.on_rcpt_to(self.session, self.case.recipient)
        return await asked if inspect.isawaitable(asked) else asked

    def _take(self, _level: int, line: str) -> None:
        """The filter says in its log why it lets something in."""
        words = line.split(" ", 2)
        if len(words) == 3 and words[1] == "passed":
            self.passed = parse_pairs(words[2]).get("reason", "")

    def _why_unasked(self, filter_: Greylist) -> str:
        """Why the filter did not even look."""
        if filter_.ours(self.session):
            return "ours, -N"
        if is_role_address(self.case.recipient):
            return "role address"
        return "exempt, -W"


def _refusal(decision: Reject | Disconnect) -> str:
    reason, wait = str(decision.facts.get("reason", "")), decision.facts.get("wait")
    if isinstance(wait, int):
        return f"451, come back in {in_words(max(wait, 60))} ({reason})"
    return f"refused, the client is {'trapped' if reason == 'trapped' else 'trapped by this'} ({reason})"


def _known(known: Known, now: int) -> str:
    lives: dict[str, Life | None] = known._asdict()
    found = [_known_as(what, life, now) for what, life in lives.items() if life is not None and policy.alive(life, now)]
    return "; ".join(found) or "nothing"


def _known_as(what: str, life: Life, now: int) -> str:
    """One thing that is known, since when and for how long; and what it does not mean."""
    text = f"{what}, {'for ever' if life.expires > 2 * now else 'for ' + in_words(life.expires - now) + ' more'}"
    if what == "trapped":
        text += f", since {in_words(now - life.first)} ago"
    return text + (" (counts only where SPF passes for the client)" if what == "domain" else "")


def _tuple(life: Life | None, now: int, *, by_network: bool) -> str:
    owner = "the client's network" if by_network else "the sender's domain"
    if life is None:
        return f"of {owner}: never seen"
    text = f"of {owner}: first seen {in_words(now - life.first)} ago, refused {_times(life.blocked)}"
    return f"{text}, passed {_times(life.passed)}" if life.passed else text


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _say(what: str, text: str) -> None:
    print(f"{what:<9}{printable(text, 900)}")
