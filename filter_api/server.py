"""What smtpd says of itself before it serves: the lines ``config|key|value``."""

from __future__ import annotations

from filter_api.protocol.parser import version_tuple
from filter_api.text.escape import printable


class Server:
    """version: smtpd's own, free text; protocol: (major, minor), from the handshake or from the first event.

    admd: the administrative domain, by default the server's host name (since 6.8; else ``b""``). subsystems:
    ``smtp-in`` and ``smtp-out`` as far as this filter is used there (since 6.7). session_timeout: seconds.
    """

    __slots__ = ("admd", "protocol", "session_timeout", "subsystems", "version")

    def __init__(self) -> None:
        self.version = ""
        self.protocol: tuple[int, int] = (0, 7)
        self.admd = b""
        self.subsystems: set[str] = set()
        self.session_timeout = 300

    @property
    def name(self) -> str:
        """What smtpd calls itself, as text for headers; ``localhost`` where it did not say."""
        return printable(self.admd) or "localhost"

    def learn(self, key: bytes, value: bytes) -> None:
        """Take one line of the handshake; unknown keys and odd values are ignored."""
        if key == b"smtpd-version":
            self.version = value.decode("ascii", "replace")
        elif key == b"protocol":
            self.protocol = version_tuple(value) or self.protocol
        elif key == b"admd":
            self.admd = value
        elif key == b"subsystem":
            self.subsystems.add(value.decode("ascii", "replace"))
        elif key == b"smtp-session-timeout" and value.isdigit() and len(value) < 9:
            self.session_timeout = int(value)
