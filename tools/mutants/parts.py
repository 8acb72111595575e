"""What is mutated, and which tests may kill it: one part for one package of code, with the tests of that package."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One package of code. Paths are as they are imported: what lies in filters/ lies at the top of a room."""

    name: str
    code: tuple[str, ...]
    tests: tuple[str, ...]


def of_filter(name: str, *modules: str, tests: tuple[str, ...] = ("",)) -> Part:
    """Deciding modules of a filter, with files of its folder of tests; with all of them if none is named."""
    folder = f"filter_{name}"
    return Part(
        name,
        tuple(f"{folder}/{module}.py" for module in modules),
        tuple(f"tests/{folder}/{test}" for test in tests),
    )


RUNTIME = (
    "asking", "counters", "deadline", "decision_log", "dispatch", "examining", "guard", "held", "hooks", "intake",
    "life", "memory", "outbox", "pending", "refusals", "release", "sessions", "stall",
)  # fmt: skip
"""What decides. What starts, confines and connects a process (main, transport, log, …) runs in one of its own."""
RUNTIME_TESTS = (
    "barrier", "beside", "chain", "counters", "deadline", "decision_log", "dispatch", "guard", "held", "hooks",
    "intake", "memory", "out_of_memory", "out_of_memory_messages", "outbox", "pending", "refusals", "sessions", "stall",
    "stalled", "untold",
)  # fmt: skip

PARTS = (
    Part(
        "values",
        ("filter_api/decision.py", "filter_api/facts.py", "filter_api/trust.py"),
        ("tests/test_decision.py", "tests/test_facts.py", "tests/test_session.py", "tests/test_trust.py"),
    ),
    Part("protocol", ("filter_api/protocol/*.py",), ("tests/protocol",)),
    Part(
        "runtime",
        tuple(f"filter_api/runtime/{module}.py" for module in RUNTIME),
        tuple(f"tests/runtime/test_{test}.py" for test in RUNTIME_TESTS),
    ),
    Part("dnsbl-library", ("filter_api/net/dnsbl/*.py",), ("tests/net/dnsbl", "tests/filter_dnsbl")),
    Part("dkim", ("filter_api/dkim/*.py",), ("tests/dkim", "tests/filter_dkimsign/test_sealing.py")),
    Part("dmarc", ("filter_api/dmarc/*.py",), ("tests/dmarc", "tests/filter_auth/test_policy.py")),
    of_filter("auth", "policy", tests=("test_policy.py", "test_rulings.py")),
    of_filter("clamav", "policy"),
    of_filter("dkimsign", "policy", tests=("test_policy.py", "test_authors.py", "test_reinjected.py")),
    of_filter("dnsbl", "policy"),
    of_filter("dyndns", "policy"),
    of_filter("lists", "policy"),
    of_filter("rdns", "policy", "sender"),
    of_filter("spamassassin", "policy", "thresholds", "scores"),
    of_filter(
        "greylist",
        "rules/*",
        "deciding/*",
        tests=("rules", "deciding", "test_clocks.py", "test_filter.py", "test_listed.py", "test_several_recipients.py"),
    ),
)
