"""The examples of filter_api(3) work as they stand on the page."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import filter_api
from filter_api import Filter
from filter_api.bases.scanning import ScanSettings
from filter_api.wanted import PHASES_OF, REPORT_OF
from tests.testing.test_scanners import Words

PAGE = (Path(__file__).resolve().parents[2] / "man" / "filter_api.3").read_text(encoding="utf-8")
LITERALS: list[str] = [
    text.replace("\\(dq", '"').replace("\\e", "\\")
    for text in re.findall(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", PAGE, re.MULTILINE)
]


def literal(mark: str) -> str:
    (text,) = [text for text in LITERALS if mark in text]
    return text


def test_the_filter_and_its_test() -> None:
    names: dict[str, object] = {"__name__": "example"}
    exec(literal("class RequireReverseDns"), names)  # the page's own words are what is tested
    exec(literal("def test_turns_away"), names)
    test = names["test_turns_away_clients_without_reverse_dns"]
    assert inspect.isfunction(test)
    test()


def test_the_scanner_in_memory() -> None:
    names: dict[str, object] = {"__name__": "example"}
    exec("from __future__ import annotations\n" + literal("def test_evil_is_refused"), names)
    test = names["test_evil_is_refused"]
    assert inspect.isfunction(test)
    test(lambda scanner: Words(ScanSettings(scanner, size_limit=0, keeper=None)))


def test_the_options() -> None:
    names: dict[str, object] = {name: getattr(filter_api, name) for name in filter_api.__all__}
    names.update(Marking=type("Marking", (Filter,), {}), Refusing=type("Refusing", (Filter,), {}), Sequence=list)
    source = literal("def build").replace("main(build", "usage = (lambda _, line: line)(build")
    exec("from __future__ import annotations\n" + source, names)
    build = names["build"]
    assert inspect.isfunction(build)
    assert type(build(["-m", "-n"])).__name__ == "Marking"
    assert build(["-n"]).options.observe
    assert names["usage"] == "filter-example [-m] " + filter_api.COMMON_USAGE


def test_every_hook_is_on_the_page_with_its_arguments() -> None:
    for hook in (*PHASES_OF, *REPORT_OF):
        arguments = " ".join(list(inspect.signature(getattr(Filter, hook)).parameters)[1:])
        assert f"Fn {hook} {arguments}" in PAGE, hook
