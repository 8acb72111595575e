"""Internationalised names (RFC 5890): U-labels as the A-labels that stand for them in the DNS.

    a_labels("Bücher.example".encode())        # b"xn--bcher-kva.example"
    a_labels(b"XN--BCHER-KVA.Example")         # b"xn--bcher-kva.example"
    is_plain("ex\u200bample.org".encode())      # False: an invisible character

This is no registrar: it maps what can be mapped and leaves anything else as it is, so that two spellings of one name
compare equal and no other name becomes equal to it. Case is folded and the text composed (NFC); then
each label is encoded on its own (RFC 3492). Nothing here raises.
"""

from __future__ import annotations

import unicodedata

_MAX_BYTES = 1024  # 253 characters of four bytes: nothing longer can become a name
_DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})  # the dots of RFC 3490 §3.1

_IN_CONTEXT = frozenset("\u00b7\u0375\u05f3\u05f4\u30fb")  # punctuation that RFC 5892 §2.6 allows
_JOINERS = frozenset("\u200c\u200d")
_VIRAMA = 9  # combining class of what a joiner may follow (RFC 5892 A.1)


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


def is_plain(domain: bytes) -> bool:
    """Whether a name is ASCII, or UTF-8 of letters, figures and marks in a form that every reader takes for the same.

    What it rules out is what one reader leaves away, stops at or takes for another letter, and another does not: blanks
    of Unicode, controls, invisible characters, wide letters (RFC 5892 §2).
    """
    if domain.isascii():
        return True
    try:
        shown = unicodedata.normalize("NFC", domain.decode("utf-8").translate(_DOTS).lower())
    except UnicodeError:
        return False
    if unicodedata.normalize("NFKC", shown) != shown:
        return False
    return all(_is_of_name(char, before) for before, char in zip(" " + shown, shown, strict=False))


def _is_of_name(char: str, before: str) -> bool:
    if char in ".-_" or char.isalnum() or unicodedata.category(char) in {"Mn", "Mc"}:
        return True
    return char in _IN_CONTEXT or (char in _JOINERS and unicodedata.combining(before) == _VIRAMA)
