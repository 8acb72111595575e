"""Facts in, a ruling out: the action, the words of the reply, the reason and the override of the log, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from filter_api.decision import Failure, Proceed, Reject
from filter_api.dmarc.evaluate import Dmarc, Found
from filter_auth.options import Failing, Options, Unauthored
from filter_auth.policy import Action, Facts, Ruling, rule

LATER = "try again later"
NO_SPF_NOW = Reject(451, "4.7.24", f"SPF of the sender cannot be checked now, {LATER}")
NO_DNS_NOW = Reject(451, "4.7.1", f"the author's domain cannot be checked now, {LATER}")
NO_DNS = Reject(550, "5.7.1", "the author's domain cannot be checked")
NO_AUTHOR = Reject(550, "5.7.1", "mail without exactly one usable From field is not accepted")
FAILED = Reject(550, "5.7.26", "mail of example.org that fails DMARC is not accepted")
BAD_SPF = Reject(550, "5.7.23", "SPF of evil.example says that this host may not send its mail")


def found(result: Dmarc, policy: str = "", published: str | None = None, missing: str = "") -> Found:
    where = "example.org" if policy else ""
    shown = policy if published is None else published
    return Found(result, "example.org", policy, where, "", shown, missing=frozenset(missing.split()))


FAILS = {policy: found(Dmarc.FAIL, policy) for policy in ("none", "quarantine", "reject")}
TESTS = {
    "quarantine": found(Dmarc.FAIL, "none", published="quarantine"),
    "reject": found(Dmarc.FAIL, "quarantine", published="reject"),
}


@pytest.mark.parametrize(
    ("unauthored", "ruling"),
    [
        (Unauthored.NONE, Ruling(Action.ACCEPT, None, "author")),
        (Unauthored.MARK, Ruling(Action.MARK, None, "author")),
        (Unauthored.REJECT, Ruling(Action.REJECT, NO_AUTHOR, "author")),
    ],
)
def test_mail_without_an_author_is_the_business_of_its_own_option(unauthored: Unauthored, ruling: Ruling) -> None:
    for failing in Failing:
        for failure in Failure:
            assert rule(Facts(None), Options(unauthored=unauthored, failing=failing), failure) == ruling


@pytest.mark.parametrize(
    ("what", "failing", "ruling"),
    [
        (FAILS["none"], Failing.STRICT, Ruling(reason="dmarc")),
        (FAILS["quarantine"], Failing.NONE, Ruling(reason="dmarc")),
        (FAILS["quarantine"], Failing.MARK, Ruling(Action.MARK, None, "dmarc")),
        (FAILS["quarantine"], Failing.REJECT, Ruling(Action.MARK, None, "dmarc")),
        (FAILS["quarantine"], Failing.STRICT, Ruling(Action.MARK, None, "dmarc")),
        (FAILS["reject"], Failing.NONE, Ruling(reason="dmarc")),
        (FAILS["reject"], Failing.MARK, Ruling(Action.MARK, None, "dmarc")),
        (FAILS["reject"], Failing.REJECT, Ruling(Action.REJECT, FAILED, "dmarc")),
        (FAILS["reject"], Failing.STRICT, Ruling(Action.REJECT, FAILED, "dmarc")),
        (TESTS["quarantine"], Failing.STRICT, Ruling(reason="dmarc", override="test")),
        (TESTS["reject"], Failing.NONE, Ruling(reason="dmarc", override="test")),
        (TESTS["reject"], Failing.STRICT, Ruling(Action.MARK, None, "dmarc", "test")),
    ],
)
def test_mail_that_fails_is_ruled_by_the_domain_and_by_our_own_option(
    what: Found, failing: Failing, ruling: Ruling
) -> None:
    for failure in Failure:  # nothing is in doubt
        assert rule(Facts(what), Options(failing=failing), failure) == ruling


def test_what_vouches_for_a_message_saves_it_from_reject_and_not_from_strict() -> None:
    facts = Facts(FAILS["reject"], vouched=True)
    assert rule(facts, Options(failing=Failing.REJECT)) == Ruling(Action.MARK, None, "dmarc", "vouched")
    assert rule(facts, Options(failing=Failing.STRICT)) == Ruling(Action.REJECT, FAILED, "dmarc")
    assert rule(replace(facts, found=FAILS["quarantine"]), Options(failing=Failing.REJECT)).override == ""


@pytest.mark.parametrize("missing", ["spf", "dkim", "spf dkim", ""])
@pytest.mark.parametrize("policy", ["quarantine", "reject", ""])
def test_doubt_that_matters_is_the_business_of_the_failure_policy(policy: str, missing: str) -> None:
    facts = Facts(found(Dmarc.TEMPERROR, policy, missing=missing))
    later = NO_SPF_NOW if missing == "spf" else NO_DNS_NOW
    for failing in (Failing.MARK, Failing.REJECT, Failing.STRICT):
        own = Options(failing=failing)
        assert rule(facts, own, Failure.ACCEPT) == Ruling(Action.ACCEPT, None, "dns")
        assert rule(facts, own, Failure.TEMPFAIL) == Ruling(Action.TEMPFAIL, later, "dns")
        assert rule(facts, own, Failure.REJECT) == Ruling(Action.REJECT, NO_DNS, "dns")


def test_doubt_that_would_change_nothing_is_none() -> None:
    for failure in Failure:
        assert rule(Facts(found(Dmarc.TEMPERROR, "none")), Options(failing=Failing.STRICT), failure) == Ruling()
        assert rule(Facts(found(Dmarc.TEMPERROR, "reject")), Options(failing=Failing.NONE), failure) == Ruling()


SPF = Options(refuse_spf_fail=True)


@pytest.mark.parametrize(
    ("result", "spf", "own", "ruling"),
    [
        (Dmarc.NONE, "fail", SPF, Ruling(Action.REJECT, BAD_SPF, "spf")),
        (Dmarc.NONE, "fail", Options(), Ruling()),
        (Dmarc.NONE, "softfail", SPF, Ruling()),
        (Dmarc.NONE, "pass", SPF, Ruling()),
        (Dmarc.PASS, "fail", SPF, Ruling()),
        (Dmarc.PERMERROR, "fail", SPF, Ruling()),
        (Dmarc.NONE, "temperror", SPF, Ruling(Action.TEMPFAIL, NO_SPF_NOW, "dns")),
        (Dmarc.NONE, "temperror", Options(), Ruling()),
        (Dmarc.PASS, "temperror", SPF, Ruling()),
    ],
)
def test_spf_that_fails_is_refused_on_demand_where_the_author_has_no_record(
    result: Dmarc, spf: str, own: Options, ruling: Ruling
) -> None:
    assert rule(Facts(found(result), spf, "evil.example"), own, Failure.TEMPFAIL) == ruling


@pytest.mark.parametrize(
    ("facts", "override"),
    [
        (Facts(FAILS["reject"], exempt=True), "exempt"),
        (Facts(FAILS["reject"], trusted="list"), "list"),
        (Facts(FAILS["reject"], exempt=True, trusted="arc", role=True), "exempt"),
        (Facts(FAILS["quarantine"], trusted="forwarder"), "forwarder"),
    ],
)
def test_who_is_believed_is_accepted_and_the_log_says_why(facts: Facts, override: str) -> None:
    assert rule(facts, Options(failing=Failing.STRICT)) == Ruling(reason="dmarc", override=override)


def test_who_is_believed_needs_no_override_for_what_is_accepted_anyway() -> None:
    assert rule(Facts(FAILS["none"], exempt=True, trusted="list"), Options()) == Ruling(reason="dmarc")


def test_mail_to_a_role_is_marked_where_it_would_be_refused_and_put_off_all_the_same() -> None:
    assert rule(Facts(FAILS["reject"], role=True), Options(failing=Failing.STRICT)) == Ruling(
        Action.MARK, None, "dmarc", "postmaster"
    )
    assert rule(Facts(FAILS["quarantine"], role=True), Options()) == Ruling(Action.MARK, None, "dmarc")
    doubtful = Facts(found(Dmarc.TEMPERROR, "reject"), role=True)
    assert rule(doubtful, Options(), Failure.TEMPFAIL) == Ruling(Action.TEMPFAIL, NO_DNS_NOW, "dns")


def test_a_ruling_with_a_reply_refuses_and_one_without_goes_on() -> None:
    assert Ruling(Action.REJECT, NO_DNS).decision == NO_DNS
    assert Ruling(Action.MARK).decision == Proceed()
