"""The demo of filter-dkimsign comes out as it says."""

from __future__ import annotations

import pytest

from demo.signing import demonstrate


@pytest.mark.usefixtures("newest")
def test_a_signed_submission_convinces_a_foreign_verifier(capsys: pytest.CaptureFixture[str]) -> None:
    assert demonstrate()
    shown = capsys.readouterr().out
    assert "ok 2026a._domainkey.example.org rsa-sha256" in shown
    assert "pass d=example.org s=2026e a=ed25519-sha256" in shown
    assert "To: bob@mx.example.org" in shown
