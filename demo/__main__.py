"""Play every scene under a private smtpd and print what happened.

    python -m demo [-s 6.8|7] [-l]

-s: which smtpd (the newer one by default). -l: print smtpd's log as well. The exit status is 1 if a client was told
something else than the scene expects, 2 if the demo cannot run here.
"""

from __future__ import annotations

import getopt
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from demo.scenes import ALL
from demo.stage import Scene, Seen, Stage
from demo.table import show
from demo.zone import ZONE
from tools.private_smtpd import SYSTEMS, Namespace, Smtpd, Unavailable
from tools.private_smtpd.backends import Backend, start_clamd, start_redis, start_spamd

EXAMPLE: Final = Path(__file__).parents[1] / "examples/smtpd.conf"
STARTERS: Final[dict[str, Callable[[Namespace], Backend]]] = {
    "clamd": start_clamd,
    "spamd": start_spamd,
    "redis": start_redis,
}


def play_all(stage: Stage) -> list[tuple[str, list[tuple[Scene, Seen]]]]:
    return [(heading, [(scene, scene.play(stage)) for scene in scenes]) for heading, scenes in ALL]


def start_backends(stage: Stage) -> None:
    needed = {name for _, scenes in ALL for scene in scenes for name in scene.needs}
    for name in sorted(needed):
        print(f"starting {name} beside it")
        stage.backends[name] = STARTERS[name](stage.smtpd.room)


def wrong(scene: Scene, seen: Seen) -> bool:
    return not seen.answer.startswith(str(scene.expect))


def demonstrate(version: str, *, with_log: bool) -> int:
    started = time.monotonic()
    print(f"a private smtpd with {EXAMPLE.name}, its own network, DNS, spool and process table")
    with Smtpd(version, EXAMPLE.read_text(), zone=ZONE) as smtpd:
        stage = Stage(smtpd)
        start_backends(stage)
        groups = play_all(stage)
        print("\n" + show(groups) + "\n")
        if with_log:
            print(smtpd.log())
        alive = smtpd.alive()
    played = [each for _, scenes in groups for each in scenes]
    unexpected = [scene for scene, seen in played if wrong(scene, seen)]
    for scene in unexpected:
        print(f"demo: expected {scene.expect}: {scene.who} [{scene.source}], {scene.what}")
    if not alive:
        print("demo: smtpd died")
    print(f"{len(played)} scenes in {time.monotonic() - started:.1f} s; nothing of it is left on this machine")
    return 1 if unexpected or not alive else 0


def main(arguments: Sequence[str]) -> int:
    options = dict(getopt.getopt(arguments, "s:l")[0])
    version = options.get("-s", "7")
    if version not in SYSTEMS:
        print(f"demo: -s takes one of {', '.join(SYSTEMS)}", file=sys.stderr)
        return 2
    try:
        return demonstrate(version, with_log="-l" in options)
    except Unavailable as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
