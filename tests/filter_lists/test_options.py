"""The command line: defaults, what each option takes, and which files are refused at start."""

from __future__ import annotations

import pytest

from filter_api.bases.phase import Phase
from filter_api.errors import ConfigError, UsageError
from filter_lists.filter import build
from filter_lists.options import DEFAULT_CONF, DEFAULT_DIRECTORY, Options, parse
from tests.filter_lists.support import Site


def test_defaults() -> None:
    assert parse([])[0] == Options(False, DEFAULT_CONF, DEFAULT_DIRECTORY, False, Phase.MAIL_FROM)
    assert DEFAULT_CONF == "/etc/mail/lists.conf"


def test_all_of_them() -> None:
    own, _ = parse(["-5", "-c", "/c", "-d", "/d", "-p", "rcpt-to"])
    assert own == Options(permanent=True, conf="/c", directory="/d", phase=Phase.RCPT_TO)
    assert parse(["-m", "-p", "connect"])[0] == Options(mark=True, phase=Phase.MAIL_FROM)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "data"], "-p takes"),
        (["-c", "lists.conf"], "-c takes a path that begins with a slash"),
        (["-d", "x" * 5_000], "-d takes a path"),
        (["-z"], "-z"),
        (["word"], "word"),
    ],
)
def test_usage_errors(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build(arguments)
    assert len(str(caught.value)) < 200


def test_without_a_lists_conf_it_does_not_start(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"lists\.conf: No such file"):
        build(site.options)


def test_senders_and_recipients_are_exempt_only_once_they_are_known(site: Site) -> None:
    site.write(f"a black {site.text('a', '192.0.2.1')}", "order a")
    sender, recipient = site.path / "sender", site.path / "recipient"
    sender.write_text("from:example.net\n")
    recipient.write_text("to:bob@example.net\n")
    for arguments in (["-W", str(sender)], ["-p", "rcpt-to", "-W", str(recipient)]):
        build([*site.options, *arguments])
    for arguments in (["-p", "connect", "-W", str(sender)], ["-m", "-p", "rcpt-to", "-W", str(recipient)]):
        with pytest.raises(ConfigError, match=":1: "):
            build([*site.options, *arguments])
