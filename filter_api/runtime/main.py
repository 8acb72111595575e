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
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from filter_api.errors import ConfigError, UsageError
from filter_api.filter import Filter
from filter_api.log import Logger, Sink
from filter_api.options import COMMON_USAGE, VersionWanted, parse_options
from filter_api.runtime.dispatch import Dispatcher
from filter_api.runtime.log import StderrSink, SyslogSink, adopt_stdlib_logging
from filter_api.runtime.stray import catch_stray_output
from filter_api.runtime.transport import Wire, take_standard_streams
from filter_api.text.escape import CUT_MARK
from filter_api.version import VERSION

Build: TypeAlias = Callable[[Sequence[str]], Filter]

_LINE: Final = 2000  # characters of a complaint, and of the usage
_EOF_GRACE: Final = 0.8  # seconds for stopping() when smtpd is gone
_TERM_GRACE: Final = 1.5  # seconds for stopping() and for what is still unwritten, at SIGTERM


def main(filter_or_build: Filter | Build, usage: str = "", arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a filter; does not return.

    filter_or_build: a filter without options of its own, or a function from the arguments to the filter (which calls
    `parse_options` and sets `options`). usage: the usage line without ``usage:``. A usage or configuration error is
    shown on stderr with exit status 1.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    program = os.path.basename(sys.argv[0]) or "filter"
    try:
        filter_ = _plain(filter_or_build, words) if isinstance(filter_or_build, Filter) else filter_or_build(words)
    except VersionWanted:
        print(f"{program} {VERSION}")
        sys.exit(0)
    except UsageError as error:
        _refuse(f"{program}: {error}", f"usage: {usage or f'{program} {COMMON_USAGE}'}")
    except ConfigError as error:
        _refuse(f"{program}: {error}")
    serve(filter_)


def _refuse(*lines: str) -> NoReturn:
    """Tell why on stderr and exit 1. A line of 64 KiB (a word of the command line) would make smtpd spin, not end."""
    for line in lines:
        print(line if len(line) <= _LINE else line[:_LINE] + CUT_MARK, file=sys.stderr)
    sys.exit(1)


def _plain(filter_: Filter, words: Sequence[str]) -> Filter:
    own, common = parse_options("", words, allow_to=filter_.overrides("on_rcpt_to"))
    assert not own  # noqa: S101 - there are no letters to be had
    filter_.options = common
    return filter_


def serve(filter_: Filter) -> NoReturn:
    """Speak with smtpd on fd 0 and fd 1 until it is gone; exits with status 0."""
    os.umask(0o077)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wire, finish = take_standard_streams()
    sink: Sink = SyslogSink(filter_.name) if filter_.options.syslog else StderrSink()
    filter_.log = Logger(sink, verbose=filter_.options.verbose)
    adopt_stdlib_logging(sink)
    # Few cycles are made, and many objects live long: collect rarely (measured: 6 to 10 % of the data path).
    gc.set_threshold(50_000, 20, 20)
    # glibc's malloc gives memory back to the kernel after every read, and gets it anew, page by page, until one larger
    # block than that was freed once (mallopt(3), M_TRIM_THRESHOLD): 10 % of the data path. Nothing is touched by this.
    bytes(2 << 20)
    _run(filter_, wire)
    wire.close()
    finish()
    sys.stderr.flush()
    os._exit(0)  # a thread of a library must not keep the process alive once smtpd is gone


def _run(filter_: Filter, wire: socket.socket) -> None:
    """Serve to the end. SystemExit leaves an event loop wherever it is raised: the loop is taken up again."""
    loop = asyncio.new_event_loop()
    serving = loop.create_task(_serve(filter_, wire))
    while not serving.done():
        try:
            loop.run_until_complete(serving)
        except BaseException as error:  # noqa: BLE001 - a hook's own task or callback may not end the process either
            filter_.log.failure(None, "escaped", error)


async def _serve(filter_: Filter, wire: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    catch_stray_output(filter_.log.sink, loop)
    loop.set_exception_handler(lambda _, context: _tell(filter_, context))
    ended = asyncio.Event()
    terminated = asyncio.Event()
    dispatcher = Dispatcher(filter_, lambda data: connection.write(data), loop)  # noqa: PLW0108 - made below

    def failed(error: BaseException) -> None:
        """A mistake in here: the rest of this read is lost, other sessions are not."""
        filter_.log.failure(None, "input", error)
        dispatcher.outbox.flush()

    connection = Wire(dispatcher, dispatcher.outbox, ended.set, failed)
    _handle_signals(loop, filter_, ended, terminated)
    wire.setblocking(False)
    await loop.create_connection(lambda: connection, sock=wire)
    starting = loop.create_task(_guarded(filter_, "started", dispatcher))
    await ended.wait()
    starting.cancel()
    dispatcher.close("shutting down")
    grace = _TERM_GRACE if terminated.is_set() else _EOF_GRACE
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace):
            await _guarded(filter_, "stopping", dispatcher)
            while connection.unwritten:  # noqa: ASYNC110 - the last milliseconds of a process
                await asyncio.sleep(0.01)


def _tell(filter_: Filter, context: Mapping[str, Any]) -> None:
    """What the event loop met outside of every barrier."""
    error = context.get("exception")
    filter_.log.warning(None, "asyncio", error=context.get("message"))
    if isinstance(error, BaseException):
        filter_.log.failure(None, "asyncio", error)


def _handle_signals(
    loop: asyncio.AbstractEventLoop, filter_: Filter, ended: asyncio.Event, terminated: asyncio.Event
) -> None:
    """SIGTERM ends, SIGHUP reloads; both default to killing the filter, and smtpd with it."""

    def terminate() -> None:
        terminated.set()
        ended.set()

    def reload() -> None:
        try:
            filter_.reload()
        except BaseException as error:  # noqa: BLE001 - the barrier: nothing a hook throws may end the process
            filter_.log.failure(None, "reload", error)

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGHUP, reload)


async def _guarded(filter_: Filter, what: str, dispatcher: Dispatcher) -> None:
    """Run started(), once registered, or stopping(); neither can end the process."""
    try:
        if what == "started":
            await dispatcher.registered_event.wait()
            await filter_.started()
        else:
            await filter_.stopping()
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - the barrier: nothing a hook throws may end the process
        filter_.log.failure(None, what, error)
