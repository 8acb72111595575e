"""An SMTP client that says exactly what a test wants and reports exactly what came back.

    client.ehlo("mail.example.net")
    client.mail_from("a@example.net")
    client.rcpt_to("bob@example.org")
    reply = client.message(b"Subject: x\\r\\n\\r\\nhello\\r\\n")      # DATA, the text dot-stuffed, the dot
    reply.code, reply.text

Nothing is checked, retried or split; bytes given to `send` leave as they are. A reply that does not come raises
TimeoutError (the client waits `timeout` seconds), a connection that ends raises Gone.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Self


class Gone(ConnectionError):
    """The server closed the connection while a reply was expected."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, RFC 5321 §4.2."""

    code: int
    lines: tuple[str, ...]
    """The text of each line, without code and separator; 8-bit bytes as surrogates."""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def dot_stuffed(text: bytes) -> bytes:
    """`text` as RFC 5321 §4.5.2 wants it in DATA, with the final CRLF it may lack, without the dot that ends it."""
    stuffed = re.sub(rb"(^|\n)\.", rb"\1..", text)
    return stuffed if stuffed.endswith(b"\r\n") or not stuffed else stuffed + b"\r\n"


class Client:
    """One connection to an SMTP server; `banner` is the greeting."""

    def __init__(self, connection: socket.socket, timeout: float = 20.0, *, greeted: bool = True) -> None:
        self.socket: socket.socket = connection
        self.timeout = timeout
        connection.settimeout(timeout)
        self._buffer = b""
        self.banner: Reply | None = None
        if greeted:
            self.greet()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def greet(self) -> Reply:
        """Read the greeting. The connection is closed if there is none."""
        try:
            self.banner = self.reply()
        except OSError:
            self.close()
            raise
        return self.banner

    def close(self) -> None:
        """Close the connection without a word."""
        self.socket.close()

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def reply(self) -> Reply:
        """Read one reply, of one or more lines."""
        lines: list[str] = []
        while True:
            line = self._line().decode("ascii", "surrogateescape")
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), tuple(lines))

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            try:
                received = self.socket.recv(65536)
            except ConnectionResetError as error:
                raise Gone("connection reset") from error
            if not received:
                raise Gone("connection closed")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    def command(self, line: str | bytes) -> Reply:
        """Send one command line and return its reply."""
        raw = line.encode("ascii", "surrogateescape") if isinstance(line, str) else line
        try:
            self.send(raw + b"\r\n")
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone("connection closed") from error
        return self.reply()

    def ehlo(self, name: str = "client.example.net") -> Reply:
        return self.command(f"EHLO {name}")

    def helo(self, name: str = "client.example.net") -> Reply:
        return self.command(f"HELO {name}")

    def mail_from(self, address: str = "alice@example.net", parameters: str = "") -> Reply:
        return self.command(f"MAIL FROM:<{address}>{parameters}")

    def rcpt_to(self, address: str = "bob@example.org") -> Reply:
        return self.command(f"RCPT TO:<{address}>")

    def data(self) -> Reply:
        return self.command("DATA")

    def message(self, text: bytes) -> Reply:
        """DATA, `text` and the dot; the reply to the dot, or to DATA when that is not 354."""
        reply = self.data()
        if reply.code != 354:
            return reply
        return self.body(dot_stuffed(text))

    def body(self, raw: bytes) -> Reply:
        """`raw` bytes after a 354, then the dot; the reply to it."""
        self.send(raw + b".\r\n")
        return self.reply()

    def rset(self) -> Reply:
        return self.command("RSET")

    def quit(self) -> Reply:
        reply = self.command("QUIT")
        self.close()
        return reply

    def starttls(self) -> Reply:
        """STARTTLS and the handshake, whoever the server says it is."""
        reply = self.command("STARTTLS")
        if reply.code == 220:
            self.wrap()
        return reply

    def wrap(self) -> None:
        """Start TLS on the connection now."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def auth_plain(self, user: str, password: str) -> Reply:
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.command(f"AUTH PLAIN {token}")

    def deliver(self, text: bytes, sender: str = "alice@example.net", recipient: str = "bob@example.org") -> Reply:
        """EHLO, MAIL, RCPT and the message; the first refusal, or the reply to the dot."""
        reply = self.ehlo()
        if reply.code < 400:
            reply = self.mail_from(sender)
        if reply.code < 400:
            reply = self.rcpt_to(recipient)
        return self.message(text) if reply.code < 400 else reply
