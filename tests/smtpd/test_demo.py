"""The demo's scenes, with the example configuration, under each smtpd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.__main__ import EXAMPLE, start_backends
from demo.scenes import ALL
from demo.stage import Scene, Stage
from demo.zone import ZONE
from tools.private_smtpd import Smtpd

SCENES = [scene for _, scenes in ALL for scene in scenes]


@pytest.fixture(scope="module")
def stage(version: str) -> Iterator[Stage]:
    with Smtpd(version, EXAMPLE.read_text(), zone=ZONE) as smtpd:
        made = Stage(smtpd)
        start_backends(made)
        yield made


@pytest.mark.parametrize(
    "scene", SCENES, ids=lambda scene: f"{scene.who}-{scene.source}-{scene.what}".replace(" ", "-")
)
def test_the_client_gets_the_expected_code(stage: Stage, scene: Scene) -> None:
    seen = scene.play(stage)
    assert seen.answer.startswith(str(scene.expect)), f"{seen}\n{stage.smtpd.log()}"
    assert stage.smtpd.alive(), stage.smtpd.log()
    if scene.expect >= 400:
        assert seen.filter, "nobody explained the refusal"
        assert seen.why, "a refusal needs its reason in the log"
