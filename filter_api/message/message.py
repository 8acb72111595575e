"""A whole message, held until its verdict.

`Message` is what `on_message` gets: its size, its text for scanners, a view of its header. The runtime fills it with
the lines smtpd sends and takes them out again, edited, when the verdict is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final
from weakref import ref

from filter_api.bounds import MAX_FIELDS, MAX_HEADER, MAX_HEADER_LINES, MAX_PAYLOAD
from filter_api.decision import AddHeader, Edit
from filter_api.message.edited import EditedLines, Lines, without
from filter_api.message.header import HeaderView, edit_header, stuff, unstuff
from filter_api.message.spool import HeldLines, Spool

_KEPT: Final = 16_384
"""Bytes of a header whose view is kept; the view of a larger one is made anew when nobody has it any more."""


class HeaderTooLong(Exception):
    """The header of a message does not end within 256 KiB, or an edited line is too long, so it cannot be edited."""


class TooManyFields(HeaderTooLong):
    """The header has more fields or lines than are looked at."""


class Message:
    """The message of one transaction, complete, as the filter sees it: smtpd's own Received field is on top.

    The lines came dot-stuffed without line ends; `text` gives them as the recipient will get them.
    """

    __slots__ = ("_header", "_large", "_lines", "_size", "_spool", "append", "deadline", "queued_at")

    def __init__(self, spool: Spool | None = None) -> None:
        self._spool = spool if spool is not None else Spool()
        lines = HeldLines(self._spool)
        self._lines: Lines = lines
        self._header: HeaderView | None = None
        self._large: ref[HeaderView] | None = None
        self._size: int | None = None
        #: The runtime's side: hold lines, joined by LF, still dot-stuffed. Raises SpoolError.
        self.append: Callable[[bytes], None] = lines.append
        #: When `on_message` was called, and when its verdict must be there: the event loop's clock. Of the filter asked
        #: last: one that may look at a message beside others (`Filter.beside`) reads them before it waits.
        self.queued_at = 0.0
        self.deadline = float("inf")

    @property
    def size(self) -> int:
        """Bytes of the text: un-stuffed, with CRLF line ends. Counted at the first use."""
        if self._size is None:
            self._size = sum(map(_text_size, self._lines.blocks()))
        return self._size

    @property
    def wire_size(self) -> int:
        """Bytes held, dot-stuffed, with one byte a line end: known without reading the message."""
        return self._lines.size

    def text(self) -> Iterator[bytes]:
        """Give the message un-stuffed with CRLF line ends, in blocks of about 64 KiB, from the start on each call.

        A block ends at the end of a line. Raises SpoolError when the spool cannot be read.
        """
        for block in self._lines.blocks():
            yield _as_text(block)

    @property
    def bare_cr(self) -> bool:
        """Whether a CR stands anywhere but in a line end: relays and readers differ on what that is."""
        return any(0x0D in block for block in self._lines.blocks())

    @property
    def header(self) -> HeaderView:
        """The header fields; of a header over 256 KiB only those that end before.

        Raises TooManyFields; a filter lets it pass, and the message is refused. A filter that waits long may let the
        view go and ask for it again: a message that waits holds nothing of a large one.
        """
        header = self._header if self._large is None else self._large()
        if header is None:
            text, _ = self._head()
            if b"\n." in text or text.startswith(b"."):
                text = unstuff(text).replace(b"\n.", b"\n")
            count = text.count(b"\n")
            if count > MAX_HEADER_LINES or (
                count > MAX_FIELDS and count - text.count(b"\n ") - text.count(b"\n\t") > MAX_FIELDS
            ):
                raise TooManyFields
            header = HeaderView(text)
            if header.size > _KEPT:
                self._large = ref(header)
            else:
                self._header = header
        return header

    def _head(self) -> tuple[bytes, bool]:
        """The wire lines of the header without its empty line, and whether it ends there. Not kept: it may be large."""
        head = b""
        for block in self._lines.blocks():
            if not head and block.startswith(b"\n"):
                return b"", True
            seen = len(head)
            head = head + block if head else block
            end = head.find(b"\n\n", max(0, seen - 1), MAX_HEADER + 2)
            if end >= 0:
                return head[: end + 1], True
            if len(head) > MAX_HEADER:
                return head[: head.rfind(b"\n", 0, MAX_HEADER) + 1], False
        return head, True

    # --- the runtime's side -------------------------------------------------------------------------------------

    def wire(self, edits: Sequence[Edit] = (), longest: int = MAX_PAYLOAD) -> Iterator[bytes]:
        """Give the lines for smtpd, in blocks that end with LF, with the edits applied.

        longest: bytes a line may have on its way to smtpd. Raises HeaderTooLong, before anything is given, when there
        are edits and the header has no end or a line of it grew too long.
        """
        return self._wire_edited(edits, longest) if edits else self._lines.blocks()

    def _wire_edited(self, edits: Sequence[Edit], longest: int) -> Iterator[bytes]:
        if self._lines.size <= MAX_HEADER:  # it has an end, wherever that is
            top = [each.lines for each in edits if isinstance(each, AddHeader) and each.where == "top"]
            if len(top) == len(edits):
                yield _wire_lines(list(chain.from_iterable(top)), longest)
                yield from self._lines.blocks()
                return
        text, skip = self._edited_header(edits, longest)
        if text:
            yield text
        yield from without(self._lines, skip)

    def edited(self, edits: Sequence[Edit], longest: int = MAX_PAYLOAD) -> Message:
        """The message with these edits, as the next filter sees it; it takes the place of this one.

        Its bytes are those that `wire` gives with the edits. Both hold the same lines: close one of them, the newest.
        Nothing may be appended to either. Raises as `wire` does, and SpoolError where the account has no room for a
        second header.
        """
        text, skip = self._edited_header(edits, longest)
        seen = Message(self._spool)
        seen._lines = EditedLines(text, skip, self._lines, self._spool)
        seen.append = _no_more
        seen.queued_at = self.queued_at
        return seen

    def _edited_header(self, edits: Sequence[Edit], longest: int) -> tuple[bytes, int]:
        """The lines of the header for smtpd after the edits, and how many bytes held they stand for."""
        kept, complete = self._head()
        if not complete:
            raise HeaderTooLong
        if any(not isinstance(edit, AddHeader) for edit in edits):
            return _wire_lines(edit_header(self.header, edits), longest), len(kept)
        added = [edit for edit in edits if isinstance(edit, AddHeader)]  # what is there is not taken apart
        top = [line for edit in added if edit.where == "top" for line in edit.lines]
        bottom = [line for edit in added if edit.where != "top" for line in edit.lines]
        return _wire_lines(top, longest) + kept + _wire_lines(bottom, longest), len(kept)

    def close(self) -> None:
        """Free what is held."""
        self._lines.close()


def _no_more(_run: bytes) -> None:
    raise ValueError("a message that was edited has all its lines")


def _wire_lines(lines: Sequence[bytes], longest: int) -> bytes:
    """Header lines as they go to smtpd, each with its LF. Raises HeaderTooLong."""
    if not lines:
        return b""
    text = stuff(b"\n".join([*lines, b""])).replace(b"\n.", b"\n..")
    if len(text) > longest and max(map(len, text.split(b"\n"))) > longest:
        raise HeaderTooLong
    return text


def _text_size(block: bytes) -> int:
    """Bytes of the text of a block, at the same cost whatever its lines are."""
    return len(block) + block.count(b"\n") - block.count(b"\n.") - block.startswith(b".")


def _as_text(block: bytes) -> bytes:
    """Wire lines with LF → un-stuffed text with CRLF."""
    if block.startswith(b"."):
        block = block[1:]
    return block.replace(b"\n.", b"\n").replace(b"\n", b"\r\n")
