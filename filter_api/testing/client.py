"""A client of the smtpd that `Player` plays: each method is a command, and tells smtpd's events in its order."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from filter_api.bounds import MAX_REPORTED_ADDRESS
from filter_api.testing.oracle import Oracle

MAIL: Final = b"Subject: test\r\n\r\nbody\r\n"
_NOBODY: Final = b"<unknown>"


class Reply(NamedTuple):
    """A filter's decision on a command: its word (``proceed``, ``junk``, ``reject``, …) and its parameter."""

    verdict: str
    reply: str

    @property
    def ok(self) -> bool:
        """Whether the command was let through."""
        return self.verdict in {"proceed", "junk", "rewrite"}


class Outcome(NamedTuple):
    """What became of a message: the decision at commit, and the lines given back, dot-stuffed, without the dot."""

    verdict: str
    reply: str
    lines: tuple[bytes, ...]

    @property
    def ok(self) -> bool:
        """Whether the message was accepted."""
        return self.verdict == "proceed"

    @property
    def text(self) -> bytes:
        """The message as delivered: un-stuffed, CRLF line ends."""
        return b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in self.lines)


PASSED: Final = Reply("proceed", "")


class Playing(Protocol):
    """What a client needs of the smtpd that it talks to, see `filter_api.testing.player.Player`."""

    oracle: Oracle
    protocol: bytes
    version: tuple[int, int]

    def feed(self, data: bytes) -> None: ...
    def token(self, phase: bytes) -> bytes: ...
    def lines(self) -> list[bytes]: ...
    def settle(self, session: bytes) -> None: ...
    def head(self, session: bytes) -> bytes: ...


class Client:
    """One session. `verdict` and `reply`: the filter's last decision. Raises AssertionError where smtpd would."""

    def __init__(
        self,
        player: Playing,
        session_id: bytes,
        address: str,
        *,
        rdns: str | bytes | None,
        fcrdns: str,
        destination: str,
        hostname: str = "mx.example.org",
    ) -> None:
        self._player = player
        self.id = session_id
        self.last = PASSED
        self.gone = False
        self._message = 0
        self._envelopes = 0
        self._sender = b""
        name = _NOBODY if rdns is None else _bytes(rdns)
        host = _bracketed(address)
        local = address == "unix"
        source = b"unix:/run/smtpd.sock" if local else host + b":4711"
        self.report("link-connect", name, _bytes(fcrdns), source, source if local else _bytes(destination))
        self._ask(b"connect", name + b"|" + (b"local" if local else host))
        if self.last.ok:
            self.report("link-greeting", _bytes(hostname))

    @property
    def verdict(self) -> str:
        """The word of the filter's last decision."""
        return self.last.verdict

    @property
    def reply(self) -> str:
        """The reply of the filter's last decision, if it had one."""
        return self.last.reply

    def report(self, name: str, *fields: bytes) -> None:
        """smtpd reports something, if the filter wants to know."""
        if b"smtp-in|" + name.encode("ascii") in self._player.oracle.reports:
            self._line(b"report", name.encode("ascii"), fields)

    def _line(self, kind: bytes, name: bytes, fields: tuple[bytes, ...]) -> None:
        head = (kind, self._player.protocol, b"1700000000.000000", b"smtp-in", name, self.id)
        self._player.feed(b"|".join((*head, *fields)) + b"\n")

    def _ask(self, phase: bytes, argument: bytes) -> Reply:
        if phase not in self._player.oracle.phases:
            self.last = PASSED
            return PASSED
        seen = len(self._player.lines())
        self._line(b"filter", phase, (self._player.token(phase), argument))
        self._player.settle(self.id)
        answer = self._answer(self._player.lines()[seen:])
        self.last = answer
        if answer.verdict == "disconnect" or answer.reply.startswith("421"):
            self._gone()
        return answer

    def _answer(self, lines: list[bytes]) -> Reply:
        for line in lines:
            kind, *ids, rest = line.split(b"|", 3)
            if kind == b"filter-result" and self.id in ids:
                word, _, parameter = rest.partition(b"|")
                return Reply(word.decode("ascii"), parameter.decode("latin-1"))
        raise AssertionError("the filter does not answer")

    # --- commands ------------------------------------------------------------------------------------------------

    def helo(self, identity: str | bytes = "client.example.net", *, ehlo: bool = True) -> Reply:
        """HELO or EHLO."""
        reply = self._ask(b"ehlo" if ehlo else b"helo", _bytes(identity))
        if reply.ok:
            self.report("link-identify", b"EHLO" if ehlo else b"HELO", _bytes(identity))
        return reply

    def starttls(self) -> Reply:
        """STARTTLS, and the handshake."""
        reply = self._ask(b"starttls", b"")
        if reply.ok:
            self.report("link-tls", b"TLSv1.3:TLS_AES_256_GCM_SHA384:256")
        return reply

    def auth(self, user: str = "alice", result: str = "pass") -> None:
        """An authentication, with its result."""
        old = self._player.version < (0, 7)
        fields = (_bytes(user), _bytes(result)) if old else (_bytes(result), _bytes(user))
        self.report("link-auth", *fields)

    def mail_from(self, sender: str | bytes = "sender@example.net") -> Reply:
        """MAIL FROM."""
        self._sender = _bytes(sender)
        reply = self._ask(b"mail-from", self._sender)
        if reply.ok:
            self._message += 1
            self.report("tx-begin", self._msgid)
            if len(self._sender) <= MAX_REPORTED_ADDRESS:
                self.report("tx-mail", self._msgid, *self._ordered(b"ok", self._sender))
        return reply

    def rcpt_to(self, recipient: str | bytes = "recipient@example.org", *, result: str = "ok") -> Reply:
        """RCPT TO; result is what smtpd itself says where the filter lets it through."""
        reply = self._ask(b"rcpt-to", _bytes(recipient))
        said = result.encode("ascii") if reply.ok else b"permfail" if reply.reply[:1] == "5" else b"tempfail"
        if said == b"ok":
            self._envelopes += 1
            self.report("tx-envelope", self._msgid, self._msgid + b"%08x" % self._envelopes)
        if len(_bytes(recipient)) <= MAX_REPORTED_ADDRESS:
            self.report("tx-rcpt", self._msgid, *self._ordered(said, _bytes(recipient)))
        return reply

    def data(self) -> Reply:
        """DATA."""
        reply = self._ask(b"data", b"")
        if reply.ok:
            self.report("tx-data", self._msgid, b"ok")
        return reply

    def message(self, text: bytes = MAIL, *, received: bool = True) -> Outcome:
        """DATA, a message (CRLF or LF text, not stuffed), the dot and what comes of it."""
        reply = self.data()
        if not reply.ok:
            return Outcome(reply.verdict, reply.reply, ())
        lines = text.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n") if text else []
        if received:
            lines = [
                b"Received: from client.example.net (client.example.net [192.0.2.1])",
                b"\tby mx.example.org (OpenSMTPD) with ESMTP id " + self._msgid + b";",
                *lines,
            ]
        return self.send([b"." + line if line.startswith(b".") else line for line in lines])

    def send(self, lines: list[bytes]) -> Outcome:
        """Message lines, dot-stuffed, then the dot and commit."""
        if b"data-line" in self._player.oracle.phases:
            lines = self._through(lines)
        reply = self._ask(b"commit", b"")
        if reply.ok:
            self.report("tx-commit", self._msgid, b"%d" % sum(len(line) + 2 for line in lines))
        else:
            self.report("tx-rollback", self._msgid)
        self.report("tx-reset", self._msgid)
        return Outcome(reply.verdict, reply.reply, tuple(lines))

    def _through(self, lines: list[bytes]) -> list[bytes]:
        player = self._player
        start = (b"filter", player.protocol, b"1700000000.000000", b"smtp-in", b"data-line", self.id)
        head = b"|".join((*start, player.token(b"data-line"), b""))
        seen = len(player.lines())
        player.feed(b"".join(head + line + b"\n" for line in (*lines, b".")))
        player.settle(self.id)
        back = player.head(self.id)
        came = [line[len(back) :] for line in player.lines()[seen:] if line.startswith(back)]
        if came[-1:] != [b"."]:
            raise AssertionError("the filter does not end the message")
        return came[:-1]

    def mail(self, text: bytes = MAIL, *recipients: str, sender: str = "a@example.net") -> Outcome:
        """A whole transaction, up to the first refusal."""
        reply = self.mail_from(sender)
        accepted = False
        if reply.ok:
            for recipient in recipients or ("recipient@example.org",):
                reply = self.rcpt_to(recipient)
                accepted = accepted or reply.ok
                if self.gone:
                    break
        if self.gone or not accepted:
            return Outcome(reply.verdict, reply.reply, ())
        return self.message(text)

    def rset(self) -> None:
        """RSET in a transaction."""
        self._ask(b"rset", b"")
        self.report("tx-rollback", self._msgid)
        self.report("tx-reset", self._msgid)

    def quit(self) -> None:
        """QUIT."""
        self._ask(b"quit", b"")
        self._gone()

    def vanish(self) -> None:
        """The client is gone without a word."""
        self._gone()

    def _gone(self) -> None:
        self.gone = True
        self.report("link-disconnect")

    @property
    def _msgid(self) -> bytes:
        return b"%08x" % (int(self.id, 16) * 256 + self._message)

    def _ordered(self, result: bytes, address: bytes) -> tuple[bytes, bytes]:
        return (address, result) if self._player.version < (0, 6) else (result, address)


def _bytes(text: str | bytes) -> bytes:
    return text.encode("ascii") if isinstance(text, str) else text


def _bracketed(address: str) -> bytes:
    return f"[{address}]".encode("ascii") if ":" in address else address.encode("ascii")
