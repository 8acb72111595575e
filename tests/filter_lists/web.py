"""A web server on loopback whose answers a test chooses, and one of ftp that has one file."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request. Its server has the answers, by path."""

    protocol_version = "HTTP/1.1"
    server: Web

    def do_GET(self) -> None:
        """Answer as the test said."""
        self.server.asked.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
        self.close_connection = True
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.tell(404, b"nothing here")
        else:
            answer(self)

    def tell(self, code: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; an underscore in the name of a header stands for a hyphen."""
        self.send_response(code)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


class Web(ThreadingHTTPServer):
    """answers: by path. asked: path and headers of each request so far, the names in lower case."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stopped = threading.Event()
        self.scheme = "http"

    def url(self, path: str) -> str:
        return f"{self.scheme}://localhost:{self.server_address[1]}{path}"

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


@contextmanager
def web(certificate: tuple[str, str] | None = None, folder: Path | None = None) -> Iterator[Web]:
    """A server, with TLS if there is a certificate (and its key, in PEM)."""
    server = Web()
    if certificate is not None and folder is not None:
        (folder / "pair.pem").write_text("".join(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "pair.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def text(body: bytes, **headers: str) -> Answer:
    """An answer with this body."""
    return lambda request: request.tell(200, body, **headers)


def redirect(where: str, code: int = 302) -> Answer:
    """An answer that leads elsewhere."""
    return lambda request: request.tell(code, b"", Location=where)


def slow(request: Request) -> None:
    """A byte every tenth of a second, for ever."""
    request.send_response(200)
    request.end_headers()
    while not request.server.stopped.wait(0.1):
        request.wfile.write(b"1")
        request.wfile.flush()


@contextmanager
def ftp(content: bytes) -> Iterator[int]:
    """A server of ftp for one client, which gets this content whatever it asks for. Its port."""
    listening, data = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with suppress(ConnectionError), connection, connection.makefile("rwb") as lines:  # the client may just go

            def say(line: str) -> None:
                lines.write(line.encode() + b"\r\n")
                lines.flush()

            say("220 ready")
            for command in lines:
                verb = command[:4].strip().upper()
                if verb == b"PASV":
                    port = data.getsockname()[1]
                    say(f"227 Entering Passive Mode (127,0,0,1,{port >> 8},{port & 255})")
                elif verb == b"RETR":
                    say("150 here it comes")
                    peer, _ = data.accept()
                    with peer:
                        peer.sendall(content)
                    say("226 done")
                elif verb == b"QUIT":
                    return
                else:
                    say("331 password" if verb == b"USER" else "230 fine" if verb == b"PASS" else "200 fine")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        thread.join(5)
        listening.close()
        data.close()
