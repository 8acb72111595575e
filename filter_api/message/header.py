"""The header of a message: fields as raw bytes, nothing decoded, nothing dropped.

The stdlib parser ends a header at the first line it does not like; a filter must see what a mail reader might, so every
line up to the first empty one belongs to a field here, even one without a colon (its name is then empty).

A view is the text and an offset for each field: a message that waits for a scanner costs little more than its bytes.
Fields are made when somebody looks at them.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, takewhile
from typing import Final, overload

from filter_api.edits import AddHeader, Edit, RemoveHeader, ReplaceHeader

_NEXT: Final = re.compile(rb"\n(?=[^ \t])")  # a field begins behind it; at the end of the text there is none
_FEW: Final = 8  # names that are looked for in the whole text; with more of them its fields are taken apart


class Field:
    """One header field: its lines, un-stuffed."""

    __slots__ = ("_text",)

    def __init__(self, lines: Iterable[bytes]) -> None:
        """Make a field of its lines, which have no line ends."""
        self._text = b"\n".join(lines)

    @property
    def lines(self) -> list[bytes]:
        """The raw lines, without line ends."""
        return self._text.split(b"\n")

    @property
    def name(self) -> bytes:
        """The name as written, without the colon, which some readers find behind a fold, too; empty without one."""
        return _name(self._text)

    @property
    def key(self) -> bytes:
        """The name in lower case."""
        return _name(self._text).lower()

    @property
    def raw(self) -> bytes:
        """The whole field with CRLF line ends."""
        return self._text.replace(b"\n", b"\r\n") + b"\r\n"

    @property
    def value(self) -> bytes:
        """The value, unfolded (RFC 5322, 2.2.3: the line ends go, the blanks stay) and stripped at both ends."""
        return self._text.partition(b":")[2].replace(b"\n", b"").strip(b" \t")

    def is_named(self, name: bytes) -> bool:
        """Whether this field has that (lower-case) name."""
        return self.key == name

    def __repr__(self) -> str:
        return f"Field({self.lines!r})"


def _name(text: bytes) -> bytes:
    """The name of a field, given its lines with LF between them."""
    colon = text.find(b":")
    return b"" if colon < 0 else text[:colon].replace(b"\n", b"").rstrip(b" \t")


class Fields(Sequence[Field]):
    """The fields of a header, in order; each is made anew whenever it is asked for."""

    __slots__ = ("_known_starts", "_text")

    def __init__(self, text: bytes) -> None:
        """text: the lines of a header, a LF behind each, none of them empty."""
        self._text = text
        self._known_starts: array[int] | None = None

    @property
    def _starts(self) -> array[int]:
        if self._known_starts is None:
            self._known_starts = array("I", [0] if self._text else [])
            self._known_starts.extend([found.end() for found in _NEXT.finditer(self._text)])
        return self._known_starts

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> Field: ...
    @overload
    def __getitem__(self, index: slice) -> list[Field]: ...
    def __getitem__(self, index: int | slice) -> Field | list[Field]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        starts = self._starts
        start = starts[index]
        after = index + 1 if index >= 0 else index + len(starts) + 1
        return _field(self._text[start : starts[after] - 1 if after < len(starts) else -1])

    def __iter__(self) -> Iterator[Field]:
        return map(_field, self.texts())

    def texts(self) -> list[bytes]:
        """The lines of each field, with LF between them."""
        text, starts = self._text, self._starts
        return [text[start : end - 1] for start, end in pairwise([*starts, len(text)])]

    def whole(self) -> list[bytes]:
        """All lines as one text, with LF between them; nothing if there is no line."""
        return [self._text[:-1]] if self._text else []

    def named(self, name: bytes) -> Iterator[Field]:
        """The fields of a (lower-case) name; no others are made."""
        if not _is_word(name):
            yield from (field for field in self if field.key == name)
            return
        text = self._text
        lower = b"\n" + text.lower()
        wanted = b"\n" + name
        start = lower.find(wanted)
        while start >= 0:
            next_field = _NEXT.search(text, start)
            field = _field(text[start : -1 if next_field is None else next_field.start()])
            if field.key == name:
                yield field
            start = -1 if next_field is None else lower.find(wanted, next_field.start() + 1)

    def have(self, beginnings: Iterable[bytes]) -> bool:
        """Whether a field may have a (lower-case) name with one of these beginnings: False is certain."""
        lower = b"\n" + self._text.lower()
        return any(not _is_word(beginning) or b"\n" + beginning in lower for beginning in beginnings)

    def __repr__(self) -> str:
        return f"Fields({list(self)!r})"


def _field(text: bytes) -> Field:
    field = Field.__new__(Field)
    field._text = text
    return field


def _is_word(name: bytes) -> bool:
    """Whether a field of that name begins with these very bytes: what holds a blank may be written with a fold."""
    return name != b"" and b" " not in name and b"\t" not in name


class HeaderView:
    """The header fields of a message, in order."""

    __slots__ = ("__weakref__", "fields", "size")

    def __init__(self, text: bytes) -> None:
        """text: the lines of a header, un-stuffed, a LF behind each, none of them empty."""
        self.fields = Fields(text)
        #: Bytes with CRLF line ends.
        self.size = len(text) + text.count(b"\n")

    def all(self, name: str) -> list[bytes]:
        """The unfolded values of every field of that name (any case), from the top."""
        return [field.value for field in self.fields.named(name.lower().encode("ascii"))]

    def get(self, name: str) -> bytes | None:
        """The unfolded value of the first field of that name, or None."""
        for field in self.fields.named(name.lower().encode("ascii")):
            return field.value
        return None

    def removals(self, name: str, where: Callable[[bytes], bool]) -> list[RemoveHeader]:
        """Edits that remove the fields of that name (any case) for whose unfolded value `where` is true, and no others.

        They count from the bottom up, so that each leaves the places of those above as they are: give all of them, in
        this order, and before any other edit of that name. `where` is called here, once for each value from the top;
        what it raises is raised.
        """
        found = [occurrence for occurrence, value in enumerate(self.all(name)) if where(value)]
        return [RemoveHeader(name, occurrence) for occurrence in reversed(found)]


def unstuff(line: bytes) -> bytes:
    """Take away the dot that SMTP put before a leading dot (RFC 5321, 4.5.2)."""
    return line[1:] if line.startswith(b".") else line


def stuff(line: bytes) -> bytes:
    """Put a dot before a leading dot."""
    return b"." + line if line.startswith(b".") else line


def parse_header(lines: Iterable[bytes]) -> HeaderView:
    """A view of un-stuffed lines, up to the first empty one."""
    text = b"\n".join(takewhile(bool, lines))
    return HeaderView(text + b"\n" if text else b"")


def edit_header(header: HeaderView, edits: Sequence[Edit]) -> list[bytes]:
    """The lines of the header after the edits, un-stuffed; edits apply in order, to what the client and smtpd sent.

    Lines that stay together are given as one, with LF between them. Fields added are not subject to the removals of the
    same verdict: strip what is forged and add your own. The header is gone through once, whatever number of edits there
    is.
    """
    top = [line for edit in edits if isinstance(edit, AddHeader) and edit.where == "top" for line in edit.lines]
    bottom = [line for edit in edits if isinstance(edit, AddHeader) and edit.where != "top" for line in edit.lines]
    others = [(edit.name.lower().encode("ascii"), edit) for edit in edits if not isinstance(edit, AddHeader)]
    names = {name for name, _ in others}
    if len(names) <= _FEW and not header.fields.have(name.removesuffix(b"*") for name in names):
        return [*top, *header.fields.whole(), *bottom]  # as most mail has none of what is removed
    kept = _Kept(header.fields.texts())
    for name, edit in others:
        if isinstance(edit, RemoveHeader):
            kept.remove(name, edit.occurrence)
        else:
            kept.replace(name, edit)
    return [*top, *(text for text in kept.texts if text is not None), *bottom]


class _Kept:
    """The fields that are left, and where those of each name are. `texts` has the lines of each, None for one gone."""

    def __init__(self, texts: list[bytes]) -> None:
        self.texts: list[bytes | None] = [*texts]
        self._places: dict[bytes, list[int]] = {}
        for place, text in enumerate(texts):
            self._places.setdefault(_name(text).lower(), []).append(place)

    def remove(self, wanted: bytes, occurrence: int | None) -> None:
        """Take away the fields of a name, or one of them, or with ``*`` at the end of every name that begins so."""
        if occurrence is not None:
            places = self._places.get(wanted, [])
            if occurrence < len(places):
                self.texts[places.pop(occurrence)] = None
            return
        names = [wanted]
        if wanted.endswith(b"*"):
            names = [name for name in self._places if name != b"" and name.startswith(wanted[:-1])]
        for name in names:
            for place in self._places.pop(name, ()):
                self.texts[place] = None

    def replace(self, wanted: bytes, edit: ReplaceHeader) -> None:
        """Give one of the fields of a name another value; the name keeps the bytes it had."""
        places = self._places.get(wanted, [])
        if edit.occurrence < len(places):
            place = places[edit.occurrence]
            first, *rest = edit.lines
            head = (self.texts[place] or b"").partition(b"\n")[0].partition(b":")[0]
            self.texts[place] = b"\n".join([head + b":" + first, *rest])
