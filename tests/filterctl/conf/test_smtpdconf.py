"""smtpd.conf(5) read as smtpd reads it, as far as filters go."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.errors import ConfigError
from filterctl.conf.lexer import statements
from filterctl.conf.smtpdconf import Command, Configuration, read


def conf(tmp_path: Path, text: str) -> Configuration:
    path = tmp_path / "smtpd.conf"
    path.write_text(text)
    return read(str(path))


def words(text: str) -> list[list[str]]:
    return [[token.text for token in statement] for statement in statements(text, "smtpd.conf", {})]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b\nc\n", [["a", "b"], ["c"]]),
        ('a # comment "\n# all\n\nb', [["a"], ["b"]]),
        ("a \\\n  b\n", [["a", "b"]]),
        ("a # goes on \\\n b\nc # ends \\\\\nd\n", [["a"], ["c"], ["d"]]),
        ("filter x chain {\n a,\n b\n}\nnext\n", [["filter", "x", "chain", "{", "a", ",", "b", "}"], ["next"]]),
        (r'"a \"b\" c"', [['a "b" c']]),
        (r'"a\ b\nc\\d"', [["a b\\nc\\\\d"]]),
        ("'it \"is\"'", [['it "is"']]),
        ('"two\nlines"', [["twolines"]]),
        ("!rdns <table>", [["!", "rdns", "<", "table", ">"]]),
        ('it = "a b"\nlisten $it "$it"', [["listen", "a", "b", "$it"]]),
        ("one = a\ntwo = $one\nx $two", [["x", "a"]]),
        ('"it" = "filter"\nx $it-y', [["x", "filter-y"]]),
        ('it = "a#b"\nx $it c\nd', [["x", "a"], ["d"]]),
        ('it = "$one"\nx "$it"', [["x", "$it"]]),
        ("it's a\\\nb \\c \\<", [["it's", "ab", "c", "<"]]),
        (r'"a\\" b"', [['a\\" b']]),
    ],
)
def test_tokens(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('key = "a"', "^smtpd.conf:1: key cannot name a macro"),
        ("it = a b", r"^smtpd.conf:1: the value of macro it is one string: put it in quotes"),
        ('a\n"never ends', "^smtpd.conf:2: the quote is not closed"),
        ("a\nb {\n c\n", "^smtpd.conf:2: the brace is not closed"),
        ("a\n\nx $none", "^smtpd.conf:3: macro 'none' is not defined"),
    ],
)
def test_what_smtpd_could_not_read_either(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        words(text)


@given(st.text(st.sampled_from("ab \t\n\\\"'{}$#=<>!,|"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    refusal = ""
    try:
        words(text)
    except ConfigError as error:
        refusal = str(error)
    assert not refusal or refusal.startswith("smtpd.conf:")


TEXT = """\
libexec = "/usr/local/libexec/smtpd"
table dynamic file:/etc/mail/dynamic
table masks file:/etc/mail/senders
proc shared "filter-greylist -f /var/db/greylist" user _greylist
filter "rdns" proc-exec "filter-rdns -r \\"no \\\\o/\\"" user _a group _b
filter grey proc shared
filter dkim proc-exec "/opt/filter-dkimsign -d x" chroot "/var/empty"
filter dyn phase connect match rdns regex <dynamic> junk
filter txt phase connect match !fcrdns disconnect "550 junk and bypass"
filter "mx" chain { "rdns", grey,
    dyn }
listen on egress port 25 tls pki x filter "mx"
listen on lo0 port 10025 masquerade <masks> filter { dkim, "rdns" } hostname y
listen on socket
action out relay helo x filter grey
action in maildir junk
match from any for any action out
"""


def test_the_filter_lines_of_a_configuration(tmp_path: Path) -> None:
    found = conf(tmp_path, TEXT)
    assert found.processes["shared"][1] == Command("filter-greylist -f /var/db/greylist", "_greylist", None, None)
    assert found.filters["rdns"].command == Command(r'filter-rdns -r "no \\o/"', "_a", "_b", None)
    assert found.filters["dkim"].command == Command("/opt/filter-dkimsign -d x", None, None, "/var/empty")
    assert found.command_of(found.filters["grey"]) == found.processes["shared"][1]
    assert (found.filters["dyn"].phase, found.filters["dyn"].decision) == ("connect", "junk")
    assert found.filters["txt"].decision == "disconnect"
    assert found.filters["rdns"].place.line == 5
    assert [(use.place.line, use.where, use.outgoing, use.filters, use.masquerade) for use in found.uses] == [
        (12, "egress", False, ["mx"], False),
        (13, "lo0", False, ["dkim", "rdns"], True),
        (15, "", True, ["grey"], False),
    ]
    assert [definition.name for definition in found.chain(found.uses[0])] == ["rdns", "grey", "dyn"]
    assert not list(found.refused())


@pytest.mark.parametrize(
    ("text", "size"),
    [("", 36_700_160), ("smtp max-message-size 50M", 52_428_800), ('smtp max-message-size "1.5k"', 1536)],
)
def test_the_largest_message(tmp_path: Path, text: str, size: int) -> None:
    assert conf(tmp_path, text + "\n").max_message_size == size


def test_a_size_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"smtpd.conf:1: max-message-size big is no size"):
        conf(tmp_path, "smtp max-message-size big\n")


def test_names_nobody_defined(tmp_path: Path) -> None:
    found = conf(tmp_path, "filter a proc none\nfilter b chain { a, c }\nlisten on lo0 filter d\n")
    assert sorted((place.line, why) for place, why in found.refused()) == [
        (1, 'proc none is not defined: a line proc "none" is wanted above'),
        (2, 'filter c is not defined: a line filter "c" is wanted above'),
        (3, 'filter d is not defined: a line filter "d" is wanted above'),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "filter a chain { b }\nfilter b proc-exec x\n",
            (1, "filter b is used above its definition: move that line up"),
        ),
        (
            "listen on lo0 filter a\nfilter a proc-exec x\n",
            (1, "filter a is used above its definition: move that line up"),
        ),
        ("filter a proc p\nproc p x\n", (1, "proc p is used above its definition: move that line up")),
        (
            "filter a proc-exec x\nfilter a proc-exec y\n",
            (2, "filter a is defined twice: give one of them another name"),
        ),
        ("proc p x\nproc p y\n", (2, "proc p is defined twice: give one of them another name")),
        (
            "filter a proc-exec x\nfilter b chain { a }\nfilter c chain { b }\n",
            (3, "filter b is a chain, which cannot stand within another: name its members"),
        ),
        (
            "filter a proc-exec x\nfilter b chain { a }\nlisten on lo0 filter { b, a }\n",
            (3, "filter b is a chain, which cannot stand within another: name its members"),
        ),
    ],
)
def test_names_smtpd_would_refuse(tmp_path: Path, text: str, expected: tuple[int, str]) -> None:
    """As ``smtpd -n`` of 6.8 and 7.8 does, with "no filter exist with that name" and the like."""
    assert [(place.line, why) for place, why in conf(tmp_path, text).refused()] == [expected]


def test_a_chain_of_its_own_name_stands_on_a_listener(tmp_path: Path) -> None:
    found = conf(tmp_path, "filter a proc-exec x\nfilter b chain { a }\nlisten on lo0 filter b\n")
    assert not list(found.refused())


def test_included_files_are_read_with_their_own_lines(tmp_path: Path) -> None:
    (tmp_path / "filters.conf").write_text('# one\nfilter a proc-exec "filter-$name"\n')
    found = conf(tmp_path, 'name = x\ninclude "filters.conf"\nlisten on lo0 filter a\n')
    assert str(found.filters["a"].place) == f"{tmp_path}/filters.conf:2"
    assert [(place.line, name) for place, name in found.relative] == [(2, "filters.conf")]
    assert found.filters["a"].command == Command("filter-$name", None, None, None)


def test_a_missing_include_and_a_loop_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="/none: No such file"):
        conf(tmp_path, 'include "none"\n')
    with pytest.raises(ConfigError, match="more than 64 includes"):
        conf(tmp_path, 'include "smtpd.conf"\n')
