"""``filterctl replay transcript -- filter …``: recorded traffic against any filter executable, its verdicts as a table.

The filter is started as smtpd starts it, on one socketpair, and told what it registered for. What it answers is judged
by the oracle: the first line that would have killed, wedged or misled smtpd ends the replay with exit status 1.
"""

from __future__ import annotations

from collections.abc import Iterable

from filter_api.errors import ConfigError, UsageError
from filter_api.options import letters_of, split_options
from filter_api.testing.oracle import SmtpdError, WouldHang, WouldKillSmtpd, WouldMislead, WouldWedgeSmtpd
from filter_api.testing.transcript import Transcript, Wire
from filter_api.text.escape import printable
from filterctl.programs.command import end, split_command, start
from filterctl.replaying.playback import Outcome, Playback

OPTIONS = """\
-t seconds   how long an answer may take (default 120)
-v           print the changed lines of each message, too
"""

_WOULD: dict[type[SmtpdError], str] = {
    WouldKillSmtpd: "smtpd would have ended",
    WouldWedgeSmtpd: "smtpd would answer nobody any more",
    WouldHang: "a client would wait for ever",
    WouldMislead: "smtpd would have been misled",
}

DEFAULT_PATIENCE = 120.0
ARGUMENT_WIDTH = 44


def run(arguments: list[str]) -> int:
    """0 if smtpd would have lived; raises UsageError, ConfigError."""
    verbose, patience, path, command = _options(arguments)
    wires = [wire for wire in Transcript.read(path).wires() if any(map(_is_traffic, wire))]
    if not wires:
        raise ConfigError(f"{path}: no traffic in it")
    statuses = [_play(wire, command, verbose=verbose, patience=patience) for wire in wires]
    return max(statuses)


def _is_traffic(line: Wire) -> bool:
    """Whether it is more than a handshake: each dry run of ``filterctl check`` leaves one."""
    return line.to_filter and not line.line.startswith(b"config|")


def _play(wire: list[Wire], command: list[str], *, verbose: bool, patience: float) -> int:
    process, socket_end = start(command)
    playback = Playback(process, socket_end, patience)
    problem = ""
    try:
        with socket_end:
            playback.play(wire)
    except SmtpdError as error:
        problem = f"{_WOULD[type(error)]}: {error}"
    finally:
        end(process, 0)
    for line in table(playback.outcomes, verbose=verbose):
        print(line)
    unasked = playback.unasked()
    if unasked:
        print("never asked at:", printable(b" ".join(sorted(unasked))))
    if problem:
        print(printable(problem, 1000))
    return 1 if problem else 0


def table(outcomes: Iterable[Outcome], *, verbose: bool) -> Iterable[str]:
    """One line an answer; with `verbose` the changed lines of each message below it."""
    yield f"{'SESSION':16} {'PHASE':9} {'ARGUMENT':{ARGUMENT_WIDTH}} {'MS':>7} VERDICT"
    for outcome in outcomes:
        argument = printable(outcome.argument, ARGUMENT_WIDTH)
        phase = printable(outcome.phase)
        milliseconds = f"{outcome.seconds * 1000:.1f}"
        verdict = printable(outcome.verdict.replace(b"|", b" ", 1), 600)
        yield f"{printable(outcome.session):16} {phase:9} {argument:{ARGUMENT_WIDTH}} {milliseconds:>7} {verdict}"
        for change in outcome.changes if verbose else ():
            yield "    " + printable(change, 1000)


def _options(arguments: list[str]) -> tuple[bool, float, str, list[str]]:
    options, rest = split_options(letters_of(OPTIONS), arguments, OPTIONS)
    verbose, patience = False, DEFAULT_PATIENCE
    for letter, value in options:
        if letter == "-v":
            verbose = True
            continue
        try:
            patience = float(value)
        except ValueError:
            patience = 0
        if not 0 < patience <= 3600:
            raise UsageError(f"-t {value}: seconds up to 3600 are wanted")
    (path,), command = split_command(rest, 1)
    return verbose, patience, path, command
