"""Play every scene under a private smtpd and tell what happens.

    python -m demo [-lv] [-s 6.8|7]

-s: which smtpd (the newer one by default). -v: with the reasons. -l: print smtpd's log as well. The exit status is 1 if
a client was told something else than the scene expects, 2 if the demo cannot run here.
"""

from __future__ import annotations

import getopt
import sys
import time
from collections.abc import Sequence

from demo.asking import why
from demo.host import open_host
from demo.scenes import ALL
from demo.stage import Scene, Seen, Stage
from demo.telling import Teller, is_junk, is_wrong
from tools.private_smtpd import SYSTEMS, Unavailable

USAGE = "usage: python -m demo [-lv] [-s 6.8|7]"

Played = list[tuple[Scene, Seen]]


def play_all(stage: Stage, version: str, teller: Teller) -> Played:
    """Every scene this smtpd can play, told as it happens."""
    played: Played = []
    for heading, scenes in ALL:
        able = [each for each in scenes if not each.tls or version != "6.8"]
        if able:
            teller.head(heading)
        for scene in able:
            seen = scene.play(stage)
            played.append((scene, seen))
            teller.show(scene, seen)
    return played


def summary(played: Played, seconds: float, *, alive: bool) -> str:
    """What it came to, in a sentence."""
    codes = [seen.answer[:1] for _, seen in played]
    let_in, refused, put_off = (codes.count(digit) for digit in "254")
    junk = sum(is_junk(seen) for _, seen in played)
    wrong = sum(is_wrong(scene, seen) for scene, seen in played)
    return (
        f"{len(played)} scenes in {seconds:.0f} s: {let_in} let in ({junk} of them into Junk), {refused} refused, "
        f"{put_off} told to come back, {wrong or 'none'} wrong; one scanner and one of two mail servers were killed, "
        f"and smtpd is {'alive' if alive else 'DEAD'}. Nothing of it is left on this machine."
    )


def demonstrate(version: str, teller: Teller, *, with_log: bool) -> int:
    started = time.monotonic()
    teller.say("A private smtpd: its own network, DNS, spool, users and process table.")
    with open_host(version, teller.say) as stage:
        played = play_all(stage, version, teller)
        teller.head("Why was it refused?")
        teller.quote(*why(stage))
        if with_log:
            print(stage.smtpd.log())
        alive = stage.smtpd.alive()
    teller.say()
    teller.say(summary(played, time.monotonic() - started, alive=alive))
    return 1 if any(is_wrong(*each) for each in played) or not alive else 0


def main(arguments: Sequence[str]) -> int:
    try:
        options = dict(getopt.getopt(arguments, "s:lv")[0])
    except getopt.GetoptError as error:
        print(f"demo: {error}\n{USAGE}", file=sys.stderr)
        return 2
    version = options.get("-s", "7")
    if version not in SYSTEMS:
        print(f"demo: -s takes one of {', '.join(SYSTEMS)}", file=sys.stderr)
        return 2
    try:
        return demonstrate(version, Teller(verbose="-v" in options), with_log="-l" in options)
    except Unavailable as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
