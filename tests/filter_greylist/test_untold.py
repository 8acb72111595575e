"""A client whose address smtpd cannot tell is answered by the failure policy, whatever else is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.filter_greylist.smtp import Smtpd
from tests.runtime.test_untold import UNTOLD


@pytest.mark.parametrize(("source", "rdns", "fcrdns"), UNTOLD)
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), b"proceed"),
        (("-F", "accept"), b"proceed"),
        (("-F", "tempfail"), b"reject|451 4.3.0 temporary local problem"),
        (("-F", "reject"), b"reject|550 5.3.0 message cannot be checked here"),
    ],
)
def test_it_neither_waits_nor_is_remembered(  # noqa: PLR0917 - what smtpd says of the client, and what comes of it
    tmp_path: Path, options: tuple[str, ...], expected: bytes, source: bytes, rdns: bytes, fcrdns: bytes
) -> None:
    with Smtpd(tmp_path, *options) as smtpd:
        smtpd.put([])
        player, session = smtpd.player, b"%016x" % 1
        head = b"|0.7|1.000000|smtp-in|"
        player.feed(b"report%blink-connect|%b|%b|%b|%b|192.0.2.25:25\n" % (head, session, rdns, fcrdns, source))
        player.feed(b"report%btx-begin|%b|0000abcd\n" % (head, session))
        player.feed(b"report%btx-mail|%b|0000abcd|ok|them@example.net\n" % (head, session))
        token = player.token(b"rcpt-to")
        player.feed(b"filter%brcpt-to|%b|%b|us@example.org\n" % (head, session, token))
        player.settle()
        assert player.lines()[-1].split(b"|", 3)[3] == expected
        assert smtpd.records() == []
        assert len([line for line in smtpd.log if " untold " in line]) == 1
        player.feed(b"report%blink-disconnect|%b\n" % (head, session))
        assert smtpd.offer().startswith("451"), "a client that is told waits"
