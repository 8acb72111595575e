"""What a hook is called with: the fields of smtpd's line, as they are meant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from filter_api import Filter, Proceed, Session
from filter_api.testing import Player


class Told(Filter):
    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def saw_filter_response(self, session: Session, phase: str, response: str, parameter: bytes) -> None:
        self.told.append((phase, response, parameter))

    def saw_filter_report(self, session: Session, kind: str, name: bytes, text: bytes) -> None:
        self.told.append((kind, name, text))

    def saw_commit(self, session: Session, size: int) -> None:
        self.told.append((size,))


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (b"filter-response|%b|connected|proceed", ("connected", "proceed", b"")),
        (b"filter-response|%b|rcpt-to|reject|550 5.7.1 a|b", ("rcpt-to", "reject", b"550 5.7.1 a|b")),
        (b"filter-response|%b|mail-from|rewrite|<a|b@x>", ("mail-from", "rewrite", b"<a|b@x>")),
        (b"filter-report|%b|warn|name|text|with bars", ("warn", b"name", b"text|with bars")),
        (b"tx-commit|%b|0badcafe|497", (497,)),
        (b"tx-commit|%b|0badcafe|many", (0,)),
        (b"tx-commit|%b|0badcafe|" + b"9" * 5_000, (0,)),
    ],
)
def test_the_fields_of_a_report_are_the_arguments(report: bytes, told: tuple[object, ...]) -> None:
    filter_ = Told()
    with Player(filter_) as smtpd:
        name, _, rest = report.partition(b"|")
        client = smtpd.connect()
        smtpd.feed(b"report|0.7|1.1|smtp-in|" + name + b"|" + rest % client.id + b"\n")
    assert filter_.told == [told]


class Everything(Filter):
    """Is told of everything and asked everything, and notes the hook and its arguments."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []


def _noting(name: str, *, asks: bool) -> Callable[..., Proceed | None]:
    def hook(self: Everything, session: object, *arguments: object) -> Proceed | None:
        self.told.append((name, *arguments) if isinstance(session, Session) else (name, "without its session"))
        return Proceed() if asks else None

    return hook


#: Report, its fields, and the call that comes of it.
REPORTS: list[tuple[str, tuple[bytes, ...], tuple[object, ...]]] = [
    ("link-connect", (b"mx", b"pass", b"192.0.2.1:4711", b"192.0.2.25:25"), ("saw_connect",)),
    ("link-greeting", (b"mx.example.org",), ("saw_greeting", b"mx.example.org")),
    ("link-identify", (b"EHLO", b"client"), ("saw_identify",)),
    ("link-tls", (b"TLSv1.3:x",), ("saw_tls",)),
    ("link-auth", (b"pass", b"alice"), ("saw_auth", "pass", b"alice")),
    ("tx-begin", (b"0a1b2c3d",), ("saw_begin",)),
    ("tx-mail", (b"0a1b2c3d", b"ok", b"a@example.org"), ("saw_mail", "ok", b"a@example.org")),
    ("tx-rcpt", (b"0a1b2c3d", b"permfail", b"b@example.net"), ("saw_rcpt", "permfail", b"b@example.net")),
    ("tx-envelope", (b"0a1b2c3d", b"0a1b2c3d11111111"), ("saw_envelope", b"0a1b2c3d11111111")),
    ("tx-data", (b"0a1b2c3d", b"tempfail"), ("saw_data", "tempfail")),
    ("tx-commit", (b"0a1b2c3d", b"497"), ("saw_commit", 497)),
    ("tx-rollback", (b"0a1b2c3d",), ("saw_rollback",)),
    ("tx-reset", (b"0a1b2c3d",), ("saw_reset",)),
    ("timeout", (), ("saw_timeout",)),
    ("protocol-client", (b"EHLO x",), ("saw_protocol_client", b"EHLO x")),
    ("protocol-server", (b"250 y",), ("saw_protocol_server", b"250 y")),
    ("filter-report", (b"filter", b"name", b"text"), ("saw_filter_report", "filter", b"name", b"text")),
    ("filter-response", (b"data", b"proceed"), ("saw_filter_response", "data", "proceed", b"")),
    ("link-disconnect", (), ("saw_disconnect",)),
]
SAWS = {call[0] for _, _, call in REPORTS}
ASKS = {"on_connect", "on_helo", "on_starttls", "on_mail_from", "on_rcpt_to", "on_data", "on_commit"}


def everything() -> Everything:
    hooks = {str(name): _noting(str(name), asks=False) for name in SAWS}
    hooks |= {name: _noting(name, asks=True) for name in ASKS}
    made = type("Told", (Everything,), hooks)()
    assert isinstance(made, Everything)
    return made


def test_every_report_is_told_with_its_fields_as_they_are_meant() -> None:
    filter_ = everything()
    with Player(filter_) as smtpd:
        for name, fields, _ in REPORTS:
            smtpd.feed(b"|".join((b"report|0.7|1.1|smtp-in", name.encode(), b"00000000000000aa", *fields)) + b"\n")
    assert filter_.told == [call for _, _, call in REPORTS]
    assert {name for name in dir(Filter) if name.startswith("saw_")} == SAWS


def test_a_size_that_is_no_number_or_no_honest_one_is_none() -> None:
    filter_ = everything()
    with Player(filter_) as smtpd:
        for size in (b"0", b"9" * 19, b"9" * 20, b"-1", b""):
            smtpd.feed(b"report|0.7|1.1|smtp-in|tx-commit|00000000000000aa|0a1b2c3d|" + size + b"\n")
    assert filter_.told == [("saw_commit", size) for size in (0, int("9" * 19), 0, 0, 0)]


@pytest.mark.parametrize(
    ("phase", "call"),
    [
        ("connect", ("on_connect",)),
        ("helo", ("on_helo", b"x")),
        ("ehlo", ("on_helo", b"x")),
        ("starttls", ("on_starttls",)),
        ("mail-from", ("on_mail_from", b"x")),
        ("rcpt-to", ("on_rcpt_to", b"x")),
        ("data", ("on_data",)),
        ("commit", ("on_commit",)),
        ("quit", None),
    ],
)
def test_every_request_asks_its_hook_with_its_argument(phase: str, call: tuple[object, ...] | None) -> None:
    filter_ = everything()
    with Player(filter_) as smtpd:
        client = smtpd.connect()
        filter_.told.clear()
        smtpd.feed(b"filter|0.7|1.1|smtp-in|%b|%b|%b|x\n" % (phase.encode(), client.id, smtpd.token(phase.encode())))
    assert filter_.told[:1] == ([] if call is None else [call])


@pytest.mark.parametrize(
    ("source", "confirmed", "told"),
    [
        (b"192.0.2.1:25", b"pass", False),
        (b"[2001:db8::1]:25", b"pass", False),
        (b"unix:/run/smtpd.sock", b"pass", False),
        (b"unix:/run/smtpd.sock", b"error", True),
        (b"unknown", b"fail", True),
        (b"", b"fail", True),
        (b":0", b"fail", True),
    ],
)
def test_a_client_whose_address_smtpd_cannot_tell_is_a_line_in_the_log(
    source: bytes, confirmed: bytes, told: bool
) -> None:
    with Player(everything()) as smtpd:
        fields = (b"00000000000000aa", b"mx", confirmed, source, b"192.0.2.25:25")
        smtpd.feed(b"report|0.7|1.1|smtp-in|link-connect|" + b"|".join(fields) + b"\n")
        lines = [line for line in smtpd.log if " untold " in line]
    shown = source.decode() or '""'
    reason = "smtpd cannot tell the client's address"
    assert lines == ([f'00000000000000aa untold source={shown} reason="{reason}"'] if told else [])


def test_a_word_that_is_not_ascii_is_told_as_far_as_it_is() -> None:
    filter_ = everything()
    with Player(filter_) as smtpd:
        smtpd.feed(b"report|0.7|1.1|smtp-in|link-auth|00000000000000aa|p\xe9|alice\n")
    assert filter_.told == [("saw_auth", "p\ufffd", b"alice")]


def test_what_is_no_line_of_smtpd_is_told_to_whoever_looks_for_a_mistake() -> None:
    filter_ = everything()
    filter_.options.verbose = True
    with Player(filter_) as smtpd:
        smtpd.dispatcher.context.log.verbose = True
        smtpd.feed(b"hello world\n")
        assert [line for line in smtpd.log if line.startswith("ignored")] == [
            'ignored reason="unknown line" line="hello world"'
        ]
