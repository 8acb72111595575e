"""Control sockets under a real smtpd: in the usual place, asked by filterctl, gone and back with a restart."""

from __future__ import annotations

import json

from tests.support.metrics import samples
from tools.private_smtpd import Smtpd
from tools.private_smtpd.namespace import wait_until

FILTERCTL = "/usr/libexec/opensmtpd/filterctl"
PLACE = "/var/run/opensmtpd-filters/opensmtpd"
ZONE = {"192.0.2.10": "mx1.example.net", "mx1.example.net": ["A 192.0.2.10"]}
CONFIG = """
filter "rdns" proc-exec "filter-rdns"
filter "both" proc-exec "filter-chain -C /tmp/control/chain.sock rdns -- dyndns"
listen on 0.0.0.0 filter { "rdns", "both" }
action "local" maildir
match from any for domain "example.org" action "local"
"""
MAIL = b"Subject: x\r\n\r\nhello\r\n"


def asked(smtpd: Smtpd, *words: str) -> tuple[int, str]:
    """filterctl in the room of smtpd, as root."""
    return smtpd.room.run([FILTERCTL, *words])


def ready(smtpd: Smtpd, *sockets: str) -> bool:
    return asked(smtpd, "ready", "-t", "5000", *sockets)[0] == 0


def make_places(smtpd: Smtpd) -> None:
    for directory in (PLACE, "/tmp/control"):
        code, output = smtpd.room.run(["mkdir", "-p", directory])
        assert code == 0, output
        code, output = smtpd.room.run(["chown", "opensmtpd", directory])
        assert code == 0, output


def test_filterctl_asks_the_filters_of_a_running_smtpd(newest: str) -> None:
    with Smtpd(newest, 'listen on 0.0.0.0\naction "a" maildir\nmatch for any action "a"\n', zone=ZONE) as smtpd:
        assert asked(smtpd, "status")[0] == 1  # there is no directory, and no filter
        make_places(smtpd)
        smtpd.restart(CONFIG)
        both = ("rdns", "/tmp/control/chain.sock")
        wait_until(lambda: ready(smtpd, *both), 20, "the control sockets")
        with smtpd.client("192.0.2.10") as client:
            assert client.deliver(MAIL).code == 250
        for _ in range(3):
            with smtpd.client("192.0.2.99") as client:
                assert client.deliver(MAIL).code == 550
        code, output = asked(smtpd, "status", "-j", *both)
        assert code == 0, output
        alone, chain = (each["status"] for each in json.loads(output))
        assert alone["process"] == "opensmtpd/filter-rdns"
        assert alone["sessions"] == 4
        assert {"phase": "mail-from", "verdict": "reject", "reason": "no-ptr", "count": 3} in alone["members"][0][
            "decisions"
        ]
        assert [member["name"] for member in chain["members"]] == ["rdns", "dyndns"]
        code, output = asked(smtpd, "metrics", *both)
        refused = [each for each in samples(output) if each.name == "filter_replies_total"]
        assert [(each.labels["enhanced"], each.value) for each in refused] == [("5.7.25", 3)]
        processes = {process["pid"] for process in (alone, chain)}
        smtpd.restart(CONFIG)
        wait_until(lambda: ready(smtpd, *both), 20, "the control sockets after a restart")
        code, output = asked(smtpd, "status", "-j", *both)
        assert code == 0, output
        anew = [each["status"] for each in json.loads(output)]
        assert not processes & {each["pid"] for each in anew}
        assert [each["process"] for each in anew] == ["opensmtpd/filter-rdns", "control/chain"]
        assert smtpd.alive()


def test_smtpd_does_not_start_with_a_place_that_is_not_there(newest: str) -> None:
    config = CONFIG.replace("/tmp/control/", "/tmp/nowhere/")
    with Smtpd(newest, config, port=None) as smtpd:
        smtpd.wait_exit()
        assert "-C /tmp/nowhere/chain.sock: there is no directory /tmp/nowhere" in smtpd.log()
