"""Messages in the quarantine: some directories as one, and what is known of a message, as text or bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from typing import Final

from filter_api.errors import reason
from filter_api.quarantine.directory import NoSuchMessage, QuarantineDirectory, as_bytes
from filter_api.text.escape import printable
from filterctl.mail.mailtext import decoded
from filterctl.mail.search import Condition

DEFAULT_DIRECTORY: Final = "/var/spool/quarantine"

Facts = Mapping[str, object]


class Quarantine:
    """Some quarantine directories as one, opened when they are first looked at and closed by `close`."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._opened = ExitStack()
        self.unread: list[str] = []
        """What could not be read, and why; filled by `found`."""

    @cached_property
    def directories(self) -> list[QuarantineDirectory]:
        """All of them. Raises ConfigError."""
        paths = self._paths or inside(DEFAULT_DIRECTORY)
        return [self._opened.enter_context(closing(QuarantineDirectory(path))) for path in paths]

    def close(self) -> None:
        """Give the descriptors back."""
        self._opened.close()

    def messages(self) -> list[tuple[str, QuarantineDirectory]]:
        """Every id and where it is, oldest first."""
        found = [(name, directory) for directory in self.directories for name in directory.ids()]
        return sorted(found, key=lambda message: message[0])

    def found(self, conditions: Sequence[Condition] = ()) -> Iterator[tuple[str, Facts]]:
        """Ids and facts of the messages that meet all conditions, oldest first."""
        for name, directory in self.messages():
            try:
                facts = directory.facts(name)
            except NoSuchMessage:
                continue  # deleted by somebody else meanwhile
            except OSError as error:  # a link, a bad block: the others are shown all the same
                self.unread.append(f"{name}: {reason(error)}")
                continue
            if all(test(searched(name, facts)) for test in conditions):
                yield name, facts

    def holder(self, name: str) -> QuarantineDirectory:
        """Where a message is. Raises NoSuchMessage."""
        for directory in self.directories:
            if directory.has(name):
                return directory
        raise NoSuchMessage(printable(name))


def inside(path: str) -> list[str]:
    """The directories in a directory, or itself if there are none."""
    try:
        found = sorted(entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False))
    except OSError:
        found = []
    return found or [path]


def searched(name: str, facts: Facts) -> dict[str, str]:
    """What -m looks at, by its keys."""
    plain = {key: str(facts.get(key, "")) for key in ("client", "result", "virus", "score", "size")}
    return {
        **plain,
        "id": name,
        "filter": str(facts.get("program", "")),
        "from": printable(sender_of(facts)),
        "to": ",".join(f"<{printable(address)}>" for address in recipients_of(facts)),
        "subject": decoded(text_of(facts, "subject"), 1000),
        "released": "yes" if "released" in facts else "no",
    }


def why_of(facts: Facts) -> str:
    """Why it was refused: the virus, or the score of spam."""
    why = facts.get("virus") or (f"spam {facts['score']}" if "score" in facts else facts.get("result") or "-")
    return printable(str(why), 30)


def sender_of(facts: Facts) -> bytes:
    """The sender in angle brackets, a hyphen if it is not known."""
    return b"-" if facts.get("from") is None else b"<" + text_of(facts, "from") + b">"


def is_complete(facts: Facts) -> bool:
    """Whether the envelope is not known to have gaps."""
    return facts.get("complete") is not False


def text_of(facts: Facts, key: str) -> bytes:
    """A value that came over the wire; empty where the facts are damaged."""
    try:
        return as_bytes(facts.get(key))
    except ValueError:
        return b""


def recipients_of(facts: Facts) -> list[bytes]:
    """The recipients that are known by name."""
    to = facts.get("to")
    found = []
    for value in to if isinstance(to, list) else []:
        try:
            found.append(as_bytes(value))
        except ValueError:
            continue
    return found
