"""As much of a DNS message as is worth parsing, found by walking over its bytes (RFC 1035 §4.1). Pure.

    kept, cut = cut_answer(wire)        # kept is parsed; cut: answers were left out

A message of 64 KB can hold 3,000 names of 126 labels each, by compression; parsing them takes dnspython five seconds.
So the work is counted before anything is parsed, in units of about a microsecond, and the message ends where the
bound is reached. What nobody asked for is left in its place, as compressed names may point into it, but its type is
overwritten, so that it is kept as plain bytes. The additional section is left out.

A message that is no DNS message is cut where that is seen; the parser complains of it.
"""

from __future__ import annotations

import struct
from typing import Final

from filter_api.bounds import MAX_ANSWER_WORK, MAX_AUTHORITY

NS, CNAME, SOA, PTR, MX, TXT, AAAA = 2, 5, 6, 12, 15, 16, 28
IN = 1
PRIVATE_USE: Final = (65_280).to_bytes(2, "big")  # RFC 6895 §3.1: no parser knows this type

_HEADER: Final = struct.Struct("!HHHHHH")
_FIXED: Final = struct.Struct("!HHIH")  # type, class, ttl, length of the data
_NAME_AT: Final = {NS: 0, CNAME: 0, PTR: 0, MX: 2, SOA: 0}
_MAX_LABELS: Final = 127  # what fits into the 255 bytes of a name

# What dnspython needs for a part of a message, in microseconds, with a margin.
_RECORD: Final = 20
_OWNER_LABEL: Final = 1
_DATA_LABEL: Final = 14
_STRING: Final = 2
_IPV6: Final = 20  # more than an IPv4 address


class _Malformed(Exception):
    """This is no DNS message."""


def cut_answer(wire: bytes) -> tuple[bytes, bool]:
    """Return the part of the message that is parsed, and whether answers are missing in it."""
    if len(wire) < _HEADER.size:
        return wire, False
    ident, flags, questions, answers, authority, _ = _HEADER.unpack_from(wire)
    if questions != 1:  # an error reply at best (RFC 9619): its code is all that counts
        return _HEADER.pack(ident, flags, 0, 0, 0, 0), bool(answers)
    walk = _Walk(wire)
    try:
        kind = walk.question()
        kept_answers = walk.records(answers, {kind, CNAME}, MAX_ANSWER_WORK)
        kept_authority = 0
        if kept_answers == answers:
            kept_authority = walk.records(min(authority, MAX_AUTHORITY), {SOA}, MAX_ANSWER_WORK)
    except (_Malformed, IndexError, struct.error):
        return bytes(walk.wire[: walk.reached]), False
    _HEADER.pack_into(walk.wire, 0, ident, flags, 1, kept_answers, kept_authority, 0)
    return bytes(walk.wire[: walk.reached]), kept_answers < answers


class _Walk:
    """A walk over one message. `reached` is the end of what was accepted, `work` what parsing that will cost."""

    def __init__(self, wire: bytes) -> None:
        self.wire = bytearray(wire)
        self.reached = _HEADER.size
        self.work = 0
        self._labels: dict[int, int] = {}  # offset that was pointed at → labels of the name there

    def question(self) -> int:
        """Pass the only question; its type."""
        end, _ = self._name(self.reached)
        self._require(end, 4)
        self.reached = end + 4
        return int.from_bytes(self.wire[end : end + 2], "big")

    def records(self, count: int, wanted: set[int], most: int) -> int:
        """Pass up to `count` records as long as the work is at most `most`; how many were passed."""
        for passed in range(count):
            if not self._record(wanted, most):
                return passed
        return count

    def _record(self, wanted: set[int], most: int) -> bool:
        end, labels = self._name(self.reached)
        kind, of_class, _, length = _FIXED.unpack_from(self.wire, end)
        data = end + _FIXED.size
        self._require(data, length)
        cost = _RECORD + labels * _OWNER_LABEL
        if kind in wanted and of_class == IN:
            cost += self._cost(kind, data, length, most)
        else:
            self.wire[end : end + 2] = PRIVATE_USE
        if self.work + cost > most:
            return False
        self.work += cost
        self.reached = data + length
        return True

    def _cost(self, kind: int, data: int, length: int, most: int) -> int:
        """What the data of a record cost beyond the record itself."""
        if kind == TXT:
            return _STRING * self._strings(data, data + length, most // _STRING)
        if kind not in _NAME_AT:
            return _IPV6 if kind == AAAA else 0
        end, labels = self._name(data + _NAME_AT[kind])
        if kind == SOA:
            labels += self._name(end)[1]
        return labels * _DATA_LABEL

    def _strings(self, start: int, end: int, most: int) -> int:
        count = 0
        while start < end and count <= most:
            start += 1 + self.wire[start]
            count += 1
        return count

    def _name(self, start: int) -> tuple[int, int]:
        """Where the name at `start` ends, and how many labels it has with those it points at (RFC 1035 §4.1.4).

        What is pointed at has to stand whole before what points at it, as every server writes it: bytes behind that
        point may still be overwritten.
        """
        at, labels, end, bound = start, 0, 0, len(self.wire)
        pointers: list[tuple[int, int]] = []
        begin = start
        while size := self._byte(at, bound):
            if size >= 0xC0:
                end = end or at + 2
                target = (size & 0x3F) << 8 | self._byte(at + 1, bound)
                if target >= begin or len(pointers) >= _MAX_LABELS:  # forwards, in a circle, or for its own sake
                    raise _Malformed
                if target in self._labels:
                    labels += self._labels[target]
                    break
                pointers.append((target, labels))
                at, begin, bound = target, target, begin
            else:
                labels += 1
                at += 1 + size
            if 63 < size < 0xC0 or labels > _MAX_LABELS:
                raise _Malformed
        if labels > _MAX_LABELS:
            raise _Malformed
        self._labels.update((target, labels - before) for target, before in pointers)
        return end or at + 1, labels

    def _byte(self, at: int, bound: int) -> int:
        if at >= bound:
            raise _Malformed
        return self.wire[at]

    def _require(self, start: int, size: int) -> None:
        if start + size > len(self.wire):
            raise _Malformed
