"""The kernel by number: syscall(2) and prctl(2) of the C library, through ctypes; no callbacks are made."""

from __future__ import annotations

import ctypes
import os


class Kernel:
    """What is asked of the system. Raises OSError where it says no."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.syscall.restype = ctypes.c_long

    def syscall(self, number: int, *arguments: int | bytes | None) -> int:
        """One system call; bytes are passed as their address, so they must live until it returns."""
        return _checked(int(self._libc.syscall(ctypes.c_long(number), *map(_word, arguments))))

    def prctl(self, option: int, value: int) -> int:
        """prctl(2) with one value."""
        zero = ctypes.c_ulong(0)
        return _checked(int(self._libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero)))


def _word(argument: int | bytes | None) -> object:
    """An argument of a variadic function: a whole register each."""
    return ctypes.c_long(argument) if isinstance(argument, int) else ctypes.c_char_p(argument)


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def address_of(data: bytes) -> int:
    """Where bytes are in memory, for a structure that points to them; they must be kept as long as it is used."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
