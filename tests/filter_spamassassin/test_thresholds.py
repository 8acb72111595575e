"""From which score a message is refused, where recipients differ in it."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from filter_api.errors import ConfigError, UsageError
from filter_api.session import Session, Transaction
from filter_api.testing import Player
from filter_spamassassin.filter import build
from filter_spamassassin.thresholds import Thresholds, parse_thresholds

TABLE = "alice@example.org 8\nexample.com never\n.example.net 20.5\nabuse@ Never\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "refuse"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("recipient", "score"),
    [
        (b"alice@example.org", 8.0),
        (b"Alice+x@EXAMPLE.org.", 8.0),
        (b"@relay.example:alice@example.org", 8.0),
        (b"bob@example.org", 15.0),
        (b"bob@example.com", inf),
        (b"bob@www.example.com", 15.0),
        (b"bob@a.example.net", 20.5),
        (b"abuse@example.org", inf),
        (b"postmaster", 15.0),
        (b"", 15.0),
        (b"\xff@\xff", 15.0),
    ],
)
def test_each_recipient_has_a_score(table: Path, recipient: bytes, score: float) -> None:
    assert parse_thresholds(["15", f"file:{table}"]).of(recipient) == score


def test_who_is_in_no_table_is_never_refused_without_a_score_for_all(table: Path) -> None:
    assert parse_thresholds([f"file:{table}"]).of(b"bob@example.org") == inf
    assert parse_thresholds([]).of(b"bob@example.org") == inf


def test_the_highest_score_of_all(tmp_path: Path) -> None:
    path = tmp_path / "refuse"
    path.write_text("a@example.org 8\nb@example.org 30\n")
    assert parse_thresholds([f"file:{path}", "15"]).highest() == 30.0
    assert parse_thresholds([f"file:{path}", "40"]).highest() == 40.0
    assert parse_thresholds([f"file:{path}"]).highest() == inf
    assert Thresholds(9.0).highest() == 9.0


@pytest.mark.parametrize("line", ["alice@example.org", "alice@example.org often", "alice@example.org 1e9", "a@b nan"])
def test_a_bad_line_is_named_with_what_it_should_be(tmp_path: Path, line: str) -> None:
    path = tmp_path / "refuse"
    path.write_text(f"# scores\n{line}\n")
    with pytest.raises(ConfigError, match=r"refuse:2: .*(no score like 15 or 9\.5|has no value)"):
        parse_thresholds([f"file:{path}"])


def voices(arguments: list[str], *recipients: bytes, hidden: bool = False) -> list[tuple[str, float]]:
    session = Session(b"0000000000000001")
    session.transaction = Transaction()
    for recipient in recipients:
        session.transaction.add_recipient(recipient)
    if hidden:
        session.transaction.envelope_made()
    return build(arguments).voices_of(session)[0]


def test_every_recipient_must_agree_to_a_refusal(table: Path) -> None:
    scores = ["-r", "15", "-r", f"file:{table}"]
    alice, bob, carol = b"alice@example.org", b"bob@example.org", b"carol@example.com"
    assert voices(scores, alice) == [("", 8.0)]
    assert voices(scores, alice, bob) == [("", 8.0), ("", 15.0)]
    assert voices(scores, alice, bob, b"dan@example.org", carol) == [("", 8.0), ("", 15.0), ("", inf)]
    assert voices(scores, alice, hidden=True) == [("", inf)], "the one that is not known may be anybody"


def test_users_and_scores_together(table: Path) -> None:
    scores = ["-r", "15", "-r", f"file:{table}", "-u", "rcpt:localpart"]
    alice, bob = b"alice@example.org", b"bob@example.org"
    assert voices(scores, alice) == [("alice", 8.0)]
    assert voices(scores, alice, bob) == [("", 8.0), ("", 15.0)], "one scan, of the default user"
    assert voices(["-e", *scores], alice, bob) == [("alice", 8.0), ("bob", 15.0)]


def test_with_one_user_a_message_another_score_comes_alone(table: Path) -> None:
    filter_ = build(["-E", "-r", "15", "-r", f"file:{table}"])
    with Player(filter_) as smtpd:
        client = smtpd.connect()
        client.helo()
        client.mail_from("x@example.net")
        assert client.rcpt_to("alice@example.org").ok
        assert client.rcpt_to("bob@example.org").reply[:9] == "452 4.5.3"
        assert client.rcpt_to("alice+list@example.org").ok


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["fast"], "-r takes a score like 15 or 9.5, or file:map, not 'fast'"),
        (["file:"], "-r takes a score like 15 or 9.5, or file:map, not 'file:'"),
        (["map:x"], "-r takes a score like 15 or 9.5, or file:map, not 'map:x'"),
        (["file"], "-r takes a score like 15 or 9.5, or file:map, not 'file'"),
        (["15", "16"], "-r: one score for everybody only; file:map has scores of recipients"),
        (["file:{}", "file:{}"], "-r: one file of scores only"),
    ],
)
def test_what_is_no_score_is_named_with_what_is_one(table: Path, values: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_thresholds([value.format(table) for value in values])
    assert str(caught.value) == said


def test_the_path_of_a_file_may_have_colons(tmp_path: Path) -> None:
    (tmp_path / "a:b").write_text("alice@example.org 8\n")
    assert parse_thresholds([f"file:{tmp_path}/a:b"]).of(b"alice@example.org") == 8.0


def test_a_name_without_a_domain_is_found_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "refuse").write_text("postmaster@ 20\n")
    thresholds = parse_thresholds(["15", f"file:{tmp_path}/refuse"])
    assert (thresholds.of(b"postmaster"), thresholds.of(b"postmaster@")) == (20.0, 20.0)
