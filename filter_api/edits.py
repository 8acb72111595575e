"""The edits of a message's header, as values validated when they are built.

Building an impossible one raises ValueError, or TypeError for a value of another type: nothing that could break out of
its field exists at all.
"""

from __future__ import annotations

from typing import TypeAlias, Union


def check_type(what: str, value: object, *types: type) -> None:
    """Raise TypeError unless the value has one of the types. A bool is no number here, though Python counts with it."""
    if not isinstance(value, types) or isinstance(value, bool):
        wanted = " or ".join(kind.__name__ for kind in types)
        raise TypeError(f"{what} is {wanted}, not {type(value).__name__}")


def is_printable(text: str) -> bool:
    """Whether there is text, and all of it is printable ASCII on one line."""
    return text != "" and text.isascii() and text.isprintable()


def _header_lines(value: str | bytes) -> tuple[bytes, ...]:
    """Split a header value at its folds; every line after the first starts with a blank (RFC 5322, 2.2.3)."""
    check_type("a header value", value, str, bytes)
    raw = value.encode("ascii", "strict") if isinstance(value, str) else value
    text = raw.replace(b"\r\n", b"\n")
    lines = text.split(b"\n")
    if len(lines) > 1:
        folds = text.count(b"\n ") + text.count(b"\n\t")
        if folds != len(lines) - 1 or not all(map(bytes.strip, lines[1:])):
            raise ValueError("a folded header line must start with a blank and hold text")
    if b"\r" in text or b"\0" in text:
        raise ValueError("a header value may not hold CR or NUL")
    return tuple(lines)


def _header_name(name: str) -> str:
    check_type("a header name", name, str)
    if not is_printable(name) or " " in name or ":" in name:
        raise ValueError(f"not a header name (RFC 5322, 2.2): {name!r}")
    return name


class AddHeader:
    """Add a header field, on top of the header or at its bottom.

    value: str (ASCII) or bytes; folds are ``\\r\\n`` or ``\\n`` followed by a blank. Raises ValueError on anything that
    would break out of the field.
    """

    __slots__ = ("lines", "name", "where")

    def __init__(self, name: str, value: str | bytes, where: str = "top") -> None:
        if where not in ("top", "bottom"):
            raise ValueError(f"where is 'top' or 'bottom', not {where!r}")
        first, *rest = _header_lines(value)
        self.name = _header_name(name)
        self.where = where
        self.lines: tuple[bytes, ...] = (name.encode("ascii") + b": " + first, *rest)

    def __repr__(self) -> str:
        return f"AddHeader({self.lines!r}, where={self.where!r})"


class RemoveHeader:
    """Remove every header field of that name, in any case; a trailing ``*`` matches a prefix: ``X-Spam-*``.

    occurrence: remove only this one (0 = first from the top) of those that the edits before it left; it needs a whole
    name. Where there is no such occurrence nothing happens.
    """

    __slots__ = ("name", "occurrence")

    def __init__(self, name: str, occurrence: int | None = None) -> None:
        self.name = _header_name(name)
        if occurrence is not None:
            check_type("an occurrence", occurrence, int)
            if occurrence < 0 or name.endswith("*"):
                raise ValueError("occurrences of a whole header name are counted from 0 at the top")
        self.occurrence = occurrence

    def __repr__(self) -> str:
        return f"RemoveHeader({self.name!r}{'' if self.occurrence is None else f', {self.occurrence}'})"


class ReplaceHeader:
    """Replace the value of one occurrence (0 = first from the top) of a header field, in its place.

    The field name keeps the bytes it had. Where there is no such occurrence nothing happens. A value that starts with a
    blank or a fold is taken as it stands; otherwise one blank is put after the colon.
    """

    __slots__ = ("lines", "name", "occurrence")

    def __init__(self, name: str, value: str | bytes, occurrence: int = 0) -> None:
        check_type("an occurrence", occurrence, int)
        if occurrence < 0:
            raise ValueError("occurrences are counted from 0 at the top")
        first, *rest = _header_lines(value)
        self.name = _header_name(name)
        self.occurrence = occurrence
        self.lines: tuple[bytes, ...] = (first if first[:1] in {b" ", b"\t", b""} else b" " + first, *rest)

    def __repr__(self) -> str:
        return f"ReplaceHeader({self.name!r}, {self.lines!r}, {self.occurrence})"


Edit: TypeAlias = Union[AddHeader, RemoveHeader, ReplaceHeader]  # noqa: UP007 - shown in help() as one name
