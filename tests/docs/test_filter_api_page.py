"""The examples of filter_api(3) work as they stand on the page."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

import filter_api
from filter_api import Filter
from filter_api.bases.scanning import ScanSettings
from filter_api.testing import Player
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


def test_what_a_filter_wants_may_depend_on_its_options() -> None:
    names: dict[str, object] = {name: getattr(filter_api, name) for name in filter_api.__all__}
    exec("from __future__ import annotations\n" + literal("class RequireReverseDns"), names)
    exec("from __future__ import annotations\n" + literal("class Sometimes"), names)
    made = names["Sometimes"]
    assert isinstance(made, type)
    filter_ = made()
    assert isinstance(filter_, Filter)
    assert "on_connect" in filter_.wanted()
    filter_.named_only = False  # type: ignore[attr-defined]  # of the class on the page
    assert filter_.wanted().phases == []


def test_removing_some_fields_of_a_name() -> None:
    names: dict[str, object] = {name: getattr(filter_api, name) for name in filter_api.__all__}
    body = "\n".join("    " + line for line in literal("message.header.removals").split("\n"))
    exec("from __future__ import annotations\nclass Seen(Filter):\n" + body, names)
    made = names["Seen"]
    assert isinstance(made, type)
    with Player(made()) as smtpd:
        done = smtpd.connect().mail(b"X-Seen-By: mx.example.org\r\nx-seen-by: other\r\n\r\nx\r\n")
    assert done.text.startswith(b"X-Seen-By: mx.example.org\r\nReceived: ")
    assert done.text.endswith(b"\r\nx-seen-by: other\r\n\r\nx\r\n")


def test_every_public_name_is_on_the_page() -> None:
    missing = [name for name in filter_api.__all__ if not re.search(rf"\b{name}\b", PAGE)]
    assert missing == []


#: Public to the runtime and the tests, which hand it out and fill it in.
RUNTIMES = {"append", "queued_at", "overrides", "close", "wire", "outgoing", "named", "spool", "is_named", "learn"}


def test_everything_a_filter_may_use_is_on_the_page() -> None:
    for kind in (
        Filter,
        filter_api.Message,
        filter_api.HeaderView,
        filter_api.Field,
        filter_api.Server,
        filter_api.Context,
    ):
        for name in dir(kind):
            if not name.startswith("_") and name not in RUNTIMES | {*PHASES_OF, *REPORT_OF}:
                assert re.search(rf"\b{name}\b", PAGE), f"{kind.__name__}.{name}"


#: Of the testing tools: what `Client` needs of `Player`, and what classes inherit.
INSIDE = {"token", "head"}


@pytest.mark.parametrize("module", ["filter_api.testing", "filter_api.tables"])
def test_every_tool_is_on_the_page_with_its_methods(module: str) -> None:
    public = importlib.import_module(module)
    missing = []
    for name in public.__all__:
        kind = getattr(public, name)
        own = {each for each in vars(kind) if not each.startswith("_")}
        own |= {each for each in getattr(kind, "__annotations__", {}) if not each.startswith("_")}
        missing += [f"{name}.{each}" for each in {name, *own} - INSIDE if not re.search(rf"\b{each}\b", PAGE)]
    assert missing == []


@pytest.mark.parametrize("module", ["filter_api.testing.servers", "filter_api.testing.strategies"])
def test_every_fake_is_on_the_page(module: str) -> None:
    made = vars(importlib.import_module(module))
    names = [name for name, each in made.items() if inspect.isfunction(each) and each.__module__ == module]
    names = [name for name in names if not name.startswith("_")]
    assert len(names) >= 4
    assert [name for name in names if not re.search(rf"\b{name}\b", PAGE)] == []
