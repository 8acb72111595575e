"""Entries as table(5) has them, in tables by which smtpd itself turns somebody away. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from filter_api.errors import ConfigError
from filter_api.files.networks import networks_of
from filterctl.entries.what import What, key_of


def in_table(what: What) -> list[str]:
    """``@example.org`` for a domain, and ``@*.example.org`` for what is below. Raises ConfigError for a range."""
    if what.kind == "address":
        if "-" in what.text:
            raise ConfigError(f"{what.text}: a table of smtpd's takes networks, such as 192.0.2.0/25, and no ranges")
        return [what.text]
    at = "@" if what.kind == "from" and "@" not in what.name else ""
    if what.name.startswith("."):
        return [f"{at}{what.name[1:]}", f"{at}*{what.name}"]  # a leading dot stands for the domain itself, too
    return [at + what.name]


def says(entry: str, what: What) -> bool:
    """Whether an entry of such a table is this one."""
    return key_of(entry) in map(key_of, [what.text] if what.kind == "address" else in_table(what))


def covers(entry: str, what: What) -> bool:
    """Whether an entry of such a table turns away what another file would let in, or a part of it."""
    if what.kind == "address":
        try:
            mine, theirs = list(networks_of(what.text)), list(networks_of(entry))
        except ValueError:
            return False
        return any(a.version == b.version and a.overlaps(b) for a in mine for b in theirs)
    texts = [text.lower().rstrip(".") for text in in_table(what)]
    if what.kind == "from":
        texts += [f"@{text.rpartition('@')[2]}" for text in texts]
    return any(fnmatchcase(text, entry.lower()) for text in texts)
