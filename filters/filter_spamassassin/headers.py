"""The X-Spam header fields of a message that goes on, and the tag of its Subject.

The five fields SpamAssassin's users filter by are always written here. Others of spamd's own configuration are taken
over with option -k: by name, printable, bounded; what a daemon says may become a header field, never a new line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from filter_api.bounds import MAX_TAKEN_LINES
from filter_api.decision import AddHeader, Edit, RemoveHeader, ReplaceHeader
from filter_api.message.header import Field, HeaderView
from filter_api.version import VERSION
from filter_spamassassin.policy import Judgement, number

STATUS: Final = "X-Spam-Status"
_OURS: Final = frozenset(
    {b"x-spam-status", b"x-spam-score", b"x-spam-level", b"x-spam-checker-version", b"x-spam-flag"}
)

_PREVIOUS: Final = b"x-spam-prev-"
_NAME: Final = re.compile(rb"X-Spam-[A-Za-z0-9-]{1,60}", re.IGNORECASE)
_LINE: Final = re.compile(rb"[\t -~]*[!-~][\t -~]*")
_WIDTH: Final = 76
_LINE_LIMIT: Final = 998
_MOST_STARS: Final = 50
_TAG_LIMIT: Final = 100


def forged() -> Edit:
    """No header of the sender may look like one of ours."""
    return RemoveHeader("X-Spam-*")


def unchecked(why: str) -> tuple[Edit, ...]:
    """The message goes on without a check, and says so."""
    return (forged(), AddHeader(STATUS, f"Unknown, not checked ({why})"))


def checked(judgement: Judgement, host: str) -> list[Edit]:
    """What was found, for filters of users and for `maildir junk`, which wants exactly ``X-Spam-Flag: YES``."""
    edits: list[Edit] = [forged()]
    if judgement.spam:
        edits.append(AddHeader("X-Spam-Flag", "YES"))
    stars = "*" * max(0, min(int(judgement.score), _MOST_STARS))
    return [
        *edits,
        AddHeader(STATUS, _status(judgement)),
        AddHeader("X-Spam-Score", number(judgement.score)),
        AddHeader("X-Spam-Level", stars),
        AddHeader("X-Spam-Checker-Version", f"SpamAssassin by filter-spamassassin {VERSION} on {host}"),
    ]


def _status(judgement: Judgement) -> str:
    """``Yes, score=15.9 required=5.0 tests=A,B,C``, folded between tests."""
    word = "Yes" if judgement.spam else "No"
    line = f"{word}, score={number(judgement.score)} required={number(judgement.required)} tests="
    lines: list[str] = []
    room = _WIDTH - len(STATUS)
    tests = [f"{name}," for name in judgement.tests] or ["none,"]
    tests[-1] = tests[-1].removesuffix(",")
    for name in tests:
        if len(line) + len(name) > room:
            lines.append(line)
            line, room = "\t", _WIDTH
        line += name
    return "\n".join([*lines, line])


def taken_over(fields: Iterable[Field], header: HeaderView) -> Iterator[Edit]:
    """Option -k: what else spamd's configuration adds to this header, of the name X-Spam-…

    spamd keeps the sender's X-Spam-Prev-…, so those are never taken over.
    """
    left = MAX_TAKEN_LINES
    others = _OURS.union(field.key for field in header.fields if field.key.startswith(_PREVIOUS))
    for field in fields:
        if not _NAME.fullmatch(field.name) or field.key in others:
            continue
        lines = field.lines
        left -= len(lines)
        if left < 0:
            return
        value = b"\n".join([lines[0].partition(b":")[2].lstrip(b" \t"), *lines[1:]])
        if _is_safe(*value.split(b"\n")):
            yield AddHeader(field.name.decode("ascii"), value)


def _is_safe(first: bytes, *folds: bytes) -> bool:
    """Printable and short; only the first line may be empty, as spamd has it in its report."""
    lines = folds if not first else (first, *folds)
    return all(_LINE.fullmatch(line) and len(line) <= _LINE_LIMIT for line in lines)


def tag_subject(header: HeaderView, tag: str) -> list[Edit]:
    """Option -j: the tag in front of every Subject, as no mail reader says which of two it shows."""
    subjects = [field for field in header.fields if field.is_named(b"subject")]
    if not subjects:
        return [AddHeader("Subject", tag, where="bottom")]
    return [
        ReplaceHeader("Subject", b" " + tag.encode("ascii") + _value(field), occurrence)
        for occurrence, field in enumerate(subjects)
    ]


def _value(field: Field) -> bytes:
    """What stands behind the colon, folds and all, with one blank in front.

    CR and NUL may not stand in a field that is written anew: whoever sends them must not get past the check by that.
    """
    first, *rest = (line.replace(b"\r", b" ").replace(b"\0", b" ") for line in field.lines)
    raw = b"\n".join([first.partition(b":")[2], *(line for line in rest if line.strip())])
    return raw if raw[:1] in {b" ", b"\t", b"\n"} else b" " + raw


def spamds_subject(header: HeaderView, fields: Iterable[Field]) -> list[Edit]:
    """Option -k: the Subject as spamd's rewrite_header has it, if it is the old one with a tag in front."""
    theirs = next((field.value for field in fields if field.is_named(b"subject")), None)
    if theirs is None:
        return []
    ours = header.get("Subject") or b""
    tag = theirs.removesuffix(ours).strip() if ours else theirs.strip()
    if tag == theirs.strip() and ours:
        return []  # another one altogether, or the very same
    if not tag or len(tag) > _TAG_LIMIT or not _LINE.fullmatch(tag):
        return []
    return tag_subject(header, tag.decode("ascii"))
