"""class Filter: every hook a filter may override. What is overridden is what gets registered with smtpd.

Hooks named ``on_`` are smtpd's questions and are answered with a decision, from ``def`` or ``async def``; hooks named
``saw_`` tell what happened and are answered with nothing. A hook gets facts and returns a value; it never sees the
protocol. Whatever goes wrong in one, the library answers with the filter's failure policy (option -F) in time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Final, Self

from filter_api import trust
from filter_api.confinement.needs import Needs
from filter_api.context import Context
from filter_api.decision import AddHeader, Decision, Edit, Failure, Proceed, Reject, Verdict
from filter_api.log import Logger
from filter_api.message.message import Message
from filter_api.options import CommonOptions
from filter_api.server import Server
from filter_api.session import Session
from filter_api.wanted import PHASES_OF, REPORT_OF, Wanted, check_hooks

if TYPE_CHECKING:
    from filter_api.figures import Figure

_SETTINGS: Final[dict[str, type | tuple[type, ...]]] = {
    "default_failure": Failure,
    "command_deadline": (int, float),
    "message_deadline": (int, float),
    "tempfail": Reject,
    "permfail": Reject,
    "later": tuple,
    "reasons": tuple,
}
"""Of which type the attributes of a class are that would be looked at when it is too late."""


def _named(kind: type | tuple[type, ...]) -> str:
    return kind.__name__ if isinstance(kind, type) else " or ".join(each.__name__ for each in kind)


class Filter:
    """Base of every filter; keep its state in the object, in `PerSession` and in `PerTransaction`, never in globals."""

    #: Program name, for the log.
    name: ClassVar[str] = "filter"
    #: What -F is without -F.
    default_failure: ClassVar[Failure] = Failure.TEMPFAIL
    #: Seconds a decision before the message may take, without -T.
    command_deadline: ClassVar[float] = 10.0
    #: Seconds `on_message` may take, without -T.
    message_deadline: ClassVar[float] = 60.0
    #: Whether the reports of outgoing connections (smtp-out) are wanted as well.
    watch_outgoing: ClassVar[bool] = False
    #: Replies given under the policies tempfail and reject.
    tempfail: ClassVar[Reject] = Reject(451, "4.3.0", "temporary local problem")
    permfail: ClassVar[Reject] = Reject(550, "5.3.0", "message cannot be checked here")

    #: Whether it may look at a message while others do (option -p of filter-chain(8)): it makes nothing of what they
    #: found, and its edits touch header fields of its own, or the subject.
    beside: ClassVar[bool] = False

    #: Modules this filter imports late, to register fast: they are loaded as soon as smtpd goes on (`preload`).
    later: ClassVar[tuple[str, ...]] = ()

    #: What may stand in `facts` as reason, or as result of a message, for decisions to be counted by: a word each, from
    #: the code. Anything else is counted as ``other``.
    reasons: ClassVar[tuple[str, ...]] = ()

    #: Set from the command line by whoever builds the filter.
    options: CommonOptions
    #: What the process gives to its filters; `server`, `log`, `wall` and `monotonic` are those of it.
    context: Context
    server: Server
    log: Logger
    #: Seconds since 1970.
    wall: Callable[[], float]
    #: Seconds of a clock that nobody sets; that of the event loop.
    monotonic: Callable[[], float]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        check_hooks(cls, Filter)
        if cls.overrides("on_message") and cls.overrides("on_commit"):
            raise TypeError(f"{cls.__name__} overrides on_message and on_commit; on_message decides at commit")
        for attribute, kind in _SETTINGS.items():
            value = getattr(cls, attribute)
            if not isinstance(value, kind):
                raise TypeError(f"{cls.__name__}.{attribute} is no {type(value).__name__}, but {_named(kind)}")

    def __new__(cls, *_: object, **__: object) -> Self:
        """Each filter has options and a context of its own from the start, whether or not it calls `__init__` here."""
        made = super().__new__(cls)
        made.options = CommonOptions()
        Filter.bind(made, Context())
        return made

    def bind(self, context: Context) -> None:
        """Take what the process gives; called once, before anything else happens."""
        self.context = context
        self.server = context.server
        self.log = context.log
        self.wall = context.wall
        self.monotonic = context.monotonic

    @classmethod
    def overrides(cls, hook: str) -> bool:
        """Whether this class or a parent below Filter has its own version of a hook."""
        return getattr(cls, hook) is not getattr(Filter, hook)

    def wanted(self) -> Wanted:
        """What this filter wants to be asked and told: by default every hook that its class overrides."""
        hooks = [hook for hook in (*PHASES_OF, *REPORT_OF) if self.overrides(hook)]
        return Wanted(hooks, outgoing=self.watch_outgoing)

    def needs(self) -> Needs | None:
        """What this filter does once it runs, by its options; asked once, before ``register|ready``.

        The process is confined to it where the system can do that (opensmtpd-filters(7), CONFINEMENT): nothing else can
        be read, written, connected to or started. None, the default: it is not said, and the process is not confined.
        Files that are followed (-N, -W, `ReloadingFile`), the spool and the log need not be named.
        """
        return None

    def figures(self) -> Sequence[Figure]:
        """What this filter counts and measures beside its decisions: asked for when somebody reads the metrics.

        Made from what is there, at once: nothing is read from a disk that may be slow, and nobody is asked.
        """
        return ()

    # --- what a policy asks --------------------------------------------------------------------------------------

    @property
    def failure(self) -> Failure:
        """The failure policy in force: -F, or the filter's default."""
        return self.default_failure if self.options.failure is None else self.options.failure

    def failed(self) -> Proceed | Reject:
        """The decision of the failure policy."""
        if self.failure is Failure.ACCEPT:
            return Proceed()
        return self.tempfail if self.failure is Failure.TEMPFAIL else self.permfail

    def ours(self, session: Session) -> bool:
        """Whether the client is one of ours: authenticated, on the unix socket, or in -N (`filter_api.trust`)."""
        return trust.is_ours(session, self.options.ours)

    def exempt(self, session: Session, recipient: bytes | None = None) -> bool:
        """Whether -W exempts this client, or this recipient where it is known."""
        table = self.options.exempt
        if table is None:
            return False
        return trust.client_is_exempt(table, session) or (recipient is not None and table.recipient(recipient))

    def exempt_if_vouched(self, sender: bytes | None) -> bool:
        """Whether -W exempts this sender, provided that SPF vouches for it, which the caller asks; never ``<>``."""
        table = self.options.exempt
        return table is not None and trust.sender_is_listed(table, sender)

    def unchecked(self) -> Sequence[Edit]:
        """Edits that mark a message accepted without its check, under the policy accept."""
        return (AddHeader("X-Filter-Unchecked", self.name),)

    # --- questions -----------------------------------------------------------------------------------------------

    def on_connect(self, session: Session) -> Decision | Awaitable[Decision]:
        """A client has connected; prefer Disconnect to Reject here, which leaves it hanging on."""
        return Proceed()

    def on_helo(self, session: Session, identity: bytes) -> Decision | Awaitable[Decision]:
        """HELO or EHLO; smtpd asks only for syntactically valid identities, once per TLS state."""
        return Proceed()

    def on_starttls(self, session: Session) -> Decision | Awaitable[Decision]:
        """STARTTLS."""
        return Proceed()

    def on_mail_from(self, session: Session, sender: bytes) -> Decision | Awaitable[Decision]:
        """MAIL FROM; sender as typed, without angle brackets and parameters, ``b""`` for the null sender."""
        return Proceed()

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision | Awaitable[Decision]:
        """RCPT TO, before smtpd knows whether the recipient exists and before aliases."""
        return Proceed()

    def on_data(self, session: Session) -> Decision | Awaitable[Decision]:
        """DATA; the last place to refuse a transaction before the message is sent."""
        return Proceed()

    def on_message(self, session: Session, message: Message) -> Verdict | Awaitable[Verdict]:
        """The whole message is here. Its lines are held until the verdict; edits apply as they are released."""
        return Verdict()

    def on_commit(self, session: Session) -> Decision | Awaitable[Decision]:
        """The last decision on a message, for filters that do not look into it. Junk and Rewrite are not legal."""
        return Proceed()

    # --- what happened -------------------------------------------------------------------------------------------

    def saw_connect(self, session: Session) -> None:
        """A client has connected; asked before on_connect."""

    def saw_greeting(self, session: Session, hostname: bytes) -> None:
        """smtpd has greeted with that host name."""

    def saw_identify(self, session: Session) -> None:
        """HELO or EHLO was accepted; `session.identity` is it."""

    def saw_tls(self, session: Session) -> None:
        """The session is encrypted."""

    def saw_auth(self, session: Session, result: str, user: bytes) -> None:
        """An authentication ended: ``pass``, ``fail`` or ``error``."""

    def saw_disconnect(self, session: Session) -> None:
        """The session is over; its state is freed after this."""

    def saw_begin(self, session: Session) -> None:
        """A transaction has got its id."""

    def saw_mail(self, session: Session, result: str, sender: bytes) -> None:
        """MAIL FROM was answered: ``ok``, ``tempfail`` or ``permfail``; not told for senders over 254 bytes."""

    def saw_rcpt(self, session: Session, result: str, recipient: bytes) -> None:
        """RCPT TO was answered: ``ok``, ``tempfail`` or ``permfail``."""

    def saw_envelope(self, session: Session, envelope_id: bytes) -> None:
        """A recipient became an envelope (none to many for each RCPT TO, after aliases)."""

    def saw_data(self, session: Session, result: str) -> None:
        """DATA was answered; message lines may have come before."""

    def saw_commit(self, session: Session, size: int) -> None:
        """The message is in the queue; size in bytes as smtpd counts. `session.transaction` is still there."""

    def saw_rollback(self, session: Session) -> None:
        """The message was given up."""

    def saw_reset(self, session: Session) -> None:
        """The transaction is over, committed or rolled back; its state is freed after this."""

    def saw_timeout(self, session: Session) -> None:
        """The client said nothing for too long."""

    def saw_protocol_client(self, session: Session, line: bytes) -> None:
        """A command line of the client, with credentials starred by smtpd (except for the name in AUTH LOGIN)."""

    def saw_protocol_server(self, session: Session, line: bytes) -> None:
        """A reply line of smtpd."""

    def saw_filter_report(self, session: Session, kind: str, name: bytes, text: bytes) -> None:
        """A builtin filter reported something."""

    def saw_filter_response(self, session: Session, phase: str, response: str, parameter: bytes) -> None:
        """The chain's decision for a phase, whoever made it (``connected`` and ``tls`` are its odd phase names)."""

    # --- life ----------------------------------------------------------------------------------------------------

    def preload(self) -> None:
        """Called right after ``register|ready``, before `started`: import here, or name in `later`, what is used later.

        A package that is upgraded while the filter runs would otherwise be mixed of old and new modules. It is called
        in a thread of its own, as importing takes longer than a client should wait.
        """
        for name in self.later:
            import_module(name)

    async def started(self) -> None:
        """Called after ``register|ready``: open stores and warm up here, bounded; failures are logged, never fatal."""

    async def stopping(self) -> None:
        """Called once before the process ends, for a second or two at most."""

    def reload(self) -> None:
        """SIGHUP. Files named by options reload by themselves."""
