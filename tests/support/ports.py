"""Ports of loopback for tests: one number for TCP and UDP, which no client of another test gets by chance.

The system gives clients the ports from 32768 (Linux) or 49152 up. One found among those may be some client's by the
time it is listened on, or, where nobody is to listen, be answered by the very client that connects.
"""

from __future__ import annotations

import random
import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
BELOW_CLIENTS: Final = range(20_000, 32_000)


def both_sockets() -> tuple[socket.socket, socket.socket]:
    """One port for datagrams and for streams: a bound socket, and a listening one."""
    for port in random.sample(BELOW_CLIENTS, 1_000):
        datagrams, listener = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            datagrams.bind((LOOPBACK, port))
            listener.bind((LOOPBACK, port))
            listener.listen()
        except OSError:
            datagrams.close()
            listener.close()
        else:
            return datagrams, listener
    raise AssertionError(f"no free port on {LOOPBACK}")


def free_port() -> int:
    """A port nobody listens on."""
    datagrams, listener = both_sockets()
    with datagrams, listener:
        port: int = listener.getsockname()[1]
    return port
