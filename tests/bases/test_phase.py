"""Option -p: words, defaults, the kind of refusal, and where a -W file may name recipients."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.bases.phase import Phase, parse_phase, parse_phase_options, parse_reply_text
from filter_api.decision import Disconnect, Reject
from filter_api.errors import ConfigError, UsageError
from filter_api.files.reloading import ReloadingFile


@pytest.mark.parametrize("word", ["connect", "mail-from", "rcpt-to"])
def test_words(word: str) -> None:
    assert parse_phase(word).value == word


@pytest.mark.parametrize("word", ["", "CONNECT", "mail_from", "data"])
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="connect, mail-from or rcpt-to"):
        parse_phase(word)


@pytest.mark.parametrize(
    ("phase", "kind"), [(Phase.CONNECT, Disconnect), (Phase.MAIL_FROM, Reject), (Phase.RCPT_TO, Reject)]
)
def test_only_connect_disconnects(phase: Phase, kind: type[Reject]) -> None:
    decision = phase.refuse(550, "5.7.1", "no", facts={"reason": "x"})
    assert type(decision) is kind
    assert decision.reply == "550 5.7.1 no"
    assert decision.facts == {"reason": "x"}


@pytest.mark.parametrize("text", ["", "a\nb", "\xe9t\xe9", "x" * 600])
def test_a_text_no_reply_can_hold(text: str) -> None:
    with pytest.raises(UsageError, match=r"^-r: "):
        parse_reply_text(text)


def test_a_text() -> None:
    assert parse_reply_text("see https://example.org/") == "see https://example.org/"


def test_the_default_is_mail_from() -> None:
    own, _, phase = parse_phase_options("mp:", ["-m"])
    assert (own, phase) == ([("-m", "")], Phase.MAIL_FROM)


def test_a_file_of_exempt_clients_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be long."""
    (tmp_path / "exempt").write_text("192.0.2.1\n")
    read: list[str] = []
    once = ReloadingFile._read

    def count(file: ReloadingFile[object]) -> object:
        read.append(file.path)
        return once(file)

    monkeypatch.setattr(ReloadingFile, "_read", count)
    for phase in Phase:
        read.clear()
        parse_phase_options("p:", ["-W", str(tmp_path / "exempt"), "-p", phase.value], allow_from=True)
        assert read == [str(tmp_path / "exempt")]


def test_recipients_are_exempt_only_where_they_are_known(tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text("192.0.2.1\nto:bob@example.org\n")
    _, common, phase = parse_phase_options("p:", ["-p", "rcpt-to", "-W", str(table)])
    assert phase is Phase.RCPT_TO
    assert common.exempt is not None
    assert common.exempt.recipient(b"bob@example.org")
    with pytest.raises(ConfigError, match="exempt:2: "):
        parse_phase_options("p:", ["-W", str(table)])


def test_senders_are_exempt_where_they_are_known_and_spf_is_checked(tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text("from:example.org\n")
    for phase in ("mail-from", "rcpt-to"):
        _, common, _ = parse_phase_options("p:", ["-p", phase, "-W", str(table)], allow_from=True)
        assert common.exempt is not None
        assert common.exempt.sender_if_spf_passes(b"joe@example.org")
        with pytest.raises(ConfigError, match="exempt:1: "):
            parse_phase_options("p:", ["-p", phase, "-W", str(table)])
    with pytest.raises(ConfigError, match="exempt:1: "):
        parse_phase_options("p:", ["-p", "connect", "-W", str(table)], allow_from=True)
