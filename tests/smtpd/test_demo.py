"""The demo's scenes, with examples/smtpd.conf and everything it names, under each smtpd."""

from __future__ import annotations

import dataclasses
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.host import open_host
from demo.scenes import ALL
from demo.stage import Scene, Seen, Stage
from demo.telling import Teller, line_of

ROOT = Path(__file__).resolve().parents[2]
SCENES = [scene for _, scenes in ALL for scene in scenes]


@pytest.fixture(scope="module")
def stage(version: str) -> Iterator[Stage]:
    with open_host(version, print) as host:
        yield host


@pytest.mark.parametrize(
    "scene", SCENES, ids=lambda scene: f"{scene.who}-{scene.source}-{scene.what}".replace(" ", "-")
)
def test_a_scene_comes_out_as_the_demo_says(stage: Stage, scene: Scene) -> None:
    if scene.tls and stage.smtpd.version == "6.8":
        pytest.xfail("smtpd 6.8 of Debian 12 fails every TLS handshake with OpenSSL 3")
    seen = scene.play(stage)
    assert seen.answer.startswith(str(scene.expect)), f"{seen}\n{stage.smtpd.log()}"
    assert stage.smtpd.alive(), stage.smtpd.log()
    if scene.expect >= 400:
        assert seen.filter, "nobody explained the refusal"
        assert seen.why, "a refusal needs its reason in the log"
    else:
        assert seen.delivered, "accepted, but nowhere to be found"


SEEN = Seen("250 2.0.0 fine", "spamassassin", "x=" + "long " * 40 + "word" * 15, "bob/Junk: as it was")


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: f"{scene.who}-{scene.what}".replace(" ", "-"))
def test_a_scene_is_one_line_of_eighty_columns(scene: Scene) -> None:
    out = io.StringIO()
    Teller(out).show(scene, dataclasses.replace(SEEN, answer=f"{scene.expect} x"))
    (line,) = out.getvalue().splitlines()
    assert line.startswith(f"  {scene.expect}  spamassassin  {scene.who}")
    assert len(line) <= 80


def test_reasons_hold_every_word_and_fit_as_well() -> None:
    out = io.StringIO()
    Teller(out, verbose=True).show(SCENES[0], SEEN)
    shown = out.getvalue()
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert shown.count("long") == 40
    assert all(word in shown for word in (SCENES[0].source, "250 2.0.0 fine", "word" * 15, "bob/Junk: as it was"))


def test_a_surprise_is_told_in_its_line() -> None:
    assert line_of(SCENES[0], Seen("550 no")).endswith("good server  (not 250)")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "no_colour", "coloured"), [(Terminal, "", True), (Terminal, "1", False), (io.StringIO, "", False)]
)
def test_colours_are_for_terminals(
    out: type[io.StringIO], no_colour: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour:
        monkeypatch.setenv("NO_COLOR", no_colour)
    made = out()
    Teller(made).show(SCENES[0], SEEN)
    assert ("\033[32m250\033[0m" in made.getvalue()) is coloured
    assert ("\033" in made.getvalue()) is coloured


@pytest.mark.slow
@pytest.mark.usefixtures("newest")
def test_the_whole_demo_fits_eighty_columns_and_ends_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", "-v"], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    told = [line[2:5] for line in lines if re.match(r"  \d{3}  ", line)]
    assert [int(code) for code in told] == [scene.expect for scene in SCENES]
    assert "  # filterctl why 192.0.2.20" in lines
    assert "kill -9 of clamd" in done.stdout
    end = " ".join(done.stdout[done.stdout.rindex("\n\n") :].split())
    let_in, refused, put_off = (sum(code.startswith(digit) for code in told) for digit in "254")
    assert re.sub(r" in \d+ s:", ":", end) == (
        f"{len(SCENES)} scenes: {let_in} let in (4 of them into Junk), {refused} refused, {put_off} told to come back, "
        "none wrong; one scanner and one of two mail servers were killed, and smtpd is alive. Nothing of it is left on "
        "this machine."
    )
