"""Answers to bytes: the lines themselves, and that nothing illegal can be written."""

from __future__ import annotations

import pytest

from filter_api.bounds import MAX_LINE_OUT, MAX_PAYLOAD
from filter_api.protocol import writer
from filter_api.protocol.events import PHASES
from filter_api.protocol.legality import LEGAL, is_legal
from filter_api.protocol.writer import LocalProtocolError
from filter_api.testing import Oracle, WouldHang, WouldKillSmtpd, WouldMislead

SID, TOKEN = b"3c1bba49506bc31c", b"80bb07f5d532c2d0"
ARGUMENTS = {"reject": b"550 no", "disconnect": b"421 bye", "rewrite": b"new@example.org"}


def test_results() -> None:
    assert writer.result((0, 7), b"connect", SID, TOKEN, "proceed") == b"filter-result|%b|%b|proceed\n" % (SID, TOKEN)
    assert writer.proceed((0, 7), SID, TOKEN) == writer.result((0, 7), b"connect", SID, TOKEN, "proceed")
    refused = writer.result((0, 6), b"rcpt-to", SID, TOKEN, "reject", argument=b"550 5.1.1 no")
    assert refused == b"filter-result|%b|%b|reject|550 5.1.1 no\n" % (SID, TOKEN)


def test_before_0_5_the_token_comes_first() -> None:
    assert writer.proceed((0, 4), SID, TOKEN) == b"filter-result|%b|%b|proceed\n" % (TOKEN, SID)
    assert writer.result((0, 4), b"data", SID, TOKEN, "junk") == b"filter-result|%b|%b|junk\n" % (TOKEN, SID)
    assert writer.dataline_head((0, 4), SID, TOKEN) == b"filter-dataline|%b|%b|" % (TOKEN, SID)


@pytest.mark.parametrize("protocol", [(0, 5), (0, 6), (0, 7), (0, 10), (1, 0)])
def test_from_0_5_on_the_session_comes_first(protocol: tuple[int, int]) -> None:
    assert writer.proceed(protocol, SID, TOKEN) == b"filter-result|%b|%b|proceed\n" % (SID, TOKEN)
    assert writer.result(protocol, b"data", SID, TOKEN, "junk") == b"filter-result|%b|%b|junk\n" % (SID, TOKEN)
    assert writer.dataline_head(protocol, SID, TOKEN) == b"filter-dataline|%b|%b|" % (SID, TOKEN)


@pytest.mark.parametrize("byte", [b"\n", b"\r", b"\0"])
def test_an_answer_of_more_than_one_line_is_not_written(byte: bytes) -> None:
    """Each of them alone, in what no other check looks at."""
    with pytest.raises(LocalProtocolError, match="not one line for smtpd"):
        writer.result((0, 7), b"ehlo", SID, TOKEN, "rewrite", argument=b"a" + byte + b"b")
    with pytest.raises(LocalProtocolError, match="not one line for smtpd"):
        writer.result((0, 7), b"data", SID + byte, TOKEN, "proceed")


def test_an_answer_as_long_as_smtpd_takes_is_written_and_no_longer_one() -> None:
    """smtpd's line has 65,535 bytes at most, with its LF."""
    rest = len(b"filter-result|||proceed") + len(TOKEN)
    longest = writer.result((0, 7), b"data", b"5" * (MAX_LINE_OUT - 1 - rest), TOKEN, "proceed")
    assert len(longest) == MAX_LINE_OUT
    with pytest.raises(LocalProtocolError, match="not one line for smtpd: b'filter-result"):
        writer.result((0, 7), b"data", b"5" * (MAX_LINE_OUT - rest), TOKEN, "proceed")


@pytest.mark.parametrize(
    ("phase", "word", "argument", "said"),
    [
        (b"commit", "junk", b"", "junk is not legal at b'commit'"),
        (b"commit", "reject", b"550 " + b"x" * 497, "reject with 501 bytes"),
        (b"commit", "reject", b"", "reject without a reply: b''"),
        (b"mail-from", "rewrite", b"<a@b", "a rewrite with brackets of its own: b'<a@b'"),
        (b"mail-from", "rewrite", b"a@b>", "a rewrite with brackets of its own: b'a@b>'"),
    ],
)
def test_what_is_not_written_is_named(phase: bytes, word: str, argument: bytes, said: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        writer.result((0, 7), phase, SID, TOKEN, word, argument=argument)
    assert str(caught.value) == said


def test_rewritten_addresses_get_their_brackets() -> None:
    assert writer.result((0, 7), b"mail-from", SID, TOKEN, "rewrite", argument=b"a@b").endswith(b"|rewrite|<a@b>\n")
    assert writer.result((0, 7), b"ehlo", SID, TOKEN, "rewrite", argument=b"name").endswith(b"|rewrite|name\n")


def test_data_lines() -> None:
    head = writer.dataline_head((0, 7), SID, TOKEN)
    assert b"".join(writer.datalines(head, b"one\n\n..two\n")) == head + b"one\n" + head + b"\n" + head + b"..two\n"
    assert writer.end_of_data(head) == head + b".\n"
    assert len(b"".join(writer.datalines(head, b"x" * MAX_PAYLOAD + b"\n"))) == MAX_LINE_OUT + 1


def test_registration_says_everything_once() -> None:
    lines = writer.register([("smtp-in", "tx-begin"), ("smtp-in", "tx-begin")], ["commit", "commit"])
    assert lines == b"register|report|smtp-in|tx-begin\nregister|filter|smtp-in|commit\nregister|ready\n"


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("word", ["proceed", "junk", "reject", "disconnect", "rewrite", "report"])
def test_whatever_the_table_allows_smtpd_takes(phase: bytes, word: str) -> None:
    """Every pair is either refused by the writer or taken by smtpd as meant."""
    argument = ARGUMENTS.get(word, b"")
    oracle = Oracle(registered=True)
    oracle.smtpd_wrote(b"filter|0.7|1|smtp-in|%b|%b|%b|x\n" % (phase, SID, TOKEN))
    if is_legal(phase, word):
        oracle.filter_wrote(writer.result((0, 7), phase, SID, TOKEN, word, argument=argument))
        oracle.finish()
        return
    with pytest.raises(LocalProtocolError):
        writer.result((0, 7), phase, SID, TOKEN, word, argument=argument)


@pytest.mark.parametrize(
    ("phase", "word", "error"),
    [
        (b"commit", b"junk", WouldKillSmtpd),
        (b"commit", b"rewrite|x", WouldHang),
        (b"data", b"rewrite|x", WouldMislead),
        (b"connect", b"rewrite|x", WouldMislead),
        (b"mail-from", b"report|x", WouldMislead),
    ],
)
def test_what_the_table_forbids_is_forbidden_for_a_reason(phase: bytes, word: bytes, error: type[Exception]) -> None:
    assert not is_legal(phase, word.partition(b"|")[0].decode())
    oracle = Oracle(registered=True)
    oracle.smtpd_wrote(b"filter|0.7|1|smtp-in|%b|%b|%b|x\n" % (phase, SID, TOKEN))
    with pytest.raises(error):
        oracle.filter_wrote(b"filter-result|%b|%b|%b\n" % (SID, TOKEN, word))


def test_the_table_names_every_phase() -> None:
    assert set(LEGAL) == set(PHASES)
    assert all("proceed" in words for words in LEGAL.values())
    assert not is_legal(b"data-line", "proceed")


@pytest.mark.parametrize(
    "argument",
    [
        *(b"550 a\nb", b"550 a\rb", b"550 a\0b", b"550 " + b"x" * 70_000, b""),
        *(b"250 ok", b"550", b"550 ", b"55 no", b"5500 no", b"no", b"550 caf\xe9", b"550 " + b"x" * 497),
    ],
)
def test_what_is_no_reply_is_not_written(argument: bytes) -> None:
    """What breaks out of its line would end smtpd; for the others the client would get 421."""
    for word in ("reject", "disconnect"):
        with pytest.raises(LocalProtocolError):
            writer.result((0, 7), b"connect", SID, TOKEN, word, argument=argument)


def test_the_longest_reply_is_written() -> None:
    reply = b"550 " + b"x" * 496
    assert writer.result((0, 4), b"data", SID, TOKEN, "reject", argument=reply).endswith(b"|reject|" + reply + b"\n")


@pytest.mark.parametrize("argument", [b"<a@b>", b"a@b> SIZE=1 <", b">", b"a\nb", b"x" * 501])
def test_a_rewrite_brings_no_brackets_and_no_lines(argument: bytes) -> None:
    for phase in (b"helo", b"mail-from", b"rcpt-to"):
        with pytest.raises(LocalProtocolError):
            writer.result((0, 7), phase, SID, TOKEN, "rewrite", argument=argument)
