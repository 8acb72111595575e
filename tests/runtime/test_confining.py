"""What -Z means: a process is confined as far as it can be, or does not start, or is left as it is."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from filter_api import Filter, Message, Proceed, Session, Verdict
from filter_api.confinement import system
from filter_api.confinement.confined import Confined
from filter_api.confinement.needs import Confine, Needs
from filter_api.errors import ConfigError, UsageError
from filter_api.files.tables import AddressTable
from filter_api.log import Logger
from filter_api.options import CommonOptions, parse_options
from filter_api.runtime import confining
from filter_api.runtime.confining import Confinement
from tests.support.filter_process import FilterProcess

WHOLE = Confined(("landlock 7: files",))
HALF = Confined(("seccomp",), ("no landlock: the kernel has none",))


class Silent(Filter):
    """Does not say what it needs."""

    name = "silent"

    def on_connect(self, session: Session) -> Proceed:
        return Proceed()


class Asking(Silent):
    """Asks the DNS."""

    def needs(self) -> Needs:
        return Needs(dns=True)


class Reading(Silent):
    """Looks at messages."""

    def needs(self) -> Needs:
        return Needs(ports=frozenset({783}))

    def on_message(self, session: Session, message: Message) -> Verdict:
        return Verdict()


def options(mode: Confine = Confine.TRY) -> CommonOptions:
    made = CommonOptions()
    made.confine = mode
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Needs]:
    """What the system was asked for; it has half of it. The process of the test is left alone."""
    seen: list[Needs] = []

    def confine(needs: Needs) -> Confined:
        seen.append(needs)
        return HALF

    monkeypatch.setattr(system, "confine", confine)
    return seen


@pytest.mark.parametrize(
    ("word", "mode"), [("try", Confine.TRY), ("demand", Confine.DEMAND), ("off", Confine.OFF), (None, Confine.TRY)]
)
def test_the_option_has_three_values(word: str | None, mode: Confine) -> None:
    assert parse_options("", [] if word is None else ["-Z", word])[1].confine is mode


def test_another_value_is_refused_and_the_three_are_named() -> None:
    with pytest.raises(UsageError, match="-Z takes try, demand or off, not 'yes'"):
        parse_options("", ["-Z", "yes"])


def test_members_are_confined_to_what_they_need_together(
    asked: list[Needs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/var/spool/filters")
    (tmp_path / "table").write_text("a@example.org\n")
    table = AddressTable(str(tmp_path / "table"))
    logged = options()
    logged.syslog = True
    confining.confine([Asking(), Reading()], logged)
    (needs,) = asked
    assert str(tmp_path / "table") in needs.reads
    assert needs.keeps == {"/var/spool/filters"}
    assert needs.sockets == {"/dev/log"}
    assert (needs.dns, set(needs.ports)) == (True, {783})
    assert b"a@example.org" in table


def test_who_looks_at_no_message_has_no_spool(asked: list[Needs]) -> None:
    confining.confine([Asking()], options())
    assert (asked[0].keeps, asked[0].sockets) == (frozenset(), frozenset())


def test_a_process_with_a_member_that_does_not_say_is_left_as_it_is(asked: list[Needs]) -> None:
    found = confining.confine([Asking(), Silent()], options())
    assert asked == []
    assert found.found.summary() == "nothing (silent does not say what it needs)"


def test_who_wants_none_has_none(asked: list[Needs]) -> None:
    assert confining.confine([Asking()], options(Confine.OFF)).found.summary() == "nothing (-Z off)"
    assert asked == []


@pytest.mark.parametrize("members", [[Asking()], [Silent()]])
def test_where_it_is_demanded_and_cannot_be_had_it_is_an_error(asked: list[Needs], members: list[Filter]) -> None:
    with pytest.raises(
        ConfigError, match=r"-Z demand: it cannot be confined: .*; see CONFINEMENT in opensmtpd-filters"
    ):
        confining.confine(members, options(Confine.DEMAND))


def told(confinement: Confinement, *, verbose: bool = False) -> list[tuple[int, str]]:
    lines: list[tuple[int, str]] = []
    confining.tell(confinement, Logger(lambda level, line: lines.append((level, line)), verbose=verbose))
    return lines


def test_what_is_missing_is_told_once_and_what_is_there_only_when_asked_for() -> None:
    needs = Needs()
    assert told(Confinement(WHOLE, needs)) == []
    assert told(Confinement(WHOLE, needs), verbose=True) == [
        (logging.DEBUG, 'confined by="landlock 7: files"'),
    ]
    assert told(Confinement(HALF, needs)) == [
        (logging.WARNING, 'confined by="seccomp (no landlock: the kernel has none)"'),
    ]
    assert told(Confinement(HALF)) == []
    assert told(Confinement(Confined(WHOLE.parts, (), ("/etc/x: remedy",)), needs)) == [
        (logging.INFO, 'confined note="/etc/x: remedy"'),
    ]


def test_when_all_is_loaded_the_rest_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    log = Logger(lambda _level, line: lines.append(line))
    settled: list[Needs] = []
    monkeypatch.setattr(system, "settle", settled.append)
    confining.settle(Confinement(WHOLE), log)
    assert settled == []
    confining.settle(Confinement(WHOLE, Needs(dns=True)), log)
    assert settled == [Needs(dns=True)]

    def fail(_: Needs) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(system, "settle", fail)
    confining.settle(Confinement(WHOLE, Needs()), log)
    assert lines == ['confined note="modules can still be loaded: Operation not permitted"']


CONFINED = """
from filter_api import *
from filter_api.confinement.needs import Needs
class Curious(Filter):
    def needs(self): return Needs()
    def on_connect(self, session):
        try:
            open({path!r}).read()
        except OSError as error:
            return Reject(550, "5.7.1", "refused: " + self.context.confined.split(",")[0])
        return Proceed()
main(Curious())
"""
CONNECT = b"filter|0.7|1.1|smtp-in|connect|00000000000000aa|80|mx|192.0.2.1\n"


@pytest.mark.skipif(system.offer().missing != (), reason=f"this system cannot confine: {system.offer().summary()}")
@pytest.mark.parametrize(
    ("words", "answer"), [((), b"550 5.7.1 refused: no new privileges"), (("-Z", "off"), b"proceed")]
)
def test_a_filter_that_runs_is_confined_and_knows_how(words: tuple[str, ...], answer: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with FilterProcess(["-c", CONFINED.format(path=str(tmp_path / "secret")), *words]) as smtpd:
        smtpd.handshake()
        smtpd.write(CONNECT)
        assert smtpd.line().endswith(answer)
        smtpd.hang_up()


def test_a_filter_that_must_be_confined_and_cannot_be_does_not_register() -> None:
    source = "from filter_api import *\nclass Plain(Filter): pass\nmain(Plain())"
    done = subprocess.run([sys.executable, "-c", source, "-Z", "demand"], input=b"", capture_output=True, timeout=20)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == (
        b"filter: -Z demand: it cannot be confined: nothing (filter does not say what it needs); "
        b"see CONFINEMENT in opensmtpd-filters(7)\n"
    )
