"""Two verifiers that share no code with ours: dkimpy, and OpenDKIM's library, as Debian builds it, through ctypes.

keys = {"sel._domainkey.example.org": b"v=DKIM1; k=rsa; p=…"}
opendkim(message, keys)     # one Result a signature, from the top
dkimpy(message, keys)
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
from collections.abc import Mapping
from typing import NamedTuple

import dkim
import pytest

Zone = Mapping[str, bytes]

_OK = 0
_CONTINUE, _NOTFOUND = 0, 3  # what a key lookup returns
_PASSED = 0x04  # DKIM_SIGFLAG_PASSED
_KEY_LOOKUP = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t
)


class Result(NamedTuple):
    """What became of one signature: of its hash over the body, and as a whole."""

    passed: bool
    body: bool
    error: str


@functools.cache
def _library() -> ctypes.CDLL:
    for name in ("libopendkim.so.11", ctypes.util.find_library("opendkim")):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library is not None:
            return _declared(library)
    pytest.skip("OpenDKIM's library is not installed (Debian: libopendkim11)")


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer = ctypes.c_void_p
    for name, result, arguments in (
        ("dkim_init", pointer, [pointer, pointer]),
        ("dkim_close", None, [pointer]),
        ("dkim_set_key_lookup", ctypes.c_int, [pointer, _KEY_LOOKUP]),
        ("dkim_verify", pointer, [pointer, ctypes.c_char_p, pointer, ctypes.POINTER(ctypes.c_int)]),
        ("dkim_chunk", ctypes.c_int, [pointer, ctypes.c_char_p, ctypes.c_size_t]),
        ("dkim_eom", ctypes.c_int, [pointer, pointer]),
        (
            "dkim_getsiglist",
            ctypes.c_int,
            [pointer, ctypes.POINTER(ctypes.POINTER(pointer)), ctypes.POINTER(ctypes.c_int)],
        ),
        ("dkim_sig_process", ctypes.c_int, [pointer, pointer]),
        ("dkim_sig_getflags", ctypes.c_uint, [pointer]),
        ("dkim_sig_getbh", ctypes.c_int, [pointer]),
        ("dkim_sig_geterror", ctypes.c_int, [pointer]),
        ("dkim_sig_geterrorstr", ctypes.c_char_p, [ctypes.c_int]),
        ("dkim_sig_getdomain", ctypes.c_char_p, [pointer]),
        ("dkim_sig_getselector", ctypes.c_char_p, [pointer]),
        ("dkim_free", ctypes.c_int, [pointer]),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def opendkim(message: bytes, zone: Zone) -> list[Result]:
    """Every signature of a message (CRLF line ends) as OpenDKIM judges it; no signature, no result."""
    library = _library()
    if b"\r\n\r\n" not in message:  # a header alone: the milter tells the library where it ends, so do we
        message += b"\r\n"

    def look_up(_dkim: int, signature: int, buffer: ctypes.Array[ctypes.c_char], size: int) -> int:
        selector, domain = library.dkim_sig_getselector(signature), library.dkim_sig_getdomain(signature)
        record = zone.get(f"{selector.decode()}._domainkey.{domain.decode()}")
        if record is None:
            return _NOTFOUND
        ctypes.memmove(buffer, record + b"\0", min(size, len(record) + 1))
        return _CONTINUE

    callback = _KEY_LOOKUP(look_up)
    context = library.dkim_init(None, None)
    try:
        library.dkim_set_key_lookup(context, callback)
        status = ctypes.c_int()
        handle = library.dkim_verify(context, b"test", None, ctypes.byref(status))
        assert handle, f"dkim_verify: {status.value}"
        try:
            library.dkim_chunk(handle, message, len(message))
            library.dkim_chunk(handle, None, 0)
            library.dkim_eom(handle, None)
            return _results(library, handle)
        finally:
            library.dkim_free(handle)
    finally:
        library.dkim_close(context)


def _results(library: ctypes.CDLL, handle: int) -> list[Result]:
    signatures = ctypes.POINTER(ctypes.c_void_p)()
    count = ctypes.c_int()
    if library.dkim_getsiglist(handle, ctypes.byref(signatures), ctypes.byref(count)) != _OK:
        return []
    found = []
    for index in range(count.value):
        signature = signatures[index]
        library.dkim_sig_process(handle, signature)
        error = library.dkim_sig_geterror(signature)
        passed = bool(library.dkim_sig_getflags(signature) & _PASSED) and error == 0
        body = library.dkim_sig_getbh(signature) == 0
        text = (library.dkim_sig_geterrorstr(error) or b"").decode()
        found.append(Result(passed and body, body, text))
    return found


def dkimpy(message: bytes, zone: Zone) -> list[bool]:
    """Every signature of a message as dkimpy judges it, from the top."""

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        return zone.get(name.decode().rstrip("."))

    verifier = dkim.DKIM(message)
    count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
    found = []
    for index in range(count):
        try:
            found.append(bool(dkim.DKIM(message).verify(idx=index, dnsfunc=look_up)))
        except dkim.DKIMException:
            found.append(False)
    return found


def both(message: bytes, zone: Zone) -> list[bool]:
    """The signatures of a message, where both verifiers must be of one mind about each of them."""
    one, other = dkimpy(message, zone), [result.passed for result in opendkim(message, zone)]
    assert one == other, f"dkimpy says {one}, OpenDKIM {other} of {message!r}"
    return one
