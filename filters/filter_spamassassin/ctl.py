"""``filterctl explain sender-score [-s file] address``: which line of a sender score file matches, when it counts."""

from __future__ import annotations

from typing import Final

from filter_api.errors import UsageError
from filter_api.options import options_of
from filter_api.text.escape import printable
from filter_spamassassin.scores import read_scores

DEFAULT_FILE: Final = "/etc/mail/sender-scores"
OPTIONS: Final = "-s file   the file of points (default /etc/mail/sender-scores)\n"


def explain(arguments: list[str]) -> int:
    """Print the matching line; exit status 1 if there is none. Raises UsageError, ConfigError for a bad file."""
    options, rest = options_of(arguments, OPTIONS)
    if len(rest) != 1:
        raise UsageError("one sender's address is wanted")
    path = options.get("-s", DEFAULT_FILE)
    address = rest[0].encode("utf-8", "surrogateescape").removeprefix(b"<").removesuffix(b">")
    found = read_scores(path).find_address(address)
    if found is None:
        print(f"{printable(address)}: no line of {printable(path)} matches")
        return 1
    score = found.value
    print(
        f"{printable(address)}: {score.points:+g} points, by {printable(path)}:{found.number}: {printable(found.entry)}"
    )
    if score.needs_proof:
        print("counts only if SPF passes strongly for the client, or its login is of this domain or of none")
    elif score.points < 0:
        print("counts for whoever writes this sender, as the line says unverified")
    else:
        print("counts always")
    return 0
