"""What filterctl doctor looks at beside the filters."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from pathlib import Path

import pytest

from filter_api.confinement.confined import Confined
from filterctl.health import symptoms


def log(path: Path, addresses: list[str]) -> str:
    line = "Nov 20 10:00:00 mx smtpd[7]: 9a36f6f7e4d47021 smtp connected address={} host=<unknown>\n"
    path.write_text("noise\n" + "".join(map(line.format, addresses)))
    return str(path)


@pytest.mark.parametrize(
    ("addresses", "severity", "text"),
    [
        (
            ["10.0.0.1"] * 60,
            "error",
            "all 60 sessions in {} come from 10.0.0.1: is it a proxy? Then listen with proxy-v2",
        ),
        (["10.0.0.1"] * 60 + ["127.0.0.1", "[::1]", "local"] * 9, "error", "all 60 sessions in {} come from 10.0.0.1"),
        (["10.0.0.1"] * 60 + ["192.0.2.1"], "ok", "61 sessions from 2 addresses in {}"),
        (["10.0.0.1"] * 49, "ok", "49 sessions from 1 addresses in {}"),
        (["local"] * 100, "ok", "0 sessions from 0 addresses in {}"),
    ],
)
def test_sessions_from_one_address(tmp_path: Path, addresses: list[str], severity: str, text: str) -> None:
    path = log(tmp_path / "maillog", addresses)
    ((found_severity, found_text),) = symptoms.sessions(path, proxied=False)
    assert found_severity == severity
    assert found_text.startswith(text.format(path))


def test_a_proxy_that_is_configured_and_not_used(tmp_path: Path) -> None:
    path = log(tmp_path / "maillog", ["10.0.0.1"] * 60)
    ((_, text),) = symptoms.sessions(path, proxied=True)
    assert text.endswith("its proxy-v2 header is not used")


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symptoms, "LOG_TAIL", 2000)
    path = log(tmp_path / "maillog", ["192.0.2.1"] * 1000)
    ((_, text),) = symptoms.sessions(path, proxied=False)
    assert int(text.split()[0]) < 30


def test_no_log_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symptoms, "MAILLOGS", ("/nonexistent/maillog",))
    assert list(symptoms.sessions(None, proxied=False)) == [("note", "no mail log to read: name it with -m")]


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("version: OpenSMTPD 7.8.0-portable\n", "ok"),
        ("version: OpenSMTPD 7.4.0\n", "ok"),
        ("version: OpenSMTPD 6.8.0p2\n", "warning"),
        ("version: OpenSMTPD 10.0\n", "ok"),
        ("", "warning"),
    ],
)
def test_smtpd_that_cuts_lines(text: str, severity: str) -> None:
    assert symptoms.smtpd_version(text)[0] == severity


@pytest.mark.parametrize(("version", "severity"), [("2.3.0", "warning"), ("2.6.1", "ok"), ("10.0", "ok")])
def test_an_old_dnspython_is_told(monkeypatch: pytest.MonkeyPatch, version: str, severity: str) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version if name == "dnspython" else "99")
    found = {text.split()[0]: level for level, text in symptoms.versions("/nonexistent/smtpd")}
    assert found["dnspython"] == severity
    assert found["cryptography"] == "ok"


def test_a_missing_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symptoms, "LIBRARIES", {"no-such-library": ((1,), "")})
    assert ("error", "no-such-library is not installed") in list(symptoms.versions("/nonexistent/smtpd"))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("print('all is well')", ("ok", "the clock is synchronised, says ")),
        ("print('adrift')", ("warning", "the clock is not synchronised, says ")),
        ("import sys; sys.exit('well, no')", ("ok", "the clock is synchronised, says ")),
    ],
)
def test_the_clock_as_its_keeper_sees_it(script: str, expected: tuple[str, str]) -> None:
    command = (sys.executable, "-c", script)
    ((severity, text),) = symptoms.clock([(("no-such-keeper",), re.compile("")), (command, re.compile("well"))])
    assert (severity, text) == (expected[0], expected[1] + sys.executable)


def test_nobody_keeps_the_clock() -> None:
    ((severity, _),) = symptoms.clock([])
    assert severity == "note"


def test_a_clock_before_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = os.stat(symptoms.__file__).st_mtime
    monkeypatch.setattr("filterctl.health.symptoms.time.time", lambda: installed - 100_000)
    ((severity, text),) = symptoms.clock([])
    assert (severity, text.split(":")[0]) == ("error", "the clock is behind")


@pytest.mark.parametrize(
    ("found", "remark"),
    [
        (
            Confined(("landlock 7: files tcp signals", "seccomp")),
            ("ok", "filters have landlock 7: files tcp signals, seccomp"),
        ),
        (Confined(("seccomp",), ("no landlock",)), ("warning", "filters have seccomp (no landlock)")),
    ],
)
def test_what_there_is_to_confine_filters(
    found: Confined, remark: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(symptoms, "offer", lambda: found)
    assert list(symptoms.confinement()) == [remark]
