"""Every row of the fault table under the daemon it speaks of, and the oracle's word on the bytes of that very run."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from filter_api.testing import (
    Oracle,
    SmtpdError,
    WouldHang,
    WouldKillSmtpd,
    WouldMislead,
    WouldWedgeSmtpd,
)
from tests.smtpd.dialog import Outcome, observe
from tests.smtpd.fault_table import FAULTS, Effect, Fault

VERDICTS = {
    Effect.DIES: WouldKillSmtpd,
    Effect.HANGS: WouldHang,
    Effect.WEDGES: WouldWedgeSmtpd,
    Effect.REFUSES: WouldMislead,
    Effect.FINE: None,
}


def expected_verdict(fault: Fault, version: str) -> type[SmtpdError] | None:
    if fault.cut and version == "6.8":
        return WouldMislead
    if fault.races:
        return SmtpdError
    return None if fault.legal else VERDICTS[fault.effect(version)]


def verdict(outcome: Outcome, protocol: tuple[int, int]) -> SmtpdError | None:
    """What the oracle says of everything the filter read and wrote in this run."""
    oracle = Oracle(protocol)
    try:
        for way, raw in outcome.journal:
            if way == "in":
                oracle.smtpd_wrote(raw)
            else:
                oracle.filter_wrote(raw)
        oracle.finish()
    except SmtpdError as error:
        return error
    return None


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, version: str) -> dict[str, Future[Outcome]]:
    """What the selected faults come to under this version.

    Each has its own smtpd and mostly waits, so some run at the same time.
    """
    cases = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    faults = [case["fault"] for case in cases if "fault" in case and case.get("version") == version]
    pool = ThreadPoolExecutor(6)
    started = {fault.name: pool.submit(observe, version, fault) for fault in faults}
    pool.shutdown(wait=False)
    return started


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_smtpd_and_the_oracle_agree_on(fault: Fault, version: str, outcomes: dict[str, Future[Outcome]]) -> None:
    outcome = outcomes[fault.name].result()
    expected = fault.effect(version)
    assert outcome.effect is expected or (fault.races and outcome.effect is Effect.FINE), outcome.log
    if expected in {Effect.REFUSES, Effect.FINE}:
        assert outcome.code == fault.code
    if fault.is_bytes:
        said = verdict(outcome, (0, 6) if version == "6.8" else (0, 7))
        wanted = expected_verdict(fault, version)
        assert (said is None) if wanted is None else isinstance(said, wanted), f"the oracle says {said!r}"
