"""No credential stays in a recording, whatever part of AUTH a filter sees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.testing.transcript import Transcript
from filterctl.recording.redact import Redactor

RECORDED = sorted((Path(__file__).parents[2] / "transcripts").glob("*/*.txt"))
SESSION = b"3c1bba60c1aa9e49"
SECRETS = (b"AHVzZXIAc2VjcmV0", b"dXNlcg==", b"c2VjcmV0", b"AMO8cyBlcgkieABzZWNyZXQ=")


def report(event: bytes, text: bytes) -> bytes:
    return b"report|0.7|1795162022.676510|smtp-in|%s|%s|%s" % (event, SESSION, text)


def request(phase: bytes, text: bytes) -> bytes:
    return b"filter|0.7|1795162022.676510|smtp-in|%s|%s|80bb07f9a84b3246|%s" % (phase, SESSION, text)


def test_the_recorded_files_hold_credentials_and_lose_them() -> None:
    seen = 0
    for path in RECORDED:
        for wire in Transcript.read(path).wires():
            redactor = Redactor()
            before = [line for _, line in wire]
            after = [redactor.line(to_filter, line) for to_filter, line in wire]
            seen += sum(secret in line for secret in SECRETS for line in before)
            assert not [line for line in after for secret in SECRETS if secret in line]
            changed = [old for old, new in zip(before, after, strict=True) if old != new]
            assert all(re.search(rb"\|(auth|protocol-client|filter-response)\|", line) for line in changed)
    assert seen >= 4


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (request(b"auth", b"PLAIN AHVzZXIA"), request(b"auth", b"PLAIN ********")),
        (request(b"auth", b"plain  a|b c"), request(b"auth", b"plain ********")),
        (request(b"auth", b"LOGIN"), request(b"auth", b"LOGIN")),
        (request(b"mail-from", b"auth@example.org x"), request(b"mail-from", b"auth@example.org x")),
        (report(b"protocol-client", b"AUTH LOGIN dXNl"), report(b"protocol-client", b"AUTH LOGIN ********")),
        (report(b"protocol-client", b"auth\tplain\tx"), report(b"protocol-client", b"auth\tplain ********")),
        (report(b"protocol-client", b"AUTH LOGIN"), report(b"protocol-client", b"AUTH LOGIN")),
        (
            report(b"filter-response", b"auth|rewrite|PLAIN x"),
            report(b"filter-response", b"auth|rewrite|PLAIN ********"),
        ),
        (report(b"link-auth", b"pass|user"), report(b"link-auth", b"pass|user")),
    ],
)
def test_single_lines(line: bytes, kept: bytes) -> None:
    assert Redactor().line(True, line) == kept


def test_continuation_lines_are_blanked_until_the_dialogue_ends() -> None:
    redactor = Redactor()
    dialogue = [
        (report(b"protocol-client", b"AUTH LOGIN"), False),
        (report(b"protocol-server", b"334 VXNlcm5hbWU6"), False),
        (report(b"protocol-client", b"dXNlcg=="), True),
        (report(b"protocol-server", b"334 UGFzc3dvcmQ6"), False),
        (report(b"protocol-client", b"c2VjcmV0"), True),
        (report(b"link-auth", b"pass|user"), False),
        (report(b"protocol-server", b"235 2.0.0 Authentication succeeded"), False),
        (report(b"protocol-client", b"MAIL FROM:<a@b>"), False),
    ]
    for line, blanked in dialogue:
        assert (redactor.line(True, line) != line) is blanked


def test_a_filter_without_the_replies_sees_the_commands_after_auth() -> None:
    redactor = Redactor()
    redactor.line(True, report(b"protocol-client", b"AUTH PLAIN"))
    assert redactor.line(True, report(b"protocol-client", b"AHVzZXIA")).endswith(b"|********")
    assert redactor.line(True, report(b"protocol-client", b"MAIL FROM:<a@b>")).endswith(b"|MAIL FROM:<a@b>")


def test_an_unknown_mechanism_is_blanked_until_it_ends() -> None:
    redactor = Redactor()
    redactor.line(True, report(b"protocol-client", b"AUTH SCRAM-SHA-256"))
    for _ in range(3):
        assert redactor.line(True, report(b"protocol-client", b"Y2xpZW50")).endswith(b"|********")
    redactor.line(True, report(b"link-auth", b"fail|user"))
    assert redactor.line(True, report(b"protocol-client", b"QUIT")).endswith(b"|QUIT")


@pytest.mark.parametrize("order", [b"%s|80bb07f9a84b3246", b"80bb07f9a84b3246|%s"], ids=["0.5 and later", "0.4"])
def test_a_filter_that_rewrites_the_credentials(order: bytes) -> None:
    redactor = Redactor()
    redactor.line(True, request(b"auth", b"PLAIN AHVzZXIA"))
    answer = b"filter-result|" + order % SESSION + b"|rewrite|PLAIN AHVzZXIA"
    assert redactor.line(False, answer) == answer.replace(b"AHVzZXIA", b"********")


@given(st.booleans(), st.binary(max_size=120))
def test_any_other_line_is_kept(to_filter: bool, line: bytes) -> None:
    kept = Redactor().line(to_filter, line)
    assert kept == line or b"********" in kept
