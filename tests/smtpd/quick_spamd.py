"""A spamd that takes no time and holds everything to be spam: run as a program beside a private smtpd."""

from __future__ import annotations

import socketserver
import sys

ANSWER = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\nSpam: True ; 15.0 / 5.0\r\n\r\nGTUBE"


class Handler(socketserver.StreamRequestHandler):
    """One question: the client shuts its side down behind a message."""

    def handle(self) -> None:
        """Read it to its end, answer, close."""
        if self.rfile.readline().startswith(b"PING "):
            self.wfile.write(b"SPAMD/1.5 0 PONG\r\n")
            return
        while self.rfile.read(65536):
            pass
        self.wfile.write(ANSWER)


class Server(socketserver.ThreadingTCPServer):
    """Many clients at once."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
