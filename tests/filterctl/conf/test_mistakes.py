"""Forty mistakes in an smtpd.conf, and what ``filterctl check`` says of each: the line, and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filterctl.conf.smtpdconf import read

MISTAKES = [
    ('filter rdns proc-exec "x"', 'rdns is a word of smtpd.conf, not a name: quote it, "rdns"'),
    ('filter 12 proc-exec "x"', '12 is a number, not a name: quote it, "12"'),
    ('proc queue "x"', 'quote it, "queue"'),
    ("listen on lo0 filter mx", 'quote it, "mx"'),
    ("listen on lo0 filter { a, auth }", 'quote it, "auth"'),
    ("filter x chain { a, a }", "a stands twice in the chain: leave one"),
    ("filter x chain { a, }", "a comma behind the last name: take it out"),
    ("filter x chain { , a }", "a comma without a name before it: take it out"),
    ("filter x chain { }", "the chain is empty: name a filter in it"),
    ("filter x chain a", "a chain stands in braces: chain { a, b }"),
    ("filter x chain { a }\nfilter y chain { x }", "filter x is a chain, which cannot stand within another"),
    ("listen on lo0 filter a filter b", "filter is given twice: name all of them in one, filter { a, b }"),
    ("listen on lo0 filter a, b", "stand in braces: filter { a, b }"),
    ("listen on lo0 filter { }", "the chain is empty: name a filter in it"),
    ("listen on lo0 filter", "filter wants the name of a filter behind it"),
    ("listen on lo0 filter none", "filter none is not defined"),
    ('listen on lo0 filter c\nfilter c proc-exec "x"', "filter c is used above its definition"),
    ("listen on socket filter a\nlisten on socket", "a second listener on the socket: join it with "),
    ('filter x proc-exec "x" usr nobody', "usr is no option of a command: user, group and chroot are"),
    ('filter x proc-exec "x" user', "user wants a value behind it"),
    ('filter x proc-exec "x" user a user b', "user is given twice: leave one"),
    ('proc q "x" group a group b', "group is given twice: leave one"),
    ('c = "x -y"\nfilter x proc-exec $c', "put all of it in quotes on this line, as a macro is read word by word"),
    ("filter x proc-exec x -y", "put all of it in quotes on this line"),
    ("filter x proc-exec /bin/x", '/bin/x begins with /: quote it, "/bin/x"'),
    ("filter x proc-exec", "the command is missing: name the program in quotes"),
    ("filter x", "filter wants a name and proc, proc-exec, chain or phase"),
    ("filter x proc p user a", "its options stand on the proc line"),
    ("filter x phase quit match rdns junk", "quit is no phase of a builtin filter: connect, helo, ehlo,"),
    ("filter x phase commit match rdns junk", "no junk at commit: do it at data"),
    ("filter x phase connect match rdns reject", 'reject wants its text behind it, as reject "550 no"'),
    ("filter x phase connect rdns junk", "match and a condition stand behind the phase"),
    ("filter x phase connect match helo <t> junk", "helo cannot be matched at connect: rdns, fcrdns, src can"),
    ("filter x phase connect match src junk", "src wants a table behind it, as <name>"),
    ("filter x phase connect match rdns drop", "a decision: reject, disconnect, rewrite, report, junk or bypass"),
    ('filter x proc-exec "x"\r', "save the file with Unix line ends"),
    (f'filter x proc-exec "{"x" * 9000}"', "a string of more than 8094 characters: put options into a file"),
    ('filter x "/bin/x"', "a command without proc-exec is of OpenSMTPD 5: see docs/migrating.md"),
    (
        "filter x builtin connect check-rdns junk",
        "before OpenSMTPD 6.6, phase and proc-exec now: see docs/migrating.md",
    ),
    ("accept from any for local deliver to maildir", "action and match now: see docs/migrating.md"),
]


def told(path: Path) -> list[str]:
    try:
        return [f"{place}: {why}" for place, why in read(str(path)).refused()]
    except ConfigError as error:
        return [str(error)]


def assert_told(path: Path, text: str, line: int, message: str) -> None:
    """A configuration is refused for this line, with a message that has these words."""
    path.write_text(text)
    assert any(each.startswith(f"{path}:{line}: ") and message in each for each in told(path)), told(path)


def test_forty_of_them() -> None:
    assert len(MISTAKES) == 40


@pytest.mark.parametrize(("lines", "message"), MISTAKES)
def test_the_line_and_the_remedy_are_told(lines: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "smtpd.conf"
    path.write_text('filter a proc-exec "a"\nfilter b proc-exec "b"\nproc p "p"\n' + lines + "\n", newline="")
    assert any(line.startswith((f"{path}:4: ", f"{path}:5: ")) and message in line for line in told(path)), told(path)
