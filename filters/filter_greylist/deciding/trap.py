"""What is a trap: an address nobody should know, a domain that is not ours, and the second MX tried first.

The last one needs care. A client that comes to the low-priority MX (option -M) with mail the primary has never seen is
trapped only if the primary is certainly in service; otherwise its outage would trap every honest server. It is when
both listeners are served by this filter, or when another one with the same store told so within a minute.

Nor is a client trapped that was at the primary in any way: another filter may have sent it away before it offered
anything that could be remembered as a tuple. So a primary notes whoever connects, as long as somebody has option -M.
"""

from __future__ import annotations

from collections import OrderedDict

from filter_api.bounds import MAX_SEEN
from filter_api.files.tables import AddressTable, DomainTable
from filter_api.text.addresses import Address, domain_of

BEAT_SECONDS = 15.0
"""How often a primary says that it is there."""

BEAT_VALID = 60.0
"""For how long that is believed."""

SUBMISSION_PORTS = frozenset({465, 587})
"""Where our own users hand in their mail (RFC 6409, RFC 8314): no MX is there."""

FIRST_SECONDS = 60.0
"""After its start a filter traps nobody for coming to the wrong MX: the others may still be starting."""

CHANGED_SECONDS = 60.0
"""After the domains of -a have changed nobody is trapped for a domain that is not among them: it may be missing."""

FOREIGN = "foreign-domain"

ASKED_SECONDS = 3600.0
"""For how long a primary notes its clients after a filter with -M said that it is there."""


class Traps:
    """The recipients that are traps, from files."""

    def __init__(self, traps: AddressTable | None, allowed: DomainTable | None) -> None:
        self._traps = traps
        self._allowed = allowed

    def reason(self, recipient: bytes) -> str:
        """Why a recipient is a trap; empty if it is none. `recipient` in its normal form."""
        if self._traps is not None and recipient in self._traps:
            return "trap-file"
        domain = domain_of(recipient)
        if self._allowed is not None and domain and domain not in self._allowed:
            return FOREIGN
        return ""

    def is_settled(self, reason: str) -> bool:
        """Whether a client may be trapped for that; not while the domains of -a have just changed."""
        return reason != FOREIGN or self._allowed is None or not self._allowed.changed_within(CHANGED_SECONDS)


class LowPriorityMx:
    """Whether a client that comes to the low-priority MX could have come to the primary.

    Times are of the monotonic clock.
    """

    def __init__(self, address: Address | None, started: float) -> None:
        self._address = address
        self._started = started
        self._primary_here = False
        self._beat: float | None = None
        self._asked = False
        self.wildcard = False

    def trust_the_start(self) -> None:
        """There is nothing to wait for in the first minute: this is no server that has just started."""
        self._started = float("-inf")

    @property
    def wanted(self) -> bool:
        """Whether option -M is given and can be obeyed."""
        return self._address is not None and not self.wildcard

    @property
    def is_primary(self) -> bool:
        """Whether a session came to a listener of a primary MX since this filter started; then others may rely on it.

        A filter that only sees what our users send, or what leaves, serves none, though it has no option -M.
        """
        return self._primary_here

    @property
    def is_noted(self) -> bool:
        """Whether clients of the primary are to be noted: somebody with option -M will want to know."""
        return self.wanted or self._asked

    def asked(self, age: float | None) -> None:
        """A filter with option -M left its sign in the store so many seconds ago; None: there is none."""
        self._asked = age is not None and -ASKED_SECONDS < age < ASKED_SECONDS

    def saw(self, destination: Address | None, port: int | None = None) -> bool:
        """A session came to this listener; True if it is the first on a wildcard one, which ends option -M."""
        if destination is None or self.wildcard or port in SUBMISSION_PORTS:
            return False
        if self._address is not None and destination.is_unspecified:
            self.wildcard = True
        else:
            self._primary_here |= self.serves_first(destination)
        return self.wildcard

    def serves_first(self, destination: Address | None, port: int | None = None) -> bool:
        """Whether this listener can be that of a primary MX.

        The second address family of this very host, loopback and submission say nothing about the primary, whose
        outage would trap everybody then.
        """
        if destination is None or port in SUBMISSION_PORTS:
            return False
        mine = self._address
        if mine is None:
            return not destination.is_loopback
        same_family = destination != mine and destination.version == mine.version
        return same_family and (mine.is_loopback or not destination.is_loopback)

    def heard(self, now: float, age: float) -> None:
        """The store holds a primary's beat of so many seconds ago."""
        if -BEAT_VALID < age < BEAT_VALID:
            self._beat = now - max(age, 0.0)

    def out_of_order(self, destination: Address | None, now: float, *, falling_back: bool) -> bool:
        """Whether a new tuple on this listener tells that the primary was passed over."""
        if not self.wanted or destination != self._address or falling_back or now - self._started < FIRST_SECONDS:
            return False
        return self._primary_here or (self._beat is not None and now - self._beat < BEAT_VALID)


class SeenClients:
    """Networks of clients that were at the primary MX lately; at most `MAX_SEEN`, then the oldest go."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: OrderedDict[bytes, float] = OrderedDict()

    def add(self, network: bytes, now: float) -> bool:
        """Note one; whether it was not known. Times are of the monotonic clock."""
        if self.has(network, now):
            return False
        self._since[network] = now
        self._since.move_to_end(network)
        if len(self._since) > MAX_SEEN:
            self._since.popitem(last=False)
        return True

    def has(self, network: bytes, now: float) -> bool:
        """Whether one was seen."""
        since = self._since.get(network)
        return since is not None and now - since < self._seconds
