"""Errors a filter or its configuration raises on purpose.

`UsageError` and `ConfigError` end a filter before ``register|ready``: smtpd then refuses to start, which is right.
`CannotCheck` is for run time: the failure policy of the filter (option ``-F``) answers the request.
"""

from __future__ import annotations

from collections.abc import Mapping

from filter_api.text.escape import printable


class UsageError(Exception):
    """The command line is wrong; shown with the usage line on stderr, exit status 1."""

    command = ""
    """The command of a verb of filterctl(8) that it is about, with what it takes."""


class HelpWanted(UsageError):
    """-h or --help. options: what there is, a line for each letter; commands: what each does, by name.

    A usage error to whoever gives no help.
    """

    def __init__(self, options: str = "", commands: Mapping[str, str] | None = None) -> None:
        super().__init__("-h and --help are no options here")
        self.options = options
        self.commands = commands or {}


class ConfigError(Exception):
    """A file or value named by the configuration is wrong; its text starts with ``file:line:`` where there is one."""


def reason(error: Exception) -> str:
    """Why something failed, in words and without the path: who shows it names that in his own way."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


class named:
    """What the system says of a file in this block becomes a ConfigError that names the file.

    Not a generator: from Python 3.13 on the error of one is kept in a circle with all that its callers held, until the
    collector runs.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing is to be had."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise ConfigError for OSError, and for a name with a NUL."""
        if isinstance(error, OSError):
            raise ConfigError(f"{printable(self._path)}: {reason(error)}") from None
        if isinstance(error, ValueError) and "\0" in self._path:
            raise ConfigError(f"{printable(self._path)}: no file has a NUL in its name") from None


class CannotCheck(Exception):
    """A hook could not make its check (backend down, DNS in doubt); its text goes to the log, never to the client."""
