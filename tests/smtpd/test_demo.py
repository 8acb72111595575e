"""The demo's scenes, with examples/smtpd.conf and everything it names, under each smtpd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.host import open_host
from demo.scenes import ALL
from demo.stage import Scene, Seen, Stage
from demo.table import HEADINGS, show, widths

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


@pytest.mark.parametrize("columns", [80, 150, 200, 400])
def test_the_table_holds_every_word_and_no_line_is_too_long(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    seen = Seen("250 2.0.0 fine", "rdns", "x=" + "long " * 40 + "word" * 30, "bob: as it was")
    shown = show([("Heading", [(SCENES[0], seen)])])
    width = sum(widths(min(columns, 200))) + 2 * (len(HEADINGS) - 1)
    assert max(len(line) for line in shown.splitlines()) <= width
    assert shown.count("long") == 40
    assert all(word in shown for word in ("Heading", "rdns", "250", SCENES[0].source[:10]))
