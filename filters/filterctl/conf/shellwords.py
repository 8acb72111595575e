"""Split a filter's command as ``/bin/sh -c "exec …"`` would, and refuse what only a shell gives a meaning to.

smtpd starts filters through a shell. A command that uses it (``;``, ``|``, ``$HOME``, ``*``) works until the day a
value in it comes from elsewhere, so ``filterctl check`` takes plain words and quotes only, and starts the filter from
the list of its words itself.
"""

from __future__ import annotations

import re

_PART = re.compile(
    r"""(?P<blank>[ \t]+)
      | (?P<single>'[^']*')
      | (?P<double>"(?:\\.|[^"\\])*")
      | \\(?P<escape>.)
      | (?P<plain>[^\s'"\\]+)
      | (?P<bad>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_META = re.compile(r"[;&|<>()$`*?\[\]]")
_META_IN_QUOTES = re.compile(r"(?<!\\)[$`]")
_ESCAPED_IN_QUOTES = re.compile(r'\\([$`"\\])')


def split(command: str) -> list[str]:
    """The words of a command; ValueError names what would need a shell."""
    words: list[str] = []
    word: str | None = None
    for part in _PART.finditer(command):
        kind, text = part.lastgroup, part[0]
        if kind == "blank":
            if word is not None:
                words.append(word)
            word = None
            continue
        if kind == "plain":
            _refuse_plain(text, first=word is None)
        word = (word or "") + _plain_text(kind, text)
    if word is not None:
        words.append(word)
    if not words:
        raise ValueError("the command is empty")
    if "=" in words[0].partition("/")[0]:
        raise ValueError(f"{words[0]}: a variable in front of a command is the shell's")
    return words


def _refuse_plain(text: str, *, first: bool) -> None:
    found = _META.search(text)
    if found:
        raise ValueError(f"{found[0]} outside quotes is the shell's")
    if first and text[0] in "~#":
        raise ValueError(f"{text[0]} at the start of a word is the shell's")
    if text in {"{", "}", "!"}:
        raise ValueError(f"{text} is the shell's")


def _plain_text(kind: str | None, text: str) -> str:
    if kind == "single":
        return text[1:-1]
    if kind == "double":
        found = _META_IN_QUOTES.search(text)
        if found:
            raise ValueError(f'{found[0]} inside "…" is the shell\'s')
        return _ESCAPED_IN_QUOTES.sub(r"\1", text[1:-1])
    if kind == "escape":
        return text[1:]
    if kind == "bad":
        raise ValueError("a line end is the shell's" if text == "\n" else f"the quote {text} is not closed")
    return text
