"""A listener that takes mail, as the one without filters that releases go to; it answers some commands otherwise."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

HANG_UP = "hang up"
"""An answer that is none: the connection is closed."""


@dataclass
class Sink:
    """What arrived. answers: by the beginning of a command, instead of 250."""

    port: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)

    def answer(self, command: str) -> str:
        """What to say to a command."""
        self.commands.append(command)
        for start, reply in self.answers.items():
            if command.startswith(start):
                return reply
        if command.startswith("EHLO"):
            return "250-sink\r\n250-8BITMIME\r\n250 HELP"
        return "354 go on" if command == "DATA" else "221 bye" if command == "QUIT" else "250 2.0.0 ok"


@contextmanager
def smtp_sink(answers: Mapping[str, str] | None = None, host: str = "127.0.0.1") -> Iterator[Sink]:
    """Run one on a port of its own."""
    sink = Sink(answers=answers or {})

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            while line := self.rfile.readline():
                verb, blank, rest = line.decode("latin-1").rstrip("\r\n").partition(" ")
                reply = sink.answer(verb.upper() + blank + rest)
                if reply == HANG_UP:
                    return
                self.wfile.write(reply.encode() + b"\r\n")
                if reply.startswith("354"):
                    said = self.message()
                    if said == HANG_UP:
                        return
                    self.wfile.write(said.encode() + b"\r\n")
                if reply.startswith("221") or verb == "QUIT":
                    return

        def message(self) -> str:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line[1:] if line.startswith(b".") else line)
            sink.messages.append(b"".join(lines))
            return sink.answer("the message")

    class Server(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    with Server((host, 0), Handler) as server:
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()
