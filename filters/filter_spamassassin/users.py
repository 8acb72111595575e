"""Whose SpamAssassin preferences apply to a message: option ``-u``.

A recipient becomes a name that is safe to be part of a path, as spamd(8) makes one of it (``--virtual-config-dir``):
lower case, without ``+detail``, letters, digits, dots, hyphens and underscores; for addresses two such parts. What is
no such name, and root, is nobody: then the default user's preferences apply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from filter_api.errors import UsageError
from filter_api.files.tables import KeyValueTable
from filter_api.text.addresses import split_address, strip_source_route
from filter_api.text.escape import printable

_PART: Final = rb"[a-z0-9][a-z0-9._-]{0,63}"
_NAME: Final = re.compile(_PART + rb"(?:@" + _PART + rb")?")
MOST_USERS: Final = 8
"""Scans of one message with option -e; with more users the default user's preferences apply."""


class Form(Enum):
    """What of a recipient's address is the name."""

    LOCALPART = "localpart"
    ADDRESS = "address"
    USER_DOMAIN = "user_domain"


RULES: Final = "-u rcpt:localpart, rcpt:address, rcpt:user_domain or file:map"


class Users:
    """default: the name given to spamd where no other is known; empty leaves it to spamd. form or table: the rule."""

    def __init__(self, default: str = "", form: Form | None = None, table: KeyValueTable[str] | None = None) -> None:
        self.default = default
        self._form = form
        self._table = table

    @property
    def differ(self) -> bool:
        """Whether recipients can have different users at all."""
        return self._form is not None or self._table is not None

    def of(self, recipient: bytes) -> str:
        """The user of a recipient."""
        local, domain = mailbox_of(recipient)
        if self._table is not None:
            found = self._table.find_address(local + b"@" + domain if domain else local)
            return self.default if found is None else found.value
        if self._form is None:
            return self.default
        return _formed(self._form, local, domain) or self.default

    def of_all(self, recipients: Iterable[bytes]) -> list[str]:
        """The users of some recipients, each once, in their order; only the default one for none."""
        return list(dict.fromkeys(map(self.of, recipients))) or [self.default]


def mailbox_of(recipient: bytes) -> tuple[bytes, bytes]:
    """Local part and domain in lower case, without source route and ``+detail``."""
    local, domain = split_address(strip_source_route(recipient).lower())
    return local.partition(b"+")[0], domain.rstrip(b".")


def _formed(form: Form, local: bytes, domain: bytes) -> str:
    """The name that a recipient has by this rule; empty for what is none."""
    if form is Form.LOCALPART:
        return safe_name(local)
    name = safe_name(local + b"@" + domain)
    return name.replace("@", "_") if form is Form.USER_DOMAIN else name


def safe_name(raw: bytes) -> str:
    """A name as spamd may have it; empty for what is no name."""
    if not _NAME.fullmatch(raw) or b".." in raw or raw.partition(b"@")[0] == b"root":
        return ""
    return raw.decode("ascii")


def parse_rules(values: Iterable[str]) -> Users:
    """The values of -u: at most one name and one rule. Raises UsageError, ConfigError for a map file."""
    default = ""
    form: Form | None = None
    table: KeyValueTable[str] | None = None
    for value in values:
        kind, colon, rest = value.partition(":")
        if not colon:
            if default:
                raise UsageError("-u: one default user only")
            default = _checked_name(value)
            continue
        if form is not None or table is not None:
            raise UsageError("-u: one rule only")
        if kind == "rcpt" and rest in {known.value for known in Form}:
            form = Form(rest)
        elif kind == "file" and rest:
            table = KeyValueTable(rest, _mapped_name)
        else:
            raise UsageError(f"-u takes a name, {RULES.removeprefix('-u ')}, not {value!r}")
    return Users(default, form, table)


def _checked_name(value: str) -> str:
    name = safe_name(value.encode("utf-8", "surrogateescape"))
    if not name:
        raise UsageError(f"-u: not a user's name: {printable(value)}")
    return name


def _mapped_name(value: bytes) -> str:
    name = safe_name(value)
    if not name:
        raise ValueError(f'"{printable(value)}" is no user\'s name')
    return name
