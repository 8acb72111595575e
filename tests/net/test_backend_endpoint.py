"""Addresses of backends: every form that is meant, and a clear refusal of every other."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from filter_api.net.endpoint import Endpoint, connect, parse_endpoint
from tests.support.ports import free_port


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("127.0.0.1:783", Endpoint("127.0.0.1", 783), "127.0.0.1:783"),
        ("127.0.0.1", Endpoint("127.0.0.1", 3310), "127.0.0.1:3310"),
        ("x.", Endpoint("x.", 3310), "x.:3310"),
        ("localhost", Endpoint("localhost", 3310), "localhost:3310"),
        ("av.example.org:99", Endpoint("av.example.org", 99), "av.example.org:99"),
        ("[::1]:783", Endpoint("::1", 783), "[::1]:783"),
        ("[2001:db8::1]", Endpoint("2001:db8::1", 3310), "[2001:db8::1]:3310"),
        ("::1", Endpoint("::1", 3310), "[::1]:3310"),
        ("/run/clamd.sock", Endpoint(path="/run/clamd.sock"), "/run/clamd.sock"),
    ],
)
def test_addresses(text: str, expected: Endpoint, shown: str) -> None:
    endpoint = parse_endpoint(text, 3310)
    assert endpoint == expected
    assert str(endpoint) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":783",
        "host:",
        "host:0",
        "host:65536",
        "host:-1",
        "host:7 83",
        "host:\u0661",
        "host:783:1",
        "[::1",
        "[::1]783",
        "[::1]:",
        "[127.0.0.1]:783",
        "ho st",
        "host\n",
        "-host",
        "a..b",
        ".a",
        "x" * 64,
        "x." * 127 + "xx",
        "/",
        "/run/",
        "/" + "x" * 103,
        "/run/\0",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        parse_endpoint(text, 3310)


def test_connects_over_ipv6_and_by_name() -> None:
    async def scenario(family: socket.AddressFamily, host: str) -> None:
        with socket.create_server((host, 0), family=family) as listener:
            port = listener.getsockname()[1]
            with await connect(Endpoint("localhost" if family == socket.AF_INET else host, port)) as sock:
                assert sock.getpeername()[1] == port

    asyncio.run(scenario(socket.AF_INET, "127.0.0.1"))
    asyncio.run(scenario(socket.AF_INET6, "::1"))


def test_a_full_queue_of_a_unix_socket_is_waited_for(tmp_path: Path) -> None:
    """connect(2) says EAGAIN there and no event follows: only trying again finds the room."""

    async def scenario() -> None:
        path = tmp_path / "socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(0)
            waiting = [asyncio.create_task(connect(Endpoint(path=str(path)))) for _ in range(4)]
            await asyncio.sleep(0.1)
            assert any(not task.done() for task in waiting)
            served = 0
            while served < len(waiting):
                connection, _ = await asyncio.to_thread(listener.accept)
                connection.close()
                served += 1
            for sock in await asyncio.wait_for(asyncio.gather(*waiting), 5):
                sock.close()

    asyncio.run(scenario())


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(connect(Endpoint(path=str(tmp_path / "none"))))
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(connect(Endpoint("127.0.0.1", free_port())))
