"""The members of a chain as they are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filter_api.errors import ConfigError, UsageError
from filter_chain.entries import Entry, of_command_line, of_file


def written(tmp_path: Path, text: str) -> list[tuple[str, str, tuple[str, ...]]]:
    path = tmp_path / "filters"
    path.write_text(text)
    return [(each.label, each.filter, each.words) for each in of_file(str(path))]


def test_a_line_is_a_member(tmp_path: Path) -> None:
    text = "# what comes in\n\nrdns -f -m\n  filter-dyndns\t-p connect  \nin-1.2_b: clamav -a /run/clamd\n"
    assert written(tmp_path, text) == [
        ("rdns", "rdns", ("-f", "-m")),
        ("dyndns", "dyndns", ("-p", "connect")),
        ("in-1.2_b", "clamav", ("-a", "/run/clamd")),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('rdns -r "no name, no mail"', ("-r", "no name, no mail")),
        ("rdns -r 'it is #1'", ("-r", "it is #1")),
        ("rdns -r a#b", ("-r", "a#b")),
        ("rdns -r a # and why", ("-r", "a")),
        (r"rdns -r a\ b", ("-r", "a b")),
        (r"rdns -r \#1", ("-r", "#1")),
        ('rdns -r "a \\" b"c', ("-r", 'a " bc')),
        ("rdns -r ''", ("-r", "")),
        ("rdns -W $HOME/x;y|z*", ("-W", "$HOME/x;y|z*")),
        ("rdns\r", ()),
        ("\ufeffrdns", ()),
    ],
)
def test_words_are_split_as_they_look_and_nothing_has_a_meaning_to_a_shell(
    tmp_path: Path, line: str, words: tuple[str, ...]
) -> None:
    assert written(tmp_path, line + "\n") == [("rdns", "rdns", words)]


def test_bytes_that_are_no_utf8_reach_the_member_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "filters"
    path.write_bytes(b"clamav -q /var/\xe4\n")
    assert of_file(str(path))[0].words == ("-q", "/var/\udce4")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("rdns -r 'x", "' is not closed: quotes come in pairs, and \\ stands before a character"),
        ('rdns -r "x', '" is not closed: quotes come in pairs, and \\ stands before a character'),
        ("rdns \\", "\\ is not closed: quotes come in pairs, and \\ stands before a character"),
        (": rdns", ": is no name: letters, figures, '.', '_' and '-', at most 39"),
        ("a/b: rdns", "a/b: is no name: letters, figures, '.', '_' and '-', at most 39"),
        (f"{'x' * 40}: rdns", f"{'x' * 40} is no name: letters, figures, '.', '_' and '-', at most 39"),
        ("inner:", "there is no filter behind inner:"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "filters"
    path.write_text(f"# first\n{line}\n")
    with pytest.raises(ConfigError) as raised:
        of_file(str(path))
    assert str(raised.value).startswith(f"{path}:2: {complaint[:30]}")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n  # here\n"])
def test_a_file_without_a_member_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "filters").write_text(text)
    with pytest.raises(ConfigError, match=r"filters: there is no member in it: write one a line, as 'rdns -f'"):
        of_file(str(tmp_path / "filters"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing: No such file or directory"):
        of_file(str(tmp_path / "nothing"))


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match=rf"{path}: not a regular file"):
            of_file(str(path))


@pytest.mark.parametrize(
    ("data", "number"),
    [
        (b"rdns -W /etc/mail/\0\n", 1),
        (b"rdns\nclamav '\0'\n", 2),
        (b"rdns\n\n# \0\n", 3),
        ("rdns -f\ndyndns\n".encode("utf-16"), 1),
    ],
)
def test_a_line_with_nul_bytes_is_no_text(tmp_path: Path, data: bytes, number: int) -> None:
    path = tmp_path / "filters"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as raised:
        of_file(str(path))
    complaint = "there is a NUL byte in it: save the file as plain text, in UTF-8"
    assert str(raised.value) == f"{path}:{number}: {complaint}"


def test_on_the_command_line_members_stand_between_double_dashes() -> None:
    words = ["rdns", "-f", "--", "inner:", "filter-clamav", "-a", "/run/x y", "--", "dyndns"]
    assert of_command_line(words) == [
        Entry("rdns", "rdns", ("-f",)),
        Entry("inner", "clamav", ("-a", "/run/x y")),
        Entry("dyndns", "dyndns", ()),
    ]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["rdns", "--"], "there is no member behind the last --"),
        (["rdns", "--", "--", "dyndns"], "there is no member between -- and --"),
        (["--", "dyndns"], "there is no member between -- and --"),
        (["x:"], "there is no filter behind x:"),
    ],
)
def test_a_member_that_is_missing_is_told(words: list[str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        of_command_line(words)
