"""An interpreter of classic BPF, as far as seccomp uses it: what a program answers to a system call.

From linux/bpf_common.h and seccomp(2), independent of the code under test.
"""

from __future__ import annotations

import struct

_STEP = struct.Struct("<HBBI")
_DATA = struct.Struct("<iIQ6Q")  # struct seccomp_data: number, architecture, instruction pointer, arguments
ALLOWED = "allow"


def answer(code: bytes, architecture: int, number: int, *arguments: int) -> str | int:
    """`ALLOWED`, or the errno the call fails with. Raises ValueError for a program the kernel would not take."""
    steps = [_STEP.unpack_from(code, at) for at in range(0, len(code), _STEP.size)]
    data = _DATA.pack(number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    accumulator, at = 0, 0
    while True:
        kind, yes, no, value = steps[at]
        at += 1
        if kind == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif kind == 0x54:
            accumulator &= value
        elif kind == 0x15:
            at += yes if accumulator == value else no
        elif kind == 0x35:
            at += yes if accumulator >= value else no
        elif kind == 0x45:
            at += yes if accumulator & value else no
        elif kind == 0x06:
            return _said(value)
        else:
            raise ValueError(f"instruction {kind:#x}")


def _said(value: int) -> str | int:
    if value == 0x7FFF0000:
        return ALLOWED
    if value >> 16 == 5:
        return value & 0xFFFF
    raise ValueError(f"answer {value:#x}")
