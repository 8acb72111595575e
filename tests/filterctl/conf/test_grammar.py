"""What filterctl check says of lines that smtpd refuses, beside the forty of test_mistakes: place and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.filterctl.conf.test_mistakes import assert_told, told


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('fliter x proc-exec "x"', "fliter begins no line: did you mean filter?"),
        ('Filter x proc-exec "x"', "Filter begins no line: did you mean filter?"),
        ("user nobody", "it goes on with the one above, which has to end with a backslash"),
        ('"filter" x proc-exec "x"', "filter begins no line"),
        ("}", "} begins no line"),
        ("filter x proc-exec user", "user is no command: name the program in quotes"),
        ("filter x proc-exec 12", "12 is no command: name the program in quotes"),
        (
            "filter x regex",
            "regex is no kind of filter, as proc, proc-exec, chain, phase are: the filters of 2015 were such",
        ),
        ('filter x perl "/x.pl"', "see docs/migrating.md, Filters of 2015"),
        (
            'filter x proc_exec "y"',
            "proc_exec is no kind of filter, as proc, proc-exec, chain, phase are: did you mean proc-exec",
        ),
        (
            'pki x certificate "/y"',
            "certificate is of the grammar before OpenSMTPD 6.4, which is pki NAME cert now: see docs/",
        ),
        ("listen on lo smtps certificate x", "certificate is of the grammar before OpenSMTPD 6.4"),
        ("filter -x proc-exec y", '-x begins with -: quote it, "-x"'),
        ('filter é proc-exec "x"', 'é is more than plain letters and digits: quote it, "é"'),
        ("filter x proc-exec \u201cx\u201d", "typographic quotes, which smtpd does not know: write plain ones"),
        ("filter x chain { a } b", "filter x: b stands behind the chain: take it out"),
        ("filter x phase connect match fcrdns <t> junk", "fcrdns takes no table: leave it out, or match rdns with it"),
        ("filter x phase connect match rdns regex junk", "regex wants a table behind it, as <name>"),
        ("filter x phase connect match !rdns reject 550", 'reject wants its text behind it, as reject "550 no"'),
        ("filter x phase data match rcpt-to <t> junk", "rcpt-to cannot be matched at data: rdns, fcrdns, src, helo"),
        ("listen filter a", "listen wants an interface, an address or socket, one a line: listen on lo"),
        ("listen on 192.0.2.1, 192.0.2.2", "each address has a line of its own"),
        ("listen on socket port 25 filter a", "port is not for the listener on the socket: take it out"),
        ("listen on lo filter a b", "several filters of a listener stand in braces: filter { a, b }"),
        ("listen on lo filter { a } user", "user stands behind the filter, and is no option there: take it out"),
        ('action "r" maildir filter a', "only a relay action takes a filter: mail for users of this host is filtered"),
        ("action filter maildir", 'filter is a word of smtpd.conf, not a name: quote it, "filter"'),
        ("match from any for any filter a reject", "a filter stands on a listener or a relay action, not on match"),
        ("include /dev/null", '/dev/null begins with /: quote it, "/dev/null"'),
        ('include "/etc/none.conf"', "include /etc/none.conf: No such file: make it, or take the line out"),
        ('include "/dev/null" "y"', "include wants the path of a file and nothing behind it"),
        ("user = nobody", "user cannot name a macro: choose a word of letters that smtpd.conf has not"),
        ('it = "a" b', 'the value of macro it is one string: put it in quotes, it = "..."'),
        ("filter x proc-exec $it", "macro 'it' is not defined: a line it = \"...\" is wanted above"),
    ],
)
def test_the_line_and_the_remedy_are_told(line: str, message: str, tmp_path: Path) -> None:
    before = 'filter a proc-exec "a"\nfilter b proc-exec "b"\ntable t { u }\n'
    assert_told(tmp_path / "smtpd.conf", f"{before}{line}\n", 4, message)


def test_a_word_that_a_later_smtpd_may_know_is_let_pass(tmp_path: Path) -> None:
    path = tmp_path / "smtpd.conf"
    path.write_text("quarantine on\n")
    assert not told(path)
