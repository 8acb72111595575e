"""Commands split as /bin/sh splits them, or refused: compared with the shell itself."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterctl.conf.shellwords import split


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("filter-rdns -f -r text", ["filter-rdns", "-f", "-r", "text"]),
        ("  filter-rdns\t-f  ", ["filter-rdns", "-f"]),
        ("filter-rdns -r 'go; away $x'", ["filter-rdns", "-r", "go; away $x"]),
        ('filter-rdns -r "go; away"', ["filter-rdns", "-r", "go; away"]),
        (r'f "a \"b\" \\ \x \$"', ["f", r'a "b" \ \x $']),
        (r"f a\;b \ c", ["f", "a;b", " c"]),
        ("f a'b'\"c\"d ''", ["f", "abcd", ""]),
        ("f a#b a~b k=v a!b {a}", ["f", "a#b", "a~b", "k=v", "a!b", "{a}"]),
        ("/path=x/f", ["/path=x/f"]),
    ],
)
def test_plain_commands(command: str, words: list[str]) -> None:
    assert split(command) == words


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("f; rm x", "^; outside quotes"),
        ("f | g", r"^\| outside"),
        ("f && g", "^& outside"),
        ("f >/dev/null", "^> outside"),
        ("f $HOME", r"^\$ outside"),
        ("f `id`", "^` outside"),
        ('f "$(id)"', r'^\$ inside "'),
        ('f "`id`"', '^` inside "'),
        ("f *.txt", r"^\* outside"),
        ("f ~/x", "^~ at the start"),
        ("f # x", "^# at the start"),
        ("{ f }", "^{ is the shell's"),
        ("! f", "^! is the shell's"),
        ("f\ng", "^a line end"),
        ("X=1 f", "^X=1: a variable in front"),
        ("f 'x", "^the quote ' is not closed"),
        ("", "^the command is empty"),
        ("f \\", "is not closed"),
    ],
)
def test_what_needs_a_shell_is_refused(command: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split(command)


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("ab -=/\\'\"#~{}!$;*\t"), max_size=14))
def test_what_is_not_refused_means_the_same_to_the_shell(tail: str) -> None:
    try:
        words = split("x " + tail)
    except ValueError:
        return
    script = "printf '%s\\0' " + "x " + tail
    shell = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, cwd="/")
    assert shell.stdout.decode().split("\0")[:-1] == words
