"""``filterctl check`` on real configurations with real filter programs, started as the user of their line."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filterctl.conf import check
from filterctl.programs import dryrun

AS_ROOT = os.geteuid() == 0
USER = "nobody"

FILTER = """\
#!{python}
import getopt, sys
options, rest = getopt.getopt(sys.argv[1:], "f:mr:")
for letter, value in options:
    if letter == "-f":
        try:
            open(value).read()
        except OSError as error:
            sys.exit("filter: %s: %s" % (value, error.strerror))
for phase in {phases!r}:
    print("register|filter|smtp-in|" + phase)
print("register|ready", flush=True)
{life}
"""

Make = Callable[..., Path]
Check = Callable[[str], tuple[int, list[str]]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder other users can enter, as pytest's own is not."""
    path = Path(tempfile.mkdtemp(prefix="filterctl-check-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make(folder: Path) -> Make:
    def program(name: str, *phases: str, life: str = "sys.stdin.read()", mode: int = 0o755) -> Path:
        path = folder / name
        path.write_text(FILTER.format(python=os.path.realpath(sys.executable), phases=phases, life=life))
        path.chmod(mode)
        return path

    return program


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    def check_it(text: str) -> tuple[int, list[str]]:
        path = folder / "smtpd.conf"
        path.write_text(text)
        status = check.run(["-l", str(folder), str(path)])
        lines = capsys.readouterr().out.splitlines()
        return status, [line.replace(str(folder) + "/", "") for line in lines]

    return check_it


def test_a_good_configuration(make: Make, run: Check, folder: Path) -> None:
    make("filter-a", "connect", "mail-from")
    make("filter-b", "rcpt-to")
    (folder / "more.conf").write_text('filter b proc-exec "filter-b -r \\"go; away\\"" user nobody\n')
    status, lines = run(
        'include "more.conf"\n'
        f'filter a proc-exec "{folder}/filter-a -f /etc/passwd" user nobody\n'
        "listen on lo0 filter { a, b }\n"
    )
    assert status == 0
    named = [line for line in lines if "not started as" not in line]
    assert named == [
        "smtpd.conf:1: warning: more.conf is looked for where smtpd was started: write its whole path",
        "more.conf:1: ok: filter b: filter-b as nobody registers rcpt-to",
        "smtpd.conf:2: ok: filter a: filter-a as nobody registers connect mail-from",
    ]


def test_one_process_for_several_filters_is_started_once(make: Make, run: Check, folder: Path) -> None:
    make("filter-a", "connect")
    text = f'proc p "{folder}/filter-a" user nobody\nfilter a proc p\nfilter b proc p\nlisten on lo0 filter a\n'
    status, lines = run(text)
    assert status == 0
    assert len([line for line in lines if ": ok: " in line]) == 1
    assert "smtpd.conf:3: note: filter b is used by no listener or action" in lines


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("filter-a -z", "getopt.GetoptError: option -z not recognized"),
        ("filter-a -f /nonexistent", "filter: /nonexistent: No such file or directory: make it, or mend its name"),
        ("filter-none", "; install it there, or write its whole path"),
        ("filter-plain", "filter-plain cannot be run by nobody: chmod 0755 "),
        ("filter-plane", "; did you mean filter-plain?"),
        ("filter-a; touch touched", "; outside quotes is the shell's"),
        ("filter-a $(touch touched)", "$ outside quotes is the shell's"),
    ],
)
def test_what_smtpd_would_fail_at(make: Make, run: Check, folder: Path, command: str, error: str) -> None:
    make("filter-a", "connect")
    make("filter-plain", "connect", mode=0o644)
    status, lines = run(f'\nfilter a proc-exec "{command}" user nobody\nlisten on lo0 filter a\n')
    assert status == 1
    assert any(line.startswith("smtpd.conf:2: error: filter a: ") and error in line for line in lines), lines
    assert not (folder / "touched").exists()


def test_an_interpreter_that_is_not_there_is_told_of_the_filter_and_the_others_are_looked_at(
    make: Make, run: Check, folder: Path
) -> None:
    make("filter-b", "connect")
    (folder / "filter-a").write_text("#!/opt/gone/bin/python\n")
    (folder / "filter-a").chmod(0o755)
    text = 'filter a proc-exec "filter-a"\nfilter b proc-exec "filter-b" user nobody\nlisten on lo0 filter { a, b }\n'
    status, lines = run(text)
    assert status == 1
    why = "filter-a: /opt/gone/bin/python, which runs it, is not there: install the suite again, or a venv anew"
    assert f"smtpd.conf:1: error: filter a: {why}" in lines
    assert any(line.startswith("smtpd.conf:2: ok: filter b: ") for line in lines)


def test_a_user_that_is_not_there(make: Make, run: Check) -> None:
    make("filter-a", "connect")
    status, lines = run('filter a proc-exec "filter-a" user no-such-user\nlisten on lo0 filter a\n')
    assert (status, lines) == (
        1,
        ["smtpd.conf:1: error: filter a: no user no-such-user: make it, or name another on this line"],
    )


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
def test_a_chain_is_started_like_any_filter_and_the_files_of_its_members_are_looked_at(
    run: Check, folder: Path
) -> None:
    program = folder / "filter-chain"
    program.write_text(f"#!{sys.executable}\nfrom filter_chain.__main__ import run\nrun()\n")
    program.chmod(0o755)
    (folder / "exempt").touch(0o644)
    (folder / "filters").write_text(f"rdns -f\ndyndns -W {folder}/exempt\n")
    text = f'filter mail proc-exec "filter-chain -f {folder}/filters" user nobody\nlisten on lo0 filter mail\n'
    status, lines = run(text)
    assert (status, lines) == (0, ["smtpd.conf:1: ok: filter mail: filter-chain as nobody registers mail-from"])
    (folder / "exempt").chmod(0o600)
    status, lines = run(text)
    assert status == 1
    assert "smtpd.conf:1: error: filter mail: exempt cannot be read by nobody: chown nobody exempt" in lines
    assert any("filters:2: dyndns: " in line and "Permission denied" in line for line in lines)


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
def test_a_file_the_filters_user_cannot_read(make: Make, run: Check, folder: Path) -> None:
    make("filter-a", "connect")
    secret = folder / "secret"
    secret.touch(0o600)
    status, lines = run(f'filter a proc-exec "filter-a -f {secret}" user nobody\nlisten on lo0 filter a\n')
    assert status == 1
    assert "smtpd.conf:1: error: filter a: secret cannot be read by nobody: chown nobody secret" in lines
    assert run(f'filter a proc-exec "filter-a -f {secret}" user root\nlisten on lo0 filter a\n')[0] == 0


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
def test_a_folder_the_filters_user_cannot_enter(make: Make, run: Check, folder: Path) -> None:
    make("filter-a", "connect")
    hidden = folder / "hidden"
    hidden.mkdir(0o700)
    shutil.move(folder / "filter-a", hidden / "filter-a")
    status, lines = run(f'filter a proc-exec "{hidden}/filter-a" user nobody\nlisten on lo0 filter a\n')
    assert status == 1
    assert any("hidden cannot be entered by nobody: chmod o+x hidden" in line for line in lines)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (("help-me", "sys.stdin.read()"), "smtpd would die: Unrecognized report name"),
        (("connect", "print('hello', flush=True); sys.stdin.read()"), "smtpd would die: Invalid filter message type"),
        (("connect", "import time; sys.stdin.read(); time.sleep(30)"), "no end after end of file within 1 seconds"),
        (("connect", "sys.stdin.read(); sys.exit(2)"), "ended with status 2 at end of file"),
    ],
)
def test_a_filter_that_would_take_smtpd_down(
    make: Make, run: Check, monkeypatch: pytest.MonkeyPatch, program: tuple[str, str], error: str
) -> None:
    monkeypatch.setattr(dryrun, "PATIENCE", 1.0)
    make("filter-a", program[0], life=program[1])
    status, lines = run('filter a proc-exec "filter-a" user nobody\nlisten on lo0 filter a\n')
    assert status == 1
    assert any(error in line for line in lines), lines


def test_a_filter_that_never_registers(folder: Path, run: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dryrun, "PATIENCE", 1.0)
    status, lines = run('filter a proc-exec "/bin/sleep 60" user nobody\nlisten on lo0 filter a\n')
    assert status == 1
    assert any("no register|ready within 1 seconds" in line for line in lines), lines


def test_chain_order_and_masquerade(make: Make, run: Check) -> None:
    make("filter-rdns", "mail-from")
    make("filter-dyndns", "mail-from")
    make("filter-dkimsign", "data-line", "commit")
    status, lines = run(
        'filter r proc-exec "filter-rdns -m" user nobody\n'
        'filter d proc-exec "filter-dyndns" user nobody\n'
        'filter s proc-exec "filter-dkimsign" user nobody\n'
        "listen on lo0 filter { r, d }\n"
        "listen on lo0 port 587 masquerade <senders> filter s\n"
    )
    assert status == 1
    assert any(
        line.startswith("smtpd.conf:4: warning: at mail-from a mark by r hides the client from d: ") for line in lines
    )
    assert "smtpd.conf:5: error: masquerade rewrites From after s signed it: every signature fails" in lines


def test_names_without_definition_and_chroots(run: Check) -> None:
    status, lines = run('filter a proc-exec "/bin/filter" chroot /var/empty\nlisten on lo0 filter { a, b }\n')
    assert status == 1
    assert 'smtpd.conf:2: error: filter b is not defined: a line filter "b" is wanted above' in lines
    assert "smtpd.conf:1: note: filter a: not started, as it runs in a chroot" in lines


def test_lists_that_have_ended_are_named(make: Make, run: Check) -> None:
    path = make("filter-dnsbl", "mail-from")
    path.write_text(path.read_text().replace('"f:mr:"', '"b:"'))
    status, lines = run(
        f'filter "f" proc-exec "filter-dnsbl -b \'dnsbl.sorbs.net*2\'" user "{USER}"\nlisten on lo0 filter "f"\n'
    )
    assert status == 0, lines
    assert "smtpd.conf:1: warning: filter f: dnsbl.sorbs.net has ended: ask it no more" in lines
