"""Where smtpd looks for filters is what the smtpd of this system says, not any directory that exists."""

from __future__ import annotations

from pathlib import Path

from filterctl.programs.command import compiled_in


def test_the_directory_that_stands_in_smtpd_is_taken(tmp_path: Path) -> None:
    libexec = tmp_path / "libexec/opensmtpd"
    libexec.mkdir(parents=True)
    other = tmp_path / "lib/smtpd"
    smtpd = tmp_path / "smtpd"
    smtpd.write_bytes(
        b"\x7fELF\0/var/spool/smtpd\0"
        + bytes(libexec)
        + b"\0"
        + bytes(libexec)
        + b"/mail.lmtp\0"
        + bytes(other)
        + b"\0"
    )
    assert compiled_in([str(tmp_path / "none"), str(smtpd)]) == [str(libexec)]


def test_without_an_smtpd_nothing_is_said(tmp_path: Path) -> None:
    assert compiled_in([str(tmp_path / "smtpd")]) == []
