"""The judge itself: every row of what smtpd does not forgive. tests/smtpd proves the same rows on real daemons."""

from __future__ import annotations

import pytest

from filter_api.testing import Oracle, SmtpdError, WouldHang, WouldKillSmtpd, WouldMislead, WouldWedgeSmtpd

SID, TOKEN = b"3c1bba49506bc31c", b"80bb07f5d532c2d0"
IDS = SID + b"|" + TOKEN + b"|"


def asked(phase: bytes, argument: bytes = b"", protocol: bytes = b"0.7") -> Oracle:
    oracle = Oracle(registered=True)
    oracle.smtpd_wrote(b"filter|%b|1|smtp-in|%b|%b%b\n" % (protocol, phase, IDS, argument))
    return oracle


def in_data(*lines: bytes, protocol: bytes = b"0.7") -> Oracle:
    oracle = Oracle(registered=True)
    for line in lines:
        oracle.smtpd_wrote(b"filter|%b|1|smtp-in|data-line|%b%b\n" % (protocol, IDS, line))
    return oracle


ROWS: list[tuple[str, Oracle, bytes, type[SmtpdError]]] = [
    ("stray print", asked(b"connect"), b"hello world\n", WouldKillSmtpd),
    ("empty line", asked(b"connect"), b"\n", WouldKillSmtpd),
    ("filter report", asked(b"connect"), b"report|1|smtp-in|%b|msg\n" % SID, WouldKillSmtpd),
    ("cr", asked(b"connect"), b"filter-result|%bproceed\r\n" % IDS, WouldKillSmtpd),
    ("case", asked(b"connect"), b"filter-result|%bProceed\n" % IDS, WouldKillSmtpd),
    ("parameter", asked(b"connect"), b"filter-result|%bproceed|x\n" % IDS, WouldKillSmtpd),
    ("no parameter", asked(b"connect"), b"filter-result|%breject\n" % IDS, WouldKillSmtpd),
    ("ids missing", asked(b"connect"), b"filter-result|%b\n" % SID, WouldKillSmtpd),
    ("ids odd", asked(b"connect"), b"filter-result|zz|%b|proceed\n" % TOKEN, WouldKillSmtpd),
    ("wrong token", asked(b"connect"), b"filter-result|%b|1|proceed\n" % SID, WouldKillSmtpd),
    ("twice", asked(b"connect"), b"filter-result|%bproceed\n" % IDS * 2, WouldKillSmtpd),
    (
        "twice, differently",
        asked(b"connect"),
        b"filter-result|%bproceed\nfilter-result|%bjunk\n" % (IDS, IDS),
        WouldKillSmtpd,
    ),
    ("junk at commit", asked(b"commit"), b"filter-result|%bjunk\n" % IDS, WouldKillSmtpd),
    ("huge reply", asked(b"connect"), b"filter-result|%breject|550 %b\n" % (IDS, b"x" * 20_000), WouldKillSmtpd),
    ("report decision", asked(b"rcpt-to"), b"filter-result|%breport|x\n" % IDS, WouldMislead),
    ("report decision, old", asked(b"rcpt-to", protocol=b"0.6"), b"filter-result|%breport|x\n" % IDS, WouldKillSmtpd),
    ("reply without code", asked(b"connect"), b"filter-result|%breject|go away\n" % IDS, WouldMislead),
    ("reply 250", asked(b"connect"), b"filter-result|%breject|250 ok\n" % IDS, WouldMislead),
    ("reply without text", asked(b"connect"), b"filter-result|%breject|550 \n" % IDS, WouldMislead),
    ("several lines", asked(b"connect"), b"filter-result|%breject|550-a\n" % IDS, WouldMislead),
    ("cr in reply", asked(b"connect"), b"filter-result|%breject|550 a\r\n" % IDS, WouldMislead),
    ("bare rewrite", asked(b"mail-from"), b"filter-result|%brewrite|a@b\n" % IDS, WouldMislead),
    ("rewrite at data", asked(b"data"), b"filter-result|%brewrite|x\n" % IDS, WouldMislead),
    ("rewrite at commit", asked(b"commit"), b"filter-result|%brewrite|x\n" % IDS, WouldHang),
    ("line of 65,537 bytes", in_data(b"x"), b"filter-dataline|%b%b\n" % (IDS, b"x" * 65_486), WouldWedgeSmtpd),
    ("line without end", in_data(b"x"), b"filter-dataline|%b%b" % (IDS, b"x" * 65_536), WouldWedgeSmtpd),
    ("long line, old", in_data(b"x", protocol=b"0.6"), b"filter-dataline|%b%b\n" % (IDS, b"x" * 1_998), WouldMislead),
    ("result in data", in_data(b"x"), b"filter-result|%bproceed\n" % IDS, WouldKillSmtpd),
    ("line after the dot", in_data(b"."), b"filter-dataline|%b.\nfilter-dataline|%bx\n" % (IDS, IDS), WouldKillSmtpd),
    ("line without data", asked(b"connect"), b"filter-dataline|%bx\n" % IDS, WouldKillSmtpd),
    ("early dot", in_data(b"x"), b"filter-dataline|%b.\n" % IDS, WouldMislead),
    ("before ready", Oracle(), b"filter-result|%bproceed\n" % IDS, WouldKillSmtpd),
    ("unknown event", Oracle(), b"register|report|smtp-in|link-up\n", WouldKillSmtpd),
    ("unknown phase", Oracle(), b"register|filter|smtp-in|link-connect\n", WouldKillSmtpd),
    ("smtp-out filter", Oracle(), b"register|filter|smtp-out|connect\n", WouldKillSmtpd),
    ("odd register", Oracle(), b"register|what\n", WouldKillSmtpd),
    ("registered twice", Oracle(), b"register|report|smtp-in|timeout\n" * 2, WouldMislead),
]


@pytest.mark.parametrize(("oracle", "written", "error"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_smtpd_does_not_forgive(oracle: Oracle, written: bytes, error: type[SmtpdError]) -> None:
    with pytest.raises(error):
        oracle.filter_wrote(written)


@pytest.mark.parametrize(
    ("oracle", "written"),
    [
        (asked(b"connect"), b"filter-result|%bproceed\n" % IDS),
        (asked(b"connect"), b"filter-result|%b|%b|proceed\n" % (SID.upper(), TOKEN.upper())),
        (asked(b"connect"), b"filter-result|%bproceed\0x\n" % IDS),
        (asked(b"connect", protocol=b"0.4"), b"filter-result|%b|%b|proceed\n" % (TOKEN, SID)),
        (asked(b"connect"), b"filter-result|%bdisconnect|421 8-bit \xe9 and %% pass\n" % IDS),
        (asked(b"rcpt-to"), b"filter-result|%b|1|reject|550 no\n" % SID),
        (asked(b"rcpt-to"), b"filter-result|%brewrite|<a@b> NOTIFY=NEVER\n" % IDS),
        (in_data(b"x", b"."), b"filter-dataline|%b%b\nfilter-dataline|%b.\n" % (IDS, b"x" * 65_485, IDS)),
        (in_data(b"x", b"."), b"filter-dataline|%b.\n" % IDS),
        (asked(b"connect"), b"filter-result|%b|1|nonsense\nfilter-result|%bproceed\n" % (b"f" * 16, IDS)),
    ],
)
def test_what_smtpd_takes(oracle: Oracle, written: bytes) -> None:
    for byte in written:
        oracle.filter_wrote(bytes([byte]))
    oracle.finish()


def test_a_missing_answer_hangs() -> None:
    with pytest.raises(WouldHang, match="no answer"):
        asked(b"connect").finish()


def test_a_missing_dot_hangs() -> None:
    oracle = in_data(b"x", b".")
    oracle.filter_wrote(b"filter-dataline|%bx\n" % IDS)
    assert oracle.owes(SID)
    with pytest.raises(WouldHang, match="never ended"):
        oracle.finish()


def test_a_client_that_has_gone_waits_for_nothing() -> None:
    oracle = in_data(b"x")
    oracle.smtpd_wrote(b"report|0.7|1|smtp-in|link-disconnect|%b\n" % SID)
    oracle.filter_wrote(b"filter-dataline|%bx\nfilter-result|%bjunk\n" % (IDS, IDS))
    oracle.finish()


def test_half_a_line_is_none() -> None:
    oracle = asked(b"connect")
    oracle.filter_wrote(b"filter-result|%bproceed\nfilter" % IDS)
    with pytest.raises(WouldHang, match="half a line"):
        oracle.finish()
