"""What filter-dnsbl makes of what lists say: a tally in, an action or a decision out. Nothing here asks anybody."""

from __future__ import annotations

import enum
import re
from typing import Final

from filter_api.bounds import MAX_LIST_TEXT
from filter_api.net.dnsbl import Tally, Zone
from filter_api.text.addresses import Address
from filter_api.text.escape import one_line, printable
from filter_dnsbl.options import Thresholds

IN_DOUBT: Final = "a list that may welcome you does not answer, try again later"

_LONGEST: Final = 480  # characters of a reply's text, with the codes below the 500 of a reply


class Action(enum.IntEnum):
    """What points are good for, the strongest last."""

    PASS = 0
    GREY = 1
    MARK = 2
    REFUSE = 3


def level(points: int, thresholds: Thresholds) -> Action:
    """What the thresholds of -s make of so many points."""
    reached = Action.PASS
    for least, action in zip(
        (thresholds.grey, thresholds.mark, thresholds.refuse),
        (Action.GREY, Action.MARK, Action.REFUSE),
        strict=True,
    ):
        if least is not None and points >= least:
            reached = action
    return reached


def is_settled(tally: Tally, thresholds: Thresholds) -> bool:
    """Whether nothing that may still be said changes the outcome."""
    return level(tally.low, thresholds) is level(tally.high, thresholds)


def is_doubtful(tally: Tally, thresholds: Thresholds) -> bool:
    """Whether a client would be refused that a welcome list, which does not answer, might have saved."""
    return level(tally.points, thresholds) is Action.REFUSE is not level(tally.low, thresholds)


def facts_of(tally: Tally, action: Action) -> dict[str, object]:
    """For the log: the points, and the lists with their answers and weights."""
    facts: dict[str, object] = {"reason": "dnsbl", "points": tally.points, "lists": ",".join(map(str, tally.hits))}
    return facts | {"grey": True} if action >= Action.GREY else facts


def listing(tally: Tally) -> list[str]:
    """The public names of the lists that speak against the client."""
    return list(dict.fromkeys(hit.entry.zone.shown for hit in tally.hits if hit.entry.weight > 0))


def reply_text(template: str, address: Address | None, tally: Tally, said: str = "") -> str:
    """The text of a refusal (-r): %A the address, %L the lists, %T what the list itself says. One line, bounded."""
    lists = ", ".join(listing(tally))
    values = {"%A": "your host" if address is None else str(address), "%L": lists, "%T": said or lists, "%%": "%"}
    return one_line(re.sub("%[ALT%]", lambda found: values[found[0]], template), _LONGEST)


def list_text(zone: Zone, text: bytes) -> str:
    """What a list says of a client, as it may be shown: one line without the key."""
    if zone.key:
        text = re.sub(re.escape(zone.key.encode()), b"KEY", text, flags=re.IGNORECASE)
    return printable(text, MAX_LIST_TEXT)
