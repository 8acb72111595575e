"""A little SMTP server on loopback that keeps what it is given, or answers each message as it is told."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Self


class _Handler(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        sink: SmtpSink = self.server.sink  # type: ignore[attr-defined]
        self.wfile.write(sink.says.get(b"", b"220 sink") + b"\r\n")
        for line in self.rfile:
            word = line[:4].upper()
            if word in sink.says:
                self.wfile.write(sink.says[word] + b"\r\n")
                continue
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b""
                for data in self.rfile:
                    if data == b".\r\n":
                        break
                    text += data
                sink.texts.append(text)
                self.wfile.write(sink.reply.encode() + b"\r\n")
                continue
            if word == b"RCPT":
                sink.recipients.append(line.partition(b"<")[2].partition(b">")[0].decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


class SmtpSink:
    """texts, recipients: what came, in its order. reply: what each message is answered with.

    says: what else is answered to a command, by its first four letters; to nothing, the greeting.
    """

    def __init__(self, reply: str = "250 2.0.0 ok", says: Mapping[bytes, bytes] = MappingProxyType({})) -> None:
        self.reply = reply
        self.says = says
        self.texts: list[bytes] = []
        self.recipients: list[str] = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler)
        self._server.sink = self  # type: ignore[attr-defined]
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
