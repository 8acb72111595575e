"""main(): from the command line to a filter that serves until smtpd closes its end.

Order matters. Options and files are read first: what is wrong there ends the process with a message before
``register|ready``, and smtpd then refuses to start, which is right. From ``register|ready`` on nothing ends it but the
end of stdin and SIGTERM: when a filter exits, smtpd shuts down.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeAlias

from filter_api.bounds import MAX_DESCRIPTORS
from filter_api.context import Context
from filter_api.control.place import candidates, check_place
from filter_api.errors import ConfigError, HelpWanted, UsageError
from filter_api.filter import Filter
from filter_api.libraries import missing
from filter_api.log import Logger, Sink
from filter_api.options import (
    COMMON_OPTIONS,
    COMMON_USAGE,
    CommonOptions,
    VersionWanted,
    help_text,
    parse_options,
    usage_lines,
)
from filter_api.runtime import confining
from filter_api.runtime.confining import Confinement
from filter_api.runtime.dispatch import Dispatcher
from filter_api.runtime.guard import Guarded, guard
from filter_api.runtime.log import StderrSink, SyslogSink, adopt_stdlib_logging
from filter_api.runtime.stray import catch_stray_output
from filter_api.runtime.transport import Wire, take_standard_streams
from filter_api.text.escape import one_line
from filter_api.version import VERSION

if TYPE_CHECKING:
    from filter_api.runtime.controlling import Control


class Chain(NamedTuple):
    """Several filters of one process.

    members: by label, in the order they are asked; a label stands before each line that its member logs. program: for
    syslog. options: -n, -L and -v of the whole process; all else is each member's own. beside: option -p of
    filter-chain(8).
    """

    members: Mapping[str, Filter]
    program: str
    options: CommonOptions
    beside: bool = False


Build: TypeAlias = Callable[[Sequence[str]], "Filter | Chain"]

_LINE: Final = 2000  # characters of a complaint, and of the usage
_EOF_GRACE: Final = 0.8  # seconds for stopping() when smtpd is gone
_TERM_GRACE: Final = 1.5  # seconds for stopping() and for what is still unwritten, at SIGTERM


def main(
    filter_or_build: Filter | Build, usage: str = "", arguments: Sequence[str] | None = None, options: str = ""
) -> NoReturn:
    """Run a filter, or several; does not return.

    filter_or_build: a filter without options of its own, or a function from the arguments to the filter (which calls
    `parse_options` and sets `options`) or to a chain of them. usage: the usage line without ``usage:``. options: what
    -h prints below it, a line for each letter. A usage or configuration error is shown on stderr with exit status 1.
    """
    if isinstance(filter_or_build, type):
        raise TypeError(f"main takes a filter, {filter_or_build.__name__}(), or a function that makes one, not a class")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until `_serve` takes it: files are being read just now
    words = sys.argv[1:] if arguments is None else list(arguments)
    program = os.path.basename(sys.argv[0]) or "filter"
    require_libraries()
    try:
        made = _plain(filter_or_build, words) if isinstance(filter_or_build, Filter) else filter_or_build(words)
        if isinstance(made, Filter | Chain):
            made.options.given = tuple(words)
            check_place(made.options.control)
    except VersionWanted:
        print(f"{program} {VERSION}")
        sys.exit(0)
    except HelpWanted:
        print(help_text(usage or f"{program} {COMMON_USAGE}", options or COMMON_OPTIONS), end="")
        sys.exit(0)
    except UsageError as error:
        _refuse(f"{program}: {error}", *usage_lines(usage or f"{program} {COMMON_USAGE}"))
    except ConfigError as error:
        _refuse(f"{program}: {error}")
    if not isinstance(made, Filter | Chain):
        raise TypeError(f"{program}: what makes the filter gave {type(made).__name__}; did a branch forget to return?")
    serve(Chain({"": made}, made.name, made.options) if isinstance(made, Filter) else made)


def require_libraries() -> None:
    """End the process with a message where a library is missing; for programs that import one at their start."""
    if lacking := missing():
        _refuse(f"{os.path.basename(sys.argv[0]) or 'filter'}: {lacking}")


def _refuse(*lines: str) -> NoReturn:
    """Tell why on stderr and exit 1. A line of 64 KiB (a word of the command line) would make smtpd spin, not end.

    What was typed may hold anything; what of it is escaped already is not escaped again.
    """
    for line in lines:
        print(one_line(line, _LINE), file=sys.stderr)
    sys.exit(1)


def _plain(filter_: Filter, words: Sequence[str]) -> Filter:
    own, common = parse_options("", words, allow_to="on_rcpt_to" in filter_.wanted())
    assert not own  # noqa: S101 - there are no letters to be had
    filter_.options = common
    return filter_


def serve(chain: Chain) -> NoReturn:
    """Speak with smtpd on fd 0 and fd 1 until it is gone; exits with status 0. One that is alone has an empty label."""
    options = chain.options
    os.umask(0o077)
    _allow_descriptors()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Few cycles are made, and many objects live long: collect rarely (measured: 6 to 10 % of the data path).
    gc.set_threshold(50_000, 20, 20)
    try:
        confinement = confining.confine(
            chain.members.values(), options, candidates(options.control, chain.program)
        )  # before there are threads
    except ConfigError as error:
        _refuse(f"{chain.program}: {error}")
    wire, finish = take_standard_streams()
    sink: Sink = SyslogSink(chain.program) if options.syslog else StderrSink()
    adopt_stdlib_logging(sink)
    # glibc's malloc gives memory back to the kernel after every read, and gets it anew, page by page, until one larger
    # block than that was freed once (mallopt(3), M_TRIM_THRESHOLD): 10 % of the data path. Nothing is touched by this.
    bytes(2 << 20)
    context = Context(Logger(sink, verbose=options.verbose), confined=confinement.found.summary())
    members = guard(chain.members, context, observe=options.observe)
    confining.tell(confinement, context.log)
    _run(members, context, wire, chain, confinement)
    finish()
    sys.stderr.flush()
    os._exit(0)  # a thread of a library must not keep the process alive once smtpd is gone


def _allow_descriptors() -> None:
    """Let the process have as many as it may (getrlimit(2)), within reason: by default some systems give it 128."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _run(
    members: Sequence[Guarded], context: Context, wire: socket.socket, chain: Chain, confinement: Confinement
) -> None:
    """Serve to the end. SystemExit leaves an event loop wherever it is raised: the loop is taken up again."""
    loop = asyncio.new_event_loop()
    serving = loop.create_task(_serve(members, context, wire, chain, confinement))
    while not serving.done():
        try:
            loop.run_until_complete(serving)
        except BaseException as error:  # noqa: BLE001 - a hook's own task or callback may not end the process either
            _tell_failure(context, "escaped", error)


async def _serve(
    members: Sequence[Guarded], context: Context, wire: socket.socket, chain: Chain, confinement: Confinement
) -> None:
    loop = asyncio.get_running_loop()
    if isinstance(context.log.sink, StderrSink):
        context.log.sink.gather(loop)
    catch_stray_output(context.log.sink, loop)
    loop.set_exception_handler(lambda _, about: _tell(context, about))
    ended = asyncio.Event()
    terminated = asyncio.Event()
    connection = Wire(wire, ended.set, lambda error: _tell_failure(context, "input", error))
    dispatcher = Dispatcher(members, context, connection.write, loop, beside=chain.beside)
    _handle_signals(loop, members, ended, terminated)
    connection.open(dispatcher, dispatcher.outbox)
    controls: list[Control] = []  # one or none, as soon as it is loaded
    load = partial(_load_control, dispatcher, connection, chain, confinement.listens, controls)
    preload = partial(_preload, members, load, partial(confining.settle, confinement, context.log))
    starting = loop.create_task(_start(members, dispatcher, preload, controls))
    await ended.wait()
    starting.cancel()
    for control in controls:
        control.close()
    dispatcher.close("shutting down")
    grace = _TERM_GRACE if terminated.is_set() else _EOF_GRACE
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace):
            await asyncio.gather(*(member.stop() for member in members), return_exceptions=True)
            while connection.unwritten:  # noqa: ASYNC110 - the last milliseconds of a process
                await asyncio.sleep(0.01)
    connection.close()
    if isinstance(context.log.sink, StderrSink):
        context.log.sink.gather(None)


async def _start(
    members: Sequence[Guarded], dispatcher: Dispatcher, preload: Callable[[], None], controls: Sequence[Control]
) -> None:
    """Once smtpd knows what the members want. preload: fills `controls`; what is needed later is imported then."""
    await dispatcher.registered_event.wait()
    await asyncio.to_thread(preload)
    for control in controls:
        control.begin()
    await asyncio.gather(*(member.start() for member in members))
    for control in controls:
        control.ready = True


def _preload(members: Sequence[Guarded], load: Callable[[], None], settle: Callable[[], None]) -> None:
    """Import what is used later; one thread does all of it, before somebody uses it. settle: that was all of it."""
    load()
    for member in members:
        member.preload()
    settle()


def _load_control(
    dispatcher: Dispatcher, connection: Wire, chain: Chain, places: Sequence[str], controls: list[Control]
) -> None:
    """The control socket of the process, where there is a place for one."""
    if places:
        from filter_api.runtime.controlling import Control

        words = chain.options.given
        controls.append(Control(dispatcher, places, chain.program, words, unwritten=lambda: connection.unwritten))


def _tell(context: Context, about: Mapping[str, Any]) -> None:
    """What the event loop met outside of every barrier."""
    error = about.get("exception")
    try:
        context.log.warning(None, "asyncio", error=about.get("message"))
    except BaseException as worse:  # noqa: BLE001 - there is nobody left to tell
        error = worse
    if isinstance(error, BaseException):
        _tell_failure(context, "asyncio", error)


def _tell_failure(context: Context, what: str, error: BaseException) -> None:
    try:
        context.log.failure(None, what, error)
    except BaseException:  # noqa: BLE001 - memory has run out even for this
        return


def _handle_signals(
    loop: asyncio.AbstractEventLoop, members: Sequence[Guarded], ended: asyncio.Event, terminated: asyncio.Event
) -> None:
    """SIGTERM ends, SIGHUP reloads; both default to killing the filter, and smtpd with it."""

    def terminate() -> None:
        terminated.set()
        ended.set()

    def reload() -> None:
        for member in members:
            member.reload()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGHUP, reload)
