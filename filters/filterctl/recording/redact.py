"""Take credentials out of recorded traffic.

A filter that registered the auth phase or protocol-client sees passwords in base64. `Redactor` blanks, line by line:
the initial response of AUTH in requests and reports, the continuation lines a client sends after it, and what a filter
answers in the auth phase (a rewrite repeats the response). User names in link-auth stay, as smtpd logs them, too.
"""

from __future__ import annotations

import re

BLANK = b"********"

_AUTH_COMMAND = re.compile(rb"(\s*AUTH\s+(\S+))(\s+\S.*)?\Z", re.IGNORECASE | re.DOTALL)
_MECHANISM = re.compile(rb"(\s*\S*)(.*)\Z", re.DOTALL)
_STEPS = {b"PLAIN": 1, b"LOGIN": 2}
_MANY_STEPS = 8
_MAX_SESSIONS = 10_000


class Redactor:
    """Knows which sessions are in the middle of an AUTH dialogue; one for each recorded process."""

    def __init__(self) -> None:
        self._steps: dict[bytes, int] = {}
        self._tokens: set[bytes] = set()

    def line(self, to_filter: bool, line: bytes) -> bytes:
        """The line as it may be kept."""
        if not to_filter:
            return self._answer(line)
        if line.startswith(b"report|"):
            return self._report(line)
        if line.startswith(b"filter|"):
            return self._request(line)
        return line

    def _request(self, line: bytes) -> bytes:
        fields = line.split(b"|", 7)
        if len(fields) < 7 or fields[4] != b"auth":
            return line
        self._tokens.add(fields[6])
        fields[7:] = [_blank_after(_MECHANISM, field) for field in fields[7:]]
        return b"|".join(fields)

    def _answer(self, line: bytes) -> bytes:
        fields = line.split(b"|", 4)
        if len(fields) == 5 and not self._tokens.isdisjoint(fields[1:3]) and fields[3] == b"rewrite":
            fields[4] = _blank_after(_MECHANISM, fields[4])
        return b"|".join(fields)

    def _report(self, line: bytes) -> bytes:
        fields = line.split(b"|", 6)
        if len(fields) < 6:
            return line
        event, session = fields[4], fields[5]
        if event == b"protocol-client" and len(fields) == 7:
            fields[6] = self._client_said(session, fields[6])
        elif event == b"filter-response" and fields[6:] and fields[6].startswith(b"auth|rewrite|"):
            fields[6] = b"auth|rewrite|" + _blank_after(_MECHANISM, fields[6][len(b"auth|rewrite|") :])
        elif event in {b"link-auth", b"link-disconnect"} or (
            event == b"protocol-server" and fields[6:] and not fields[6].startswith(b"334")
        ):
            self._steps.pop(session, None)
        return b"|".join(fields)

    def _client_said(self, session: bytes, text: bytes) -> bytes:
        command = _AUTH_COMMAND.match(text)
        if command:
            steps = _STEPS.get(command[2].upper(), _MANY_STEPS)
            self._steps[session] = steps - 1 if command[3] else steps
            if len(self._steps) > _MAX_SESSIONS:  # a filter that never hears of their end
                del self._steps[next(iter(self._steps))]
            return command[1] + b" " + BLANK if command[3] else text
        left = self._steps.get(session, 0)
        if left <= 0:
            return text
        self._steps[session] = left - 1
        return BLANK


def _blank_after(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    """The first word of `text`, the mechanism, and stars for what follows."""
    found = pattern.match(text)
    if not found or not found[2].strip():
        return text
    return found[1] + b" " + BLANK
