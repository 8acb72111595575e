"""What filter-clamav makes of what clamd found: refuse, mark or accept, by the beginning of the signature's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from filter_api.decision import AddHeader, Edit, Reject, RemoveHeader

STATUS = "X-Virus-Status"
SCANNED = "X-Virus-Scanned"

DEFAULT_TEXT = "virus found: %v"

TOO_LARGE = Reject(552, "5.3.4", "message is larger than the virus scanner takes")


class Action(Enum):
    """What to do with a message in which something was found."""

    REJECT = "reject"
    MARK = "mark"
    ACCEPT = "accept"


class Actions:
    """Actions by prefix; the longest prefix of a name decides, without one it is reject."""

    def __init__(self, rules: Mapping[str, Action] | None = None) -> None:
        self._rules = sorted((rules or {}).items(), key=lambda rule: -len(rule[0]))

    def of(self, name: str) -> Action:
        """The action for a signature of that name."""
        return next((action for prefix, action in self._rules if name.startswith(prefix)), Action.REJECT)


@dataclass(frozen=True, slots=True)
class Policy:
    """actions: option -i; text: option -r, in which ``%v`` stands for the name."""

    actions: Actions = field(default_factory=Actions)
    text: str = DEFAULT_TEXT

    def refusal(self, name: str) -> Reject:
        """The reply to a message with a virus of that name."""
        return Reject(554, "5.7.1", self.text.replace("%v", name)[:350])


def forged() -> Edit:
    """No header of the sender may look like one of ours."""
    return RemoveHeader("X-Virus-*")


def unscanned(why: str) -> tuple[Edit, ...]:
    """The message goes on without a scan, and says so."""
    return (forged(), AddHeader(STATUS, f"Unknown, not scanned ({why})"))


def scanned(status: str, version: str | None, host: str) -> tuple[Edit, ...]:
    """The message goes on after a scan. version: None without option -h, then only what was found is told."""
    edits: list[Edit] = [forged()]
    if version is not None:
        edits.append(AddHeader(SCANNED, f"{version or 'ClamAV'} on {host}"))
    if version is not None or not status.startswith("Clean"):
        edits.append(AddHeader(STATUS, status))
    return tuple(edits)
