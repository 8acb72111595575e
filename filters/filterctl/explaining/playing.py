"""Ask the filters of one command of smtpd.conf about a client, up to DATA: they decide, with all of the runtime.

They run in memory, in this process, as with -n of the whole chain: so each is asked, though one before it refuses, and
says in its log what it would do. Nothing is written: a greylist is only looked at, and who only looks at messages is
not asked at all.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from filter_api.bases.trusting import TrustingFilter
from filter_api.filter import Filter
from filter_api.net.dns import Resolver
from filter_api.runtime.main import Chain
from filter_api.testing.client import Client
from filter_api.testing.player import Player
from filter_api.text.addresses import is_role_address
from filter_api.text.escape import parse_pairs
from filterctl.__main__ import load
from filterctl.conf.running import build
from filterctl.explaining.asked import Asked, Heard, Verdict
from filterctl.programs.dryrun import handshake

BEFORE_THE_MESSAGE: Final = frozenset({"on_connect", "on_helo", "on_mail_from", "on_rcpt_to", "on_data"})
"""Hooks that a client meets before it sends a message."""

_ACTION: Final = "observe-"
_LINE: Final = re.compile(r"(?P<label>[^ ]+): (?:[0-9a-f]{16} )?(?P<what>[^ ]+) ?(?P<pairs>.*)")


def play(words: Sequence[str], asked: Asked) -> list[Heard]:
    """What each filter of a command says. Raises UsageError, ConfigError and VersionWanted."""
    made = build(words)
    members = dict(made.members) if isinstance(made, Chain) else {made.name.removeprefix("filter-"): made}
    playing = {label: each for label, each in members.items() if BEFORE_THE_MESSAGE & set(each.wanted().hooks)}
    begin = [_prepared(each, asked) for each in playing.values()]
    lines = _log_of(playing, asked, begin) if playing else []
    return [
        _heard(label, each, lines, asked) if label in playing else Heard(label, [], [], "", each.options.observe, True)
        for label, each in members.items()
    ]


def _prepared(each: Filter, asked: Asked) -> Callable[[], None]:
    """Have a filter write nothing, and ask whom we ask; what is given back is called when it has started."""
    each.options.verbose = True
    if asked.server and isinstance(each, TrustingFilter):
        each.ask_by(Resolver([asked.server]))
    if each.name == "filter-greylist":
        return cast(Callable[[Filter], Callable[[], None]], load("filter_greylist.ctl", "only_look"))(each)
    return lambda: None


def _log_of(members: Mapping[str, Filter], asked: Asked, begin: Sequence[Callable[[], None]]) -> list[str]:
    """The lines that the filters log while the client comes, up to DATA."""
    player = Player(
        members,
        wall=time.time(),
        loop=asyncio.new_event_loop(),
        handshake=handshake(["smtp-in"]).splitlines(),
        observe=True,
    )
    try:
        for started in begin:
            started()
        client = player.connect(
            asked.address,
            rdns=asked.rdns or None,
            fcrdns=asked.fcrdns,
            destination=asked.destination,
            hostname=asked.hostname,
        )
        _talk(client, asked)
        return list(player.log)
    finally:
        player.close(check=False)


def _talk(client: Client, asked: Asked) -> None:
    client.helo(asked.helo)
    client.mail_from(asked.sender)
    client.rcpt_to(asked.recipient)
    client.data()


def _heard(label: str, each: Filter, lines: Sequence[str], asked: Asked) -> Heard:
    """What one filter said, of all the lines: its decisions, and what else it found."""
    verdicts, notes = [], []
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None or found["label"] != label:
            continue
        values = parse_pairs(found["pairs"])
        action = values.get("action", "")
        if action.startswith(_ACTION):
            word = action.removeprefix(_ACTION)
            verdicts.append(Verdict(found["what"], word, values.get("reply", ""), _reason(values)))
        else:
            notes.append(f"{found['what']} {found['pairs']}")
    return Heard(label, verdicts, notes, _left_alone(each, asked), each.options.observe, False)


def _reason(values: Mapping[str, str]) -> str:
    return ", ".join(values[key] for key in ("reason", "lists", "score", "points", "why") if values.get(key))


def _left_alone(each: Filter, asked: Asked) -> str:
    """Why this filter does not look at the client, in its own judgement; empty where it does."""
    session = asked.session()
    if each.ours(session):
        return "one of ours (-N)"
    if each.exempt(session, asked.recipient if "on_rcpt_to" in each.wanted().hooks else None):
        return "exempt (-W)"
    if isinstance(each, TrustingFilter) and each.exempt_if_vouched(asked.sender):
        return "its sender is exempt (-W), if SPF vouches for it"
    return "a role address" if is_role_address(asked.recipient) and "on_rcpt_to" in each.wanted().hooks else ""
