"""The client of a scanner against servers that do everything wrong: three results, one deadline, nothing left over."""

from __future__ import annotations

import asyncio
import socket
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from filter_api.bounds import MAX_SCANNER_ANSWER, MAX_WAITING
from filter_api.message.spool import SpoolError
from filter_api.net.backend import Backend, BackendError, Backends
from filter_api.net.conversation import BadAnswer, Question
from filter_api.net.endpoint import Endpoint
from filter_api.testing.servers import (
    Handler,
    close_at_once,
    deaf,
    drip,
    flood,
    half_close_silently,
    hang,
    reset,
    say,
    say_early,
    say_early_and_stay,
    served,
    served_tcp,
)
from filter_api.text.escape import format_pairs, raw_text
from tests.support.descriptors import open_descriptors

MEGABYTE = [b"x" * 65536] * 16


def whole(reply: bytes) -> bytes:
    if not reply.endswith(b"\n"):
        raise BadAnswer("not a whole line")
    return reply


def question(blocks: Iterable[bytes] = (b"hello",), *, half_close: bool = True) -> Question[bytes]:
    kept = list(blocks)
    return Question(lambda: iter(kept), whole, lambda reply: reply.endswith(b"\n"), half_close=half_close)


def soon(seconds: float = 0.3) -> float:
    return asyncio.get_running_loop().time() + seconds


def run(handler: Handler, path: Path, scenario: Callable[[Endpoint], Awaitable[None]]) -> None:
    """Run a scenario against a server and see that no descriptor is left over."""

    async def main() -> None:
        before = open_descriptors()
        async with served(handler, path / "socket") as endpoint:
            await scenario(endpoint)
        await asyncio.sleep(0)
        assert open_descriptors() <= before
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def fails(handler: Handler, path: Path, asked: Question[bytes], why: str, seconds: float = 0.3) -> None:
    """The question must end in BackendError, at the deadline at the latest."""

    async def scenario(endpoint: Endpoint) -> None:
        started = time.monotonic()
        with pytest.raises(BackendError, match=why):
            await Backend(endpoint).ask(asked, soon(seconds))
        assert time.monotonic() - started < seconds + 0.25

    run(handler, path, scenario)


def test_question_and_answer(tmp_path: Path) -> None:
    async def scenario(endpoint: Endpoint) -> None:
        assert await Backend(endpoint).ask(question(), soon(5)) == b"fine\n"

    run(say(b"fine\n"), tmp_path, scenario)


@pytest.mark.parametrize("handler", [hang, deaf, drip(b"f" * 1000 + b"\n")], ids=["hang", "deaf", "drip"])
@pytest.mark.parametrize("blocks", [[b"hello"], MEGABYTE], ids=["small", "large"])
def test_the_deadline_is_for_everything(handler: Handler, blocks: list[bytes], tmp_path: Path) -> None:
    fails(handler, tmp_path, question(blocks), "no answer within the deadline")


def test_too_much_is_not_read(tmp_path: Path) -> None:
    fails(flood(100 << 20), tmp_path, question(), f"more than {MAX_SCANNER_ANSWER} bytes", 2.0)


@pytest.mark.parametrize("handler", [close_at_once, half_close_silently], ids=["closed", "half-closed"])
@pytest.mark.parametrize("blocks", [[b"hello"], MEGABYTE], ids=["small", "large"])
def test_no_answer_is_no_answer(handler: Handler, blocks: list[bytes], tmp_path: Path) -> None:
    fails(handler, tmp_path, question(blocks), "not a whole line|reset", 2.0)


def test_half_an_answer_is_none(tmp_path: Path) -> None:
    fails(say(b"fin"), tmp_path, question(), "not a whole line")


@pytest.mark.parametrize("after", [0, 200_000])
def test_reset(after: int) -> None:
    async def main() -> None:
        async with served_tcp(reset(after)) as endpoint:
            with pytest.raises(BackendError, match=r"reset|not a whole line"):
                await Backend(endpoint).ask(question(MEGABYTE), soon(5))

    asyncio.run(main())


@pytest.mark.parametrize("handler", [say_early(b"too large\n"), say_early_and_stay(b"too large\n")])
def test_an_early_answer_is_read(handler: Handler, tmp_path: Path) -> None:
    """A daemon that refuses the rest of the input has said why; a failed write must not lose that."""

    async def scenario(endpoint: Endpoint) -> None:
        for _ in range(20):
            assert await Backend(endpoint).ask(question(MEGABYTE), soon(5)) == b"too large\n"

    run(handler, tmp_path, scenario)


@pytest.mark.timed
def test_nobody_listens_is_known_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        started = time.monotonic()
        with pytest.raises(BackendError, match="No such file"):
            await Backend(Endpoint(path=str(tmp_path / "none"))).ask(question(), soon(60))
        assert time.monotonic() - started < 0.1

    asyncio.run(main())


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_arguments: object, **_options: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def main() -> None:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with pytest.raises(BackendError, match=r"^nowhere\.example:1: Name or service not known$"):
            await Backend(Endpoint("nowhere.example", 1)).ask(question(), soon(5))

    asyncio.run(main())


def test_a_daemon_that_cannot_be_connected_to_is_not_asked_a_sixth_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        backend = Backend(Endpoint(path=str(tmp_path / "none")))
        said = []
        for _ in range(7):
            with pytest.raises(BackendError) as caught:
                await backend.ask(question(), soon())
            said.append(str(caught.value).partition(": ")[2])
        assert said == ["No such file or directory"] * 5 + ["held to be down"] * 2

    asyncio.run(scenario())


PING: Question[object] = Question(lambda: (b"PING\n",), whole, lambda reply: reply.endswith(b"\n"))


def alive_but(trouble: Handler) -> Handler:
    """A daemon that answers pings, and has trouble with everything else."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(5) == b"PING\n":
            writer.write(b"PONG\n")
            await writer.drain()
            writer.close()
        else:
            await trouble(reader, writer)

    return handle


async def fail_often(backend: Backend, times: int = 8) -> None:
    for _ in range(times):
        with pytest.raises(BackendError):
            await backend.ask(question(), soon(0.1))
    await asyncio.sleep(0.1)  # a ping under way


@pytest.mark.parametrize(
    "trouble",
    [hang, deaf, close_at_once, say(b"garbage"), drip(b"a" * 100)],
    ids=["hangs", "deaf", "closes", "garbage", "drips"],
)
def test_questions_that_go_wrong_prove_nothing_against_a_daemon_that_answers_pings(
    trouble: Handler, tmp_path: Path
) -> None:
    async def scenario(endpoint: Endpoint) -> None:
        backend = Backend(endpoint, ping=PING)
        await fail_often(backend)
        assert not backend.breaker.is_open

    run(alive_but(trouble), tmp_path, scenario)


@pytest.mark.parametrize("trouble", [hang, close_at_once, say(b"garbage")], ids=["hangs", "closes", "garbage"])
def test_a_daemon_that_answers_no_ping_either_is_held_to_be_down(
    trouble: Handler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filter_api.net.backend.PING_SECONDS", 0.2)

    async def scenario(endpoint: Endpoint) -> None:
        backend = Backend(endpoint, ping=PING)
        for _ in range(3):
            await fail_often(backend, 6)
            await asyncio.sleep(0.3)
        assert backend.breaker.is_open

    run(trouble, tmp_path, scenario)


def test_a_question_that_has_no_time_left_to_connect_proves_nothing(tmp_path: Path) -> None:
    """It waited for its turn until its deadline; the daemon is well."""

    async def scenario(endpoint: Endpoint) -> None:
        backend = Backend(endpoint, ping=PING)
        for _ in range(8):
            with pytest.raises(BackendError, match="no answer within the deadline"):
                await backend.ask(question(), soon(0.0))
            await asyncio.sleep(0.02)
        assert not backend.breaker.is_open

    run(alive_but(hang), tmp_path, scenario)


def test_nobody_who_accepts_is_as_down_as_nobody_who_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filter_api.net.backend.PING_SECONDS", 0.1)

    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as listener, ExitStack() as full:
            listener.bind(str(tmp_path / "socket"))
            listener.listen(0)
            for _ in range(2):  # as many as its queue takes
                waiting = full.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                with suppress(BlockingIOError):
                    waiting.connect(str(tmp_path / "socket"))
            backend = Backend(Endpoint(path=str(tmp_path / "socket")), ping=PING)
            for _ in range(6):
                with pytest.raises(BackendError):
                    await backend.ask(question(), soon(0.05))
            await asyncio.sleep(0.2)
            assert backend.breaker.is_open

    asyncio.run(main())


def test_an_answer_about_a_part_of_a_message_is_none(tmp_path: Path) -> None:
    """The rest of the message cannot be read; what the daemon says of the beginning does not matter."""

    async def scenario(endpoint: Endpoint) -> None:
        def blocks() -> Iterable[bytes]:
            yield from MEGABYTE
            raise SpoolError("Input/output error")

        for _ in range(20):
            with pytest.raises(SpoolError):
                await Backend(endpoint).ask(Question(blocks, whole, half_close=True), soon(5))

    run(answer_after(len(MEGABYTE) * len(MEGABYTE[0]), b"fine\n"), tmp_path, scenario)


def answer_after(count: int, answer: bytes) -> Handler:
    """Read so many bytes, then answer and stay."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(count)
        writer.write(answer)
        await writer.drain()
        await reader.read()

    return handle


def test_without_a_ping_only_connecting_tells(tmp_path: Path) -> None:
    async def scenario(endpoint: Endpoint) -> None:
        backend = Backend(endpoint)
        await fail_often(backend)
        assert not backend.breaker.is_open

    run(hang, tmp_path, scenario)


def test_what_a_daemon_said_is_escaped_where_it_is_shown_and_only_there(tmp_path: Path) -> None:
    """The reason goes to the log as a value, which escapes it: once."""

    async def scenario(endpoint: Endpoint) -> None:
        said: Question[bytes] = Question(lambda: (b"x",), lambda reply: reject(raw_text(reply, 80)), half_close=True)
        with pytest.raises(BackendError) as caught:
            await Backend(endpoint).ask(said, soon(5))
        assert format_pairs({"reason": str(caught.value).partition(": ")[2]}) == r'reason="it said foo\x0d\x0a\xff"'

    def reject(text: str) -> bytes:
        raise BadAnswer(f"it said {text}")

    run(say(b"foo\r\n\xff"), tmp_path, scenario)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), SpoolError("Input/output error")])
def test_a_message_that_cannot_be_read_is_not_the_daemons_fault(error: Exception, tmp_path: Path) -> None:
    def blocks() -> Iterable[bytes]:
        yield b"hello"
        raise error

    async def scenario(endpoint: Endpoint) -> None:
        backend = Backend(endpoint)
        for _ in range(8):
            with pytest.raises(SpoolError, match="Input/output error"):
                await backend.ask(Question(blocks, whole), soon())
        assert not backend.breaker.is_open

    run(hang, tmp_path, scenario)


def test_the_second_daemon_is_asked_when_the_first_is_down(tmp_path: Path) -> None:
    async def scenario(endpoint: Endpoint) -> None:
        down = Backend(Endpoint(path=str(tmp_path / "none")))
        backends = Backends([down, Backend(endpoint)], parallel=4)
        for _ in range(10):
            assert await backends.ask(question(), soon()) == b"fine\n"
        assert down.breaker.is_open

    run(say(b"fine\n"), tmp_path, scenario)


def test_a_silent_daemon_does_not_eat_the_time_of_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(hang, tmp_path / "one") as silent, served(say(b"fine\n"), tmp_path / "two") as good:
            backends = Backends([Backend(silent), Backend(good)], parallel=4)
            assert await backends.ask(question(), soon(0.6)) == b"fine\n"

    asyncio.run(main())


def test_all_down_names_each(tmp_path: Path) -> None:
    async def main() -> None:
        down = [Backend(Endpoint(path=str(tmp_path / name))) for name in ("one", "two")]
        with pytest.raises(BackendError, match=r"one: No such .*; .*two: No such"):
            await Backends(down, parallel=1).ask(question(), soon())

    asyncio.run(main())


def test_at_most_so_many_at_once(tmp_path: Path) -> None:
    at_once = 0
    most = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        writer.write(b"fine\n")
        await writer.drain()

    async def scenario(endpoint: Endpoint) -> None:
        backends = Backends([Backend(endpoint)], parallel=5)
        answers = await asyncio.gather(*(backends.ask(question(), soon(10)) for _ in range(40)))
        assert answers == [b"fine\n"] * 40
        assert most == 5

    run(slow, tmp_path, scenario)


@pytest.mark.timed
def test_two_hundred_waiting_on_a_silent_daemon_end_at_the_deadline(tmp_path: Path) -> None:
    async def scenario(endpoint: Endpoint) -> None:
        backends = Backends([Backend(endpoint)], parallel=5)
        started = time.monotonic()
        results = await asyncio.gather(
            *(backends.ask(question(), soon(0.5)) for _ in range(200)), return_exceptions=True
        )
        assert all(isinstance(result, BackendError) for result in results)
        assert 0.45 < time.monotonic() - started < 0.75

    run(hang, tmp_path, scenario)


@pytest.mark.timed
def test_one_more_than_may_wait_is_not_asked(tmp_path: Path) -> None:
    """Whoever waits costs memory: a daemon that hangs gathers no more than so many."""

    async def scenario(endpoint: Endpoint) -> None:
        backends = Backends([Backend(endpoint)], parallel=5)
        waiting = [asyncio.create_task(backends.ask(question(), soon(60))) for _ in range(MAX_WAITING + 5)]
        await asyncio.sleep(0)
        started = time.monotonic()
        with pytest.raises(BackendError, match="too many questions wait"):
            await backends.ask(question(), soon(60))
        assert time.monotonic() - started < 1
        waiting.pop().cancel()
        await asyncio.sleep(0)
        with pytest.raises(BackendError, match="no turn within the deadline"):
            await backends.ask(question(), soon(0.05))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(BackendError, match="no answer within the deadline"):
            await backends.ask(question(), soon(0.1))

    run(hang, tmp_path, scenario)


def test_whatever_waits_is_little(tmp_path: Path) -> None:
    async def scenario(endpoint: Endpoint) -> None:
        backends = Backends([Backend(endpoint)], parallel=1)
        tracemalloc.start()
        try:
            waiting = [asyncio.create_task(backends.ask(question(), soon(60))) for _ in range(1_000)]
            await asyncio.sleep(0.1)
            cost, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert cost < 1_000 * 8_192
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(hang, tmp_path, scenario)


@pytest.mark.parametrize("handler", [hang, deaf])
def test_cancelling_leaves_nothing(handler: Handler, tmp_path: Path) -> None:
    async def scenario(endpoint: Endpoint) -> None:
        backends = Backends([Backend(endpoint)], parallel=10)
        tasks = [asyncio.create_task(backends.ask(question(MEGABYTE), soon(60))) for _ in range(20)]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert not backends.backends[0].breaker.is_open, "who gives up says nothing about the daemon"

    run(handler, tmp_path, scenario)
