"""Play every scene under a private smtpd and print what happened.

    python -m demo [-s 6.8|7] [-l]

-s: which smtpd (the newer one by default). -l: print smtpd's log as well. The exit status is 1 if a client was told
something else than the scene expects, 2 if the demo cannot run here.
"""

from __future__ import annotations

import getopt
import sys
import time
from collections.abc import Sequence

from demo.host import open_host
from demo.scenes import ALL
from demo.stage import Scene, Seen, Stage
from demo.table import show
from tools.private_smtpd import SYSTEMS, Unavailable


def play_all(stage: Stage, version: str) -> list[tuple[str, list[tuple[Scene, Seen]]]]:
    """Every scene this smtpd can play."""
    able = [(heading, [each for each in scenes if not each.tls or version != "6.8"]) for heading, scenes in ALL]
    return [(heading, [(scene, scene.play(stage)) for scene in scenes]) for heading, scenes in able if scenes]


def wrong(scene: Scene, seen: Seen) -> bool:
    return not seen.answer.startswith(str(scene.expect))


def demonstrate(version: str, *, with_log: bool) -> int:
    started = time.monotonic()
    print("a private smtpd: its own network, DNS, spool, users and process table", flush=True)
    with open_host(version, lambda what: print(what, flush=True)) as stage:
        groups = play_all(stage, version)
        print("\n" + show(groups) + "\n")
        if with_log:
            print(stage.smtpd.log())
        alive = stage.smtpd.alive()
    played = [each for _, scenes in groups for each in scenes]
    unexpected = [(scene, seen) for scene, seen in played if wrong(scene, seen)]
    for scene, seen in unexpected:
        print(f"demo: expected {scene.expect}, not {seen.answer}: {scene.who} [{scene.source}], {scene.what}")
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
