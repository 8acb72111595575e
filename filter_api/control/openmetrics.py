"""A `Status` as OpenMetrics text, which Prometheus reads. Names and labels are listed in opensmtpd-filters(7).

Label values are names of programs, members, files, lists and daemons that the operator chose, phases and verdicts of
the protocol, reply codes, and words of the code: nothing of a client.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final, NamedTuple

from filter_api.control.classes import CLASSES
from filter_api.control.document import Answers, Figured, Status

END: Final = "# EOF\n"

Labels = Mapping[str, str]


class Sample(NamedTuple):
    """suffix: behind the name of its family."""

    suffix: str
    labels: Labels
    value: float


class Family(NamedTuple):
    """Samples of one name. kind: ``counter``, ``gauge`` or ``histogram``, which older readers know as well."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


def exposition(statuses: Iterable[Status]) -> str:
    """The text for one process or several, with one family for each name."""
    families: dict[str, Family] = {}
    for status in statuses:
        for family in families_of(status):
            families.setdefault(family.name, family._replace(samples=[])).samples.extend(family.samples)
    return "".join([text for family in families.values() for text in _lines(family)]) + END


def families_of(status: Status) -> list[Family]:
    """What one process counts."""
    process = {"process": status["process"]}

    def one(name: str, kind: str, text: str, value: float) -> Family:
        return Family(name, kind, text, [Sample("_total" if kind == "counter" else "", process, value)])

    about = {"program": status["program"], "version": status["version"], "confinement": status["confinement"]}
    return [
        Family("filter_info", "gauge", "The process.", [Sample("", {**process, **about}, 1)]),
        one("filter_ready", "gauge", "Whether everything it needs is open.", status["ready"]),
        one("filter_start_time_seconds", "gauge", "When it started, in seconds since 1970.", status["started"]),
        one("filter_cpu_seconds", "counter", "Processor time it used.", status["cpu_seconds"]),
        one("filter_sessions", "counter", "Sessions smtpd told of.", status["sessions"]),
        one("filter_sessions_open", "gauge", "Sessions that are open.", status["sessions_open"]),
        one("filter_messages", "counter", "Messages it held.", status["messages"]),
        one("filter_messages_held", "gauge", "Messages it holds.", status["messages_held"]),
        one("filter_held_bytes", "gauge", "Bytes reserved for them.", status["held_bytes"]),
        one("filter_held_memory_bytes", "gauge", "Bytes of them in memory.", status["memory_bytes"]),
        one("filter_questions_open", "gauge", "Questions of smtpd not answered yet.", status["questions_open"]),
        one("filter_unwritten_bytes", "gauge", "Bytes that smtpd has not taken yet.", status["unwritten_bytes"]),
        one("filter_library_refusals", "counter", "Messages that cannot be held.", status["library_refusals"]),
        one("filter_log_dropped", "gauge", "Lines lost since the log was last written.", status["log_dropped"]),
        *_of_members(status, process),
        *_of_answers(status, process),
        *_of_others(status, process),
        *_figures(status["figures"], process),
        *(
            family
            for member in status["members"]
            for family in _figures(member["figures"], {**process, "filter": member["name"]})
        ),
    ]


def _figures(figures: Iterable[Figured], own: Labels) -> Iterator[Family]:
    """What the parts of a process count and measure themselves."""
    for each in figures:
        counts = each["kind"] == "counter"
        sample = Sample("_total" if counts else "", {**own, **each["labels"]}, each["value"])
        yield Family(f"filter_{each['name']}", "counter" if counts else "gauge", each["help"], [sample])


def _of_members(status: Status, process: Labels) -> list[Family]:
    decisions, replies, failures, timeouts, exceptions = [], [], [], [], []
    for member in status["members"]:
        own = {**process, "filter": member["name"]}
        for each in member["decisions"]:
            labels = {**own, "phase": each["phase"], "verdict": each["verdict"], "reason": each["reason"]}
            decisions.append(Sample("_total", labels, each["count"]))
        for reply in member["replies"]:
            labels = {**own, "code": reply["code"], "enhanced": reply["enhanced"]}
            replies.append(Sample("_total", labels, reply["count"]))
        failures.append(Sample("_total", own, member["failed"]))
        timeouts.append(Sample("_total", own, member["timed_out"]))
        exceptions.append(Sample("_total", own, member["exceptions"]))
    return [
        Family("filter_decisions", "counter", "Decisions of a filter.", decisions),
        Family("filter_replies", "counter", "Refusals by their codes.", replies),
        Family("filter_failures", "counter", "Decisions that its failure policy made.", failures),
        Family("filter_timeouts", "counter", "Of these, those not made in time.", timeouts),
        Family("filter_exceptions", "counter", "Mistakes of its own.", exceptions),
    ]


def _of_answers(status: Status, process: Labels) -> list[Family]:
    samples = _histogram({**process, "of": "command"}, status["commands"])
    samples += _histogram({**process, "of": "message"}, status["examined"])
    return [Family("filter_answer_seconds", "histogram", "How long smtpd waited for an answer.", samples)]


def _histogram(labels: Labels, answers: Answers) -> list[Sample]:
    ends = [*(str(end) for end in CLASSES), "+Inf"]
    sums = list(accumulate(answers["classes"]))
    buckets = [Sample("_bucket", {**labels, "le": end}, count) for end, count in zip(ends, sums, strict=True)]
    return [*buckets, Sample("_count", labels, sums[-1]), Sample("_sum", labels, answers["seconds"])]


def _of_others(status: Status, process: Labels) -> list[Family]:
    good, modified, loaded = [], [], []
    for file in status["files"]:
        labels = {**process, "path": file["path"]}
        good.append(Sample("", labels, not file["error"]))
        modified.append(Sample("", labels, file["modified"]))
        loaded.append(Sample("", labels, file["loaded"]))
    up = [Sample("", {**process, "backend": each["name"]}, each["up"]) for each in status["backends"]]
    queues = [({**process, "backend": each["name"]}, each) for each in status["queues"]]
    return [
        Family("filter_file_good", "gauge", "Whether the newest version of a file is in use.", good),
        Family("filter_file_modified_seconds", "gauge", "When the version in use was written.", modified),
        Family("filter_file_loaded_seconds", "gauge", "When the version in use was read.", loaded),
        Family("filter_backend_up", "gauge", "Whether a daemon is not held to be down.", up),
        Family(
            "filter_backend_waiting",
            "gauge",
            "Questions that wait for their turn.",
            [Sample("", labels, each["waiting"]) for labels, each in queues],
        ),
        Family(
            "filter_backend_asking",
            "gauge",
            "Questions that are being asked.",
            [Sample("", labels, each["asking"]) for labels, each in queues],
        ),
    ]


def _lines(family: Family) -> list[str]:
    head = f"# TYPE {family.name} {family.kind}\n# HELP {family.name} {family.help}\n"
    return [head, *(_line(family.name, sample) for sample in family.samples)]


def _line(name: str, sample: Sample) -> str:
    labels = ",".join([f'{key}="{_escaped(value)}"' for key, value in sample.labels.items()])
    return f"{name}{sample.suffix}{{{labels}}} {_number(sample.value)}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
