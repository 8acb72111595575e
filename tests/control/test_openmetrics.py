"""The metrics are what OpenMetrics says, by its own parser, and hold nothing that a client chose."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from filter_api.control.classes import CLASSES
from filter_api.control.document import Answers, Status, quantile
from filter_api.control.openmetrics import exposition
from tests.support.metrics import samples


def status(**changes: object) -> Status:
    """One of a filter that has done something of everything."""
    whole = {
        "process": "_smtpd/filter-test",
        "program": "filter-test",
        "command": "filter-test -n",
        "version": "1.2.3",
        "pid": 7,
        "ready": True,
        "started": 1_700_000_000.25,
        "uptime": 12.5,
        "cpu_seconds": 0.25,
        "smtpd": "7.8.0",
        "confinement": "nothing",
        "verbose": False,
        "sessions": 30,
        "sessions_open": 3,
        "messages": 20,
        "messages_held": 2,
        "questions_open": 1,
        "library_refusals": 4,
        "held_bytes": 65536,
        "memory_bytes": 16384,
        "unwritten_bytes": 10,
        "log_dropped": 0,
        "commands": {"classes": [90, 5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1], "seconds": 3.5},
        "examined": {"classes": [0] * 13, "seconds": 0.0},
        "members": [
            {
                "name": "test",
                "options": "-n",
                "failure": "tempfail",
                "observe": False,
                "decisions": [{"phase": "mail-from", "verdict": "reject", "reason": "no-ptr", "count": 5}],
                "replies": [{"code": "550", "enhanced": "5.7.1", "count": 5}],
                "failed": 2,
                "timed_out": 1,
                "exceptions": 0,
                "figures": [
                    {
                        "name": "dnsbl_answers",
                        "kind": "counter",
                        "help": "Answers of lists.",
                        "labels": {"list": "zen.example", "answer": answer},
                        "value": value,
                    }
                    for answer, value in (("listed", 3), ("clear", 9))
                ],
            }
        ],
        "files": [
            {
                "path": "/etc/mail/exempt",
                "size": 9,
                "modified": 1_700_000_001.5,
                "loaded": 1_700_000_002.25,
                "error": "x",
            }
        ],
        "backends": [{"name": "127.0.0.1:783", "up": False}],
        "queues": [{"name": "127.0.0.1:783", "waiting": 8, "asking": 16}],
        "figures": [
            {
                "name": "dns_open",
                "kind": "gauge",
                "help": "Questions without an answer yet.",
                "labels": {},
                "value": 2.5,
            }
        ],
    }
    return {**whole, **changes}  # type: ignore[typeddict-item]  # what a test changes fits


def by_labels(text: str) -> dict[str, float]:
    """``name{label=value,…}`` → value."""
    found = {}
    for sample in samples(text):
        labels = ",".join(f"{key}={value}" for key, value in sample.labels.items() if key != "process")
        found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_prometheus_reads_what_was_counted() -> None:
    found = by_labels(exposition([status()]))
    for name, value in {
        "filter_info{program=filter-test,version=1.2.3,confinement=nothing}": 1,
        "filter_ready{}": 1,
        "filter_start_time_seconds{}": 1_700_000_000.25,
        "filter_cpu_seconds_total{}": 0.25,
        "filter_sessions_total{}": 30,
        "filter_sessions_open{}": 3,
        "filter_messages_total{}": 20,
        "filter_messages_held{}": 2,
        "filter_held_bytes{}": 65536,
        "filter_held_memory_bytes{}": 16384,
        "filter_questions_open{}": 1,
        "filter_unwritten_bytes{}": 10,
        "filter_library_refusals_total{}": 4,
        "filter_log_dropped{}": 0,
        "filter_decisions_total{filter=test,phase=mail-from,verdict=reject,reason=no-ptr}": 5,
        "filter_replies_total{filter=test,code=550,enhanced=5.7.1}": 5,
        "filter_failures_total{filter=test}": 2,
        "filter_timeouts_total{filter=test}": 1,
        "filter_exceptions_total{filter=test}": 0,
        "filter_answer_seconds_bucket{of=command,le=0.005}": 90,
        "filter_answer_seconds_bucket{of=command,le=0.5}": 99,
        "filter_answer_seconds_bucket{of=command,le=+Inf}": 100,
        "filter_answer_seconds_count{of=command}": 100,
        "filter_answer_seconds_sum{of=command}": 3.5,
        "filter_answer_seconds_count{of=message}": 0,
        "filter_file_good{path=/etc/mail/exempt}": 0,
        "filter_file_modified_seconds{path=/etc/mail/exempt}": 1_700_000_001.5,
        "filter_file_loaded_seconds{path=/etc/mail/exempt}": 1_700_000_002.25,
        "filter_backend_up{backend=127.0.0.1:783}": 0,
        "filter_backend_waiting{backend=127.0.0.1:783}": 8,
        "filter_backend_asking{backend=127.0.0.1:783}": 16,
        "filter_dns_open{}": 2.5,
        "filter_dnsbl_answers_total{filter=test,list=zen.example,answer=listed}": 3,
        "filter_dnsbl_answers_total{filter=test,list=zen.example,answer=clear}": 9,
    }.items():
        assert found[name] == value, name


def test_several_processes_are_one_text_with_each_family_once() -> None:
    text = exposition([status(), status(process="_greylist/filter-greylist", sessions=7)])
    assert text.count("# TYPE filter_sessions counter") == 1
    assert text.endswith("# EOF\n")
    assert 'filter_sessions_total{process="_smtpd/filter-test"} 30\n' in text
    assert 'filter_sessions_total{process="_greylist/filter-greylist"} 7\n' in text
    assert len(samples(text)) > 60


@given(st.text(max_size=40))
def test_a_name_of_any_characters_comes_through_the_parser(name: str) -> None:
    text = exposition([status(files=[{"path": name, "size": 0, "modified": 0.0, "loaded": 0.0, "error": ""}])])
    found = {sample.labels["path"] for sample in samples(text) if sample.name == "filter_file_good"}
    assert found == {name}


def answers(*classes: int) -> Answers:
    return {"classes": [*classes, *[0] * (len(CLASSES) + 1 - len(classes))], "seconds": 0.0}


def test_a_quantile_is_the_end_of_the_class_it_lies_in() -> None:
    assert quantile(answers(), 0.5) == 0.0
    assert quantile(answers(50, 50), 0.5) == 0.005
    assert quantile(answers(49, 51), 0.5) == 0.025
    assert quantile(answers(98, 0, 0, 0, 0, 2), 0.99) == 1.0
    assert math.isinf(quantile(answers(*[0] * len(CLASSES), 1), 0.5))
