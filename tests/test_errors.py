"""What the system says of a file, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.errors import ConfigError, named, reason


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file or directory", "/x"), "No such file or directory"),
        (OSError("only words"), "only words"),
        (OSError(), "OSError"),
        (ValueError("other words"), "other words"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_the_reason_is_never_empty_and_names_no_path(error: Exception, words: str) -> None:
    assert reason(error) == words


def test_the_file_is_named_once_and_escaped(tmp_path: Path) -> None:
    path = str(tmp_path / "no\x1b[2J")
    with pytest.raises(ConfigError) as caught, named(path):
        open(path).close()
    assert str(caught.value) == f"{tmp_path}/no\\x1b[2J: No such file or directory"


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), named("x"):
        raise KeyError("x")


@pytest.mark.parametrize("path", ["/etc/ma\0il", "\0", "x\0"])
def test_a_name_with_a_nul_is_an_error_of_the_configuration(path: str) -> None:
    with pytest.raises(ConfigError, match=r"x00.*: no file has a NUL in its name"), named(path), open(path):
        pass


def test_other_mistakes_of_a_value_go_through() -> None:
    with pytest.raises(ValueError, match="not a number"), named("/etc/mail/x"):
        raise ValueError("not a number")
