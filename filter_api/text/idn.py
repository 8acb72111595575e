"""Internationalised names (RFC 5890): U-labels as the A-labels that stand for them in the DNS.

    a_labels("Bücher.example".encode())        # b"xn--bcher-kva.example"
    a_labels(b"XN--BCHER-KVA.Example")         # b"xn--bcher-kva.example"

This is no registrar: it maps what can be mapped and leaves anything else as it is, so that two spellings of one name
compare equal and no other name becomes equal to it. Case is folded and the text composed (NFC); then
each label is encoded on its own (RFC 3492). Nothing here raises.
"""

from __future__ import annotations

import unicodedata

_MAX_BYTES = 1024  # 253 characters of four bytes: nothing longer can become a name
_DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})  # the dots of RFC 3490 §3.1


def a_labels(domain: bytes) -> bytes:
    """The name in lower case with A-labels; the name in lower case where it is no UTF-8 text or too long."""
    if domain.isascii() or len(domain) > _MAX_BYTES:
        return domain.lower()
    try:
        text = domain.decode("utf-8").translate(_DOTS)
        folded = unicodedata.normalize("NFC", text.lower())
        labels = [_a_label(label) for label in folded.split(".")]
    except UnicodeError:
        return domain.lower()
    return b".".join(labels)


def _a_label(label: str) -> bytes:
    """One label. Raises UnicodeError."""
    return label.encode("ascii") if label.isascii() else b"xn--" + label.encode("punycode")
