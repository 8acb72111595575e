"""spamd.conf(5) as lists.conf(5): the files of real sites come out with the same lists in the same order."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_api.text.lines import content_lines
from filter_lists.conf import Conf, parse_conf
from filter_lists.diagnose import DEAD
from filter_lists.tool.getcap import records, unescaped
from filter_lists.tool.spamd import import_spamd

#: A smarthost of 2018: blanks before the fields, an URL with its colon in quotes, the last field without its colon.
SMARTHOST = r"""
all:\
    :nixspam:whitelist:blacklist:whitelist:

nixspam:\
    :black:\
    :msg="Your address %A is in the nixspam list\n\
    See http://www.heise.de/ix/nixspam/dnsbl_en/ for details":\
    :method=http:\
    :file=www.openbsd.org/spamd/nixspam.gz

whitelist:\
    :white:\
    :method=file:\
    :file=/etc/mail/nospamd:

blacklist:\
    :black:\
    :msg="Your address %A is blacklisted by this mail server":\
    :method=file:\
    :file=/etc/mail/blacklist:
"""

#: In the manner of the files that came with OpenBSD 4.
OLD = r"""
# spamd config file, read by spamd-setup(8) for spamd(8)
all:\
	:uatraps:nixspam:china:override:

# University of Alberta greytrap hits.
uatraps:\
	:black:\
	:msg="Your address %A has sent mail to a ualberta.ca spamtrap\n\
	within the last 24 hours":\
	:method=http:\
	:file=www.openbsd.org/spamd/traplist.gz

nixspam:\
	:black:\
	:msg="Your address %A is in the nixspam list\n\
	See http\://www.heise.de/ix/nixspam/dnsbl_en/ for details":\
	:method=http:\
	:file=www.openbsd.org/spamd/nixspam.gz

china:\
	:black:\
	:msg="SPAM. Your address %A appears to be from China\n\
	See http://www.okean.com/asianspamblocks.html for more details":\
	:method=http:\
	:file=www.openbsd.org/spamd/chinacidr.txt.gz:

#relaydb-black:\
#	:black:\
#	:method=exec:\
#	:file=relaydb -4lb:

override:\
	:white:\
	:method=file:\
	:file=/var/db/override.txt:
"""


def converted(tmp_path: Path, text: str, *, programs: bool = False) -> tuple[str, list[str], Conf]:
    path = tmp_path / "spamd.conf"
    path.write_text(text)
    made, warnings = import_spamd(str(path), programs=programs, dead=DEAD)
    return made, warnings, parse_conf(content_lines(made.encode()))


def order(conf: Conf) -> list[tuple[str, list[str]]]:
    return [
        (step.black.name, [white.name for step_white in [step] for white in step_white.whites]) for step in conf.steps
    ]


def test_the_smarthost(tmp_path: Path) -> None:
    text, warnings, conf = converted(tmp_path, SMARTHOST)
    assert order(conf) == [("blacklist", ["whitelist"])]
    blacklist, whitelist = conf.sources["blacklist"], conf.sources["whitelist"]
    assert (blacklist.method, blacklist.target, blacklist.compiled) == ("file", "/etc/mail/blacklist", False)
    assert blacklist.message.text == "Your address %A is blacklisted by this mail server"
    assert (whitelist.black, whitelist.target) == (False, "/etc/mail/nospamd")
    assert warnings == ["nixspam: nixspam has ended, and its mirror asks to be left alone"]
    assert (
        '#nixspam black http://www.openbsd.org/spamd/nixspam.gz msg="Your address %A is in the nixspam list / '
        'See http://www.heise.de/ix/nixspam/dnsbl_en/ for details"\n'
    ) in text
    assert "# The order was: nixspam whitelist blacklist whitelist\norder blacklist whitelist\n" in text


def test_the_smarthost_with_nixspam_alive(tmp_path: Path) -> None:
    """Nothing else is left out of it: the order of the file is the order of the lists."""
    path = tmp_path / "spamd.conf"
    path.write_text(SMARTHOST)
    made, warnings = import_spamd(str(path), programs=False, dead={})
    conf = parse_conf(content_lines(made.encode()))
    assert order(conf) == [("nixspam", ["whitelist"]), ("blacklist", ["whitelist"])]
    assert conf.sources["nixspam"].target == "http://www.openbsd.org/spamd/nixspam.gz"
    assert not warnings


def test_an_old_one(tmp_path: Path) -> None:
    text, warnings, conf = converted(tmp_path, OLD)
    assert order(conf) == [("uatraps", [])]
    assert conf.sources["uatraps"].message.text == (
        "Your address %A has sent mail to a ualberta.ca spamtrap / within the last 24 hours"
    )
    assert len(warnings) == 2
    assert "#china black http://www.openbsd.org/spamd/chinacidr.txt.gz" in text
    assert "override white file:/var/db/override.txt\n" in text
    assert "relaydb" not in text


def test_programs_are_taken_over_only_if_that_is_wanted(tmp_path: Path) -> None:
    text = "all:\\\n:a:b:\na:\\\n:black:\\\n:method=exec:\\\n:file=/usr/local/bin/relaydb -4lb:\nb:black:file=/b:"
    made, warnings, conf = converted(tmp_path, text)
    assert order(conf) == [("b", [])]
    assert '#a black exec:"/usr/local/bin/relaydb -4lb"' in made
    assert "runs a program" in warnings[0]
    _, warnings, conf = converted(tmp_path, text, programs=True)
    assert order(conf) == [("a", []), ("b", [])]
    assert conf.sources["a"].target == "/usr/local/bin/relaydb -4lb"
    assert not warnings


@pytest.mark.parametrize(
    ("text", "orders", "warning"),
    [
        ("all:w:b:\nw:white:file=/w:\nb:black:file=/b:", [("b", [])], "before any black one"),
        ("all:b:c:\nb:black:file=/b:", [("b", [])], "c, which is not defined"),
        ("all:b:c:\nb:black:file=/b:\nc:black:file=relative:", [("b", [])], "whole path"),
        ("all:b:c:\nb:black:file=/b:\nc:file=/c:", [("b", [])], "neither black nor white"),
        ("all:b:c:w:\nb:black:file=/b:\nc:black:file=c:\nw:white:file=/w:", [("b", [])], "whole path"),
        ("all:b:\nb:black:tc=x:file=/b:\nall2:", [], "refers to another record"),
    ],
)
def test_what_cannot_be_taken_over_is_a_comment_with_its_reason(
    tmp_path: Path, text: str, orders: list[tuple[str, list[str]]], warning: str
) -> None:
    path = tmp_path / "spamd.conf"
    path.write_text(text)
    made, warnings = import_spamd(str(path), programs=False, dead=DEAD)
    assert any(warning in told for told in warnings)
    if orders:
        assert order(parse_conf(content_lines(made.encode()))) == orders
    else:
        assert "\n#order\n" in made
        assert "no black list is left" in warnings[-1]


def test_names_messages_and_packed_files(tmp_path: Path) -> None:
    text = (
        'all:my.list:my_list:other\\072x:\nmy.list|alias:black:msg=/etc/mail/told:file=/a:\nmy_list:black:msg="caf\u00e9":file=/b.gz:\n'
        'other\\072x:black:msg="100%% \\"spam\\" #1 \\; %A":file=/with blank:\n'
    )
    _, warnings, conf = converted(tmp_path, text)
    assert [step.black.name for step in conf.steps] == ["my-list", "my_list", "other-072x"]
    first, second, third = (step.black for step in conf.steps)
    assert first.message.path == "/etc/mail/told"
    assert (second.compiled, second.message.text) == (True, "Your address %A is in the my_list list")
    assert (third.target, third.message.text) == ("/with blank", '100%% "spam" #1 ; %A')
    assert len(warnings) == 1


def test_what_is_no_spamd_conf_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "smtpd.conf"
    path.write_text("listen on all\n")
    with pytest.raises(ConfigError, match="no record all:"):
        import_spamd(str(path), programs=False, dead=DEAD)


def test_records_of_getcap() -> None:
    text = '# c\nname|alias|a description:\\\n\t:one:\\\n\t:\\\n\t:two=a\\:b:\\\n\t:three="x:y":\nlast:flag:\\\n'
    first, last = records(text)
    assert first.names == ("name", "alias", "a description")
    assert first.fields == ("one",)
    assert dict(first.values) == {"two": "a\\:b", "three": '"x:y"'}
    assert unescaped(first.values["two"]) == "a:b"
    assert (last.names, last.fields) == (("last",), ("flag",))
    assert unescaped(r"a\nb\072c\Cd\"e") == 'a\nb:c:d"e'


@pytest.mark.parametrize("odd", ["/etc/\x1b[2J", "/etc/a\u202eb", "/etc/a\x7f", "/etc/a\x00"])
def test_what_would_drive_a_terminal_is_a_comment_and_escaped(tmp_path: Path, odd: str) -> None:
    """The text goes to a terminal as well as to a file."""
    text, warnings, conf = converted(
        tmp_path,
        f"all:\\\n\t:bad:good:\nbad:\\\n\t:black:\\\n\t:method=file:\\\n\t:file={odd}:\n"
        "good:\\\n\t:black:\\\n\t:method=file:\\\n\t:file=/etc/good:\n",
    )
    assert warnings == ["bad: it has control characters"]
    assert order(conf) == [("good", [])]
    assert all(line.isprintable() for line in text.splitlines())
