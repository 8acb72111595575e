"""The header of a message: fields as raw bytes, nothing decoded, nothing dropped.

The stdlib parser ends a header at the first line it does not like; a filter must see what a mail reader might, so every
line up to the first empty one belongs to a field here, even one without a colon (its name is then empty).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from filter_api.decision import AddHeader, Edit, RemoveHeader, ReplaceHeader

_BLANK = b" \t"


class Field:
    """One header field.

    name: as written, without the colon, which some readers find behind a fold, too; key: the same in lower case; lines:
    raw lines, un-stuffed, without line ends.
    """

    __slots__ = ("key", "lines", "name")

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        name, colon, _ = lines[0].partition(b":")
        if not colon and len(lines) > 1:
            name, colon, _ = b"".join(lines).partition(b":")
        self.name = name.rstrip(b" \t") if colon else b""
        self.key = self.name.lower()

    @property
    def raw(self) -> bytes:
        """The whole field with CRLF line ends."""
        return b"\r\n".join(self.lines) + b"\r\n"

    @property
    def value(self) -> bytes:
        """The value, unfolded (RFC 5322, 2.2.3: the line ends go, the blanks stay) and stripped at both ends."""
        return b"".join(self.lines).partition(b":")[2].strip(b" \t")

    def is_named(self, name: bytes) -> bool:
        """Whether this field has that (lower-case) name."""
        return self.key == name

    def __repr__(self) -> str:
        return f"Field({self.lines!r})"


class HeaderView:
    """The header fields of a message, in order."""

    __slots__ = ("fields",)

    def __init__(self, fields: list[Field]) -> None:
        self.fields = fields

    def all(self, name: str) -> list[bytes]:
        """The unfolded values of every field of that name (any case), from the top."""
        wanted = name.lower().encode("ascii")
        return [field.value for field in self.fields if field.key == wanted]

    def get(self, name: str) -> bytes | None:
        """The unfolded value of the first field of that name, or None."""
        wanted = name.lower().encode("ascii")
        for field in self.fields:
            if field.key == wanted:
                return field.value
        return None


def unstuff(line: bytes) -> bytes:
    """Take away the dot that SMTP put before a leading dot (RFC 5321, 4.5.2)."""
    return line[1:] if line.startswith(b".") else line


def stuff(line: bytes) -> bytes:
    """Put a dot before a leading dot."""
    return b"." + line if line.startswith(b".") else line


def parse_header(lines: Iterable[bytes]) -> HeaderView:
    """Fields from un-stuffed lines, up to the first empty one."""
    fields: list[list[bytes]] = []
    for line in lines:
        if not line:
            break
        if line[0] in _BLANK and fields:
            fields[-1].append(line)
        else:
            fields.append([line])
    return HeaderView([Field(lines) for lines in fields])


def edit_header(header: HeaderView, edits: Sequence[Edit]) -> list[bytes]:
    """The lines of the header after the edits, un-stuffed; edits apply in order, to what the client and smtpd sent.

    Fields added are not subject to the removals of the same verdict: strip what is forged and add your own. The header
    is gone through once, whatever number of edits there is.
    """
    top: list[bytes] = []
    bottom: list[bytes] = []
    kept = _Kept(header.fields)
    for edit in edits:
        if isinstance(edit, AddHeader):
            (top if edit.where == "top" else bottom).extend(edit.lines)
        elif isinstance(edit, RemoveHeader):
            kept.remove(edit.name.lower().encode("ascii"), edit.occurrence)
        else:
            kept.replace(edit.name.lower().encode("ascii"), edit)
    return [*top, *(line for lines in kept.lines for line in lines), *bottom]


class _Kept:
    """The fields that are left, and where those of each name are. `lines` has those of each field, () for one gone."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.lines: list[Sequence[bytes]] = [field.lines for field in fields]
        self._places: dict[bytes, list[int]] = {}
        for place, field in enumerate(fields):
            self._places.setdefault(field.key, []).append(place)

    def remove(self, wanted: bytes, occurrence: int | None) -> None:
        """Take away the fields of a name, or one of them, or with ``*`` at the end of every name that begins so."""
        if occurrence is not None:
            places = self._places.get(wanted, [])
            if occurrence < len(places):
                self.lines[places.pop(occurrence)] = ()
            return
        names = [wanted]
        if wanted.endswith(b"*"):
            names = [name for name in self._places if name != b"" and name.startswith(wanted[:-1])]
        for name in names:
            for place in self._places.pop(name, ()):
                self.lines[place] = ()

    def replace(self, wanted: bytes, edit: ReplaceHeader) -> None:
        """Give one of the fields of a name another value; the name keeps the bytes it had."""
        places = self._places.get(wanted, [])
        if edit.occurrence < len(places):
            place = places[edit.occurrence]
            head = self.lines[place][0].partition(b":")[0] + b":"
            first, *rest = edit.lines
            self.lines[place] = (head + first, *rest)
