"""Whatever the hooks of one to seven filters return, raise or wait for: each question is answered once, in time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_api import CommonOptions, Decision, Failure, Filter, Message, Proceed, Reject, Session, Verdict
from tests.support.dialogs import Clocked, Dialog, Rounds
from tests.support.hostile import ERRORS, RIGHT, VALUES
from tests.support.hostile_awaitables import AWAITABLES

PROTOCOLS = st.sampled_from(["0.4", "0.5", "0.6", "0.7", "0.8", "0.10"])
#: What a hook leaves behind that nobody waits for, or that does not want to end, is told by the interpreter.
pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


class Act(NamedTuple):
    """What a hook does: ``return``, ``raise`` or ``await`` the thing of that name; after some seconds, or at once."""

    verb: str
    name: str
    after: float | None = None


AFTER: Final = st.sampled_from([None, None, 0.0, 1.0, 9.9, 100.0])
ACTS: Final = st.one_of(
    st.builds(Act, st.just("return"), st.sampled_from(sorted(RIGHT)), AFTER),
    st.builds(Act, st.just("return"), st.sampled_from(["proceed", "verdict", "edited"]), AFTER),
    st.builds(Act, st.just("return"), st.sampled_from(sorted(VALUES)), AFTER),
    st.builds(Act, st.just("raise"), st.sampled_from(sorted(ERRORS)), AFTER),
    st.builds(Act, st.just("await"), st.sampled_from(sorted(AWAITABLES))),
)


def do(act: Act) -> Any:  # noqa: ANN401 - anything is the point
    if act.after is not None:
        return _later(act.after, act._replace(after=None))
    if act.verb == "raise":
        raise ERRORS[act.name]()
    return VALUES[act.name]() if act.verb == "return" else AWAITABLES[act.name]()


async def _later(seconds: float, act: Act) -> object:
    await asyncio.sleep(seconds)
    return do(act)


class Script(NamedTuple):
    """A filter. acts: what these hooks do, in turns; policy: what its failure policy does, None if it is as usual.

    looks: whether it looks at the message, or decides at commit, or neither; beside: while others do.
    """

    acts: Sequence[Act]
    hooks: frozenset[str]
    failure: Failure
    policy: Act | None
    looks: str
    observe: bool
    beside: bool


HOOKS: Final = (
    *("on_connect", "on_helo", "on_starttls", "on_mail_from", "on_rcpt_to", "on_data", "on_message", "on_commit"),
    *("saw_identify", "saw_rcpt", "saw_commit"),
)
#: Where the hooks of an example misbehave: everywhere few get beyond the first question.
PARTS: Final = st.sampled_from(
    [HOOKS, HOOKS[1:3], HOOKS[3:6], ("on_message", "on_commit"), ("on_message",), ("on_message", "saw_rcpt")]
)
POLICIES: Final = st.one_of(
    st.none(),
    st.builds(Act, st.just("return"), st.sampled_from(sorted(VALUES))),
    st.builds(Act, st.just("raise"), st.sampled_from(sorted(ERRORS))),
)
SCRIPTS: Final = st.builds(
    Script,
    st.lists(ACTS, min_size=1, max_size=8),
    st.frozensets(st.sampled_from(HOOKS), min_size=1),
    st.sampled_from(Failure),
    POLICIES,
    st.sampled_from(["message", "message", "commit", ""]),
    st.sampled_from([False, False, False, True]),
    st.booleans(),
)


class Hostile(Filter):
    """Does what its script says."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.turn = -1
        self.options = CommonOptions()
        self.options.failure = script.failure
        self.options.observe = script.observe
        self.beside = script.beside  # type: ignore[misc]  # each has its own, as if it were of another class

    def _act(self, hook: str) -> Any:  # noqa: ANN401 - as above
        if hook not in self.script.hooks:
            return Verdict() if hook == "on_message" else Proceed()
        self.turn += 1
        return do(self.script.acts[self.turn % len(self.script.acts)])

    def failed(self) -> Proceed | Reject:
        usual: Any = super().failed() if self.script.policy is None else do(self.script.policy)
        return usual  # type: ignore[no-any-return]  # as above

    def unchecked(self) -> Any:  # noqa: ANN401 - as above
        return super().unchecked() if self.script.policy is None else do(self.script.policy)

    def on_connect(self, session: Session) -> Decision:
        return self._act("on_connect")  # type: ignore[no-any-return]  # as above

    def on_helo(self, session: Session, identity: bytes) -> Decision:
        return self._act("on_helo")  # type: ignore[no-any-return]  # as above

    def on_starttls(self, session: Session) -> Decision:
        return self._act("on_starttls")  # type: ignore[no-any-return]  # as above

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        return self._act("on_mail_from")  # type: ignore[no-any-return]  # as above

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
        return self._act("on_rcpt_to")  # type: ignore[no-any-return]  # as above

    def on_data(self, session: Session) -> Decision:
        return self._act("on_data")  # type: ignore[no-any-return]  # as above

    def saw_identify(self, session: Session) -> None:
        self._act("saw_identify")

    def saw_rcpt(self, session: Session, result: str, recipient: bytes) -> None:
        self._act("saw_rcpt")

    def saw_commit(self, session: Session, size: int) -> None:
        self._act("saw_commit")


class HostileLook(Hostile):
    def on_message(self, session: Session, message: Message) -> Verdict:
        return self._act("on_message")  # type: ignore[no-any-return]  # as above


class HostileCommit(Hostile):
    def on_commit(self, session: Session) -> Decision:
        return self._act("on_commit")  # type: ignore[no-any-return]  # as above


def hostile(script: Script) -> Filter:
    kinds = {"message": HostileLook, "commit": HostileCommit, "": Hostile}
    return kinds[script.looks](script)


SMALL: Final = [b"A: b", b"", b"..x"]
LARGE: Final = [b"A: b", b"", *[b"y" * 1_000] * 70]


def limits(members: int) -> tuple[float, float]:
    """Seconds until a command, and until a message, is answered: filter-chain(8), and the defaults of one filter."""
    return (10.0, 60.0) if members == 1 else (min(10.0 * members, 30.0), min(60.0 * members, 110.0))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    scripts=st.lists(SCRIPTS, min_size=1, max_size=7),
    part=PARTS,
    protocol=PROTOCOLS,
    clients=st.integers(1, 3),
    leaving=st.sets(st.integers(1, 20), max_size=3),
    large=st.booleans(),
    beside=st.booleans(),
)
def test_every_question_is_answered_once_and_in_time(
    *,
    scripts: list[Script],
    part: Sequence[str],
    protocol: str,
    clients: int,
    leaving: set[int],
    large: bool,
    beside: bool,
) -> None:
    command, message = limits(len(scripts))
    members = {
        f"m{number}": hostile(script._replace(hooks=script.hooks & {*part})) for number, script in enumerate(scripts)
    }
    with Clocked(members, protocol=protocol, beside=beside) as smtpd:
        dialogs = [Dialog(smtpd, number, 2, LARGE if large else SMALL) for number in range(clients)]
        Rounds(smtpd, dialogs).run(leaving=sorted(leaving))
        for dialog in dialogs:
            for phase, seconds, _ in dialog.waited:
                assert seconds <= (message if phase == b"data-line" else command) + 0.01, (phase, seconds)
        assert smtpd.oracle.asked - smtpd.oracle.answered <= len(leaving)
        assert smtpd.context.spool.held == 0
        assert not smtpd.dispatcher.ledger.open
        assert not smtpd.dispatcher.sessions.open


CALM: Final = Script([Act("return", "proceed")], frozenset(), Failure.TEMPFAIL, None, "", False, False)
ALL_ACTS: Final = [
    *(Act("return", name) for name in VALUES),
    *(Act("raise", name) for name in ERRORS),
    *(Act("await", name) for name in AWAITABLES),
]


def told(act: Act, hook: str, others: int, *, beside: bool) -> list[tuple[bytes, float, str]]:
    """What two sessions of the same reads were answered by a filter with that act, alone or between others."""
    calm = CALM._replace(looks="message", beside=beside)
    bad = CALM._replace(
        acts=[act], hooks=frozenset({hook}), looks="commit" if hook == "on_commit" else "message", beside=beside
    )
    scripts = [calm] * others + [bad] + [calm if beside else CALM] * others
    command, message = limits(len(scripts))
    members = {f"m{number}": hostile(script) for number, script in enumerate(scripts)}
    with Clocked(members, protocol="0.7", beside=beside) as smtpd:
        dialogs = [Dialog(smtpd, number, 1, SMALL) for number in range(2)]
        Rounds(smtpd, dialogs).run()
        answers = [each for dialog in dialogs for each in dialog.waited]
        assert smtpd.oracle.asked == smtpd.oracle.answered, act
    for phase, seconds, _ in answers:
        assert seconds <= (message if phase == b"data-line" else command), (act, phase)
    return answers


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "between two others"])
@pytest.mark.parametrize("late", [None, 0.0], ids=["sync", "async"])
@pytest.mark.parametrize("hook", HOOKS)
def test_each_of_them_is_answered_wherever_it_stands(hook: str, late: float | None, others: int) -> None:
    for act in ALL_ACTS:
        answers = told(act._replace(after=late), hook, others, beside=False)
        assert answers
        if hook in {"on_message", "on_commit"} and act.verb == "raise":
            assert (b"commit", "proceed") not in [(phase, word) for phase, _, word in answers], act


@pytest.mark.parametrize("late", [None, 0.0], ids=["sync", "async"])
def test_each_of_them_is_answered_beside_others_that_look_at_the_same_message(late: float | None) -> None:
    for act in ALL_ACTS:
        answers = told(act._replace(after=late), "on_message", 1, beside=True)
        if act.verb == "raise":
            assert (b"commit", "proceed") not in [(phase, word) for phase, _, word in answers], act


@pytest.mark.parametrize("name", AWAITABLES)
def test_a_client_that_leaves_takes_its_questions_along(name: str) -> None:
    for hook in ("on_rcpt_to", "on_message"):
        script = CALM._replace(acts=[Act("await", name)], hooks=frozenset({hook}), looks="message")
        with Clocked({"one": hostile(CALM), "two": hostile(script)}, protocol="0.7") as smtpd:
            dialogs = [Dialog(smtpd, number, 1, SMALL) for number in range(2)]
            Rounds(smtpd, dialogs).run(leaving=range(5, 9))
            assert not smtpd.dispatcher.ledger.open
            assert not smtpd.dispatcher.sessions.open
            assert smtpd.context.spool.held == 0


@pytest.mark.parametrize("policy", [Failure.ACCEPT, Failure.TEMPFAIL])
@pytest.mark.parametrize("name", [name for name in AWAITABLES if "future" not in name])
def test_when_the_process_ends_all_who_wait_are_answered(name: str, policy: Failure) -> None:
    """What throws when it is cancelled keeps nobody from the answer; those behind are not asked any more."""
    script = CALM._replace(acts=[Act("await", name)], hooks=frozenset({"on_connect"}), failure=policy)
    with Clocked({"one": hostile(script), "two": hostile(script)}, protocol="0.7") as smtpd:
        reads = [Dialog(smtpd, number, 1, SMALL).speak(None) for number in range(3)]
        smtpd.feed(b"".join(reads))
        smtpd.dispatcher.close("shutting down")
        assert smtpd.oracle.asked == smtpd.oracle.answered == 3
