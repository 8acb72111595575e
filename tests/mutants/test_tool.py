"""The tool behind make mutants, without mutmut: what it would try, and how it counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.mutants import equivalent, results
from tools.mutants.__main__ import good, row
from tools.mutants.parts import PARTS, Part
from tools.mutants.results import Module
from tools.mutants.room import ROOT, settings

DIFF = """# filter_api.facts.x_f__mutmut_1: survived
--- filter_api/facts.py
+++ filter_api/facts.py
@@ -1,2 +1,2 @@
 def f(a: int) -> bool:
-    return a < 1
+    return a <= 1
"""


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_has_code_and_tests_that_are_there(part: Part) -> None:
    for pattern in part.code:
        assert [*ROOT.glob(pattern), *(ROOT / "filters").glob(pattern)], pattern
    for test in part.tests:
        assert (ROOT / test).exists(), test
    assert f'"{part.code[0]}"' in settings(part)


def test_no_two_parts_share_a_name() -> None:
    assert len({part.name for part in PARTS}) == len(PARTS)


def test_a_sample_is_the_same_each_time_grows_by_what_is_new_and_is_all_if_there_are_no_more() -> None:
    module = Module("filter_api/facts.py", dict.fromkeys(map(str, range(100))))
    assert module.sample(10) == module.sample(10)
    assert len(set(module.sample(10))) == 10
    assert module.sample(20)[:10] == module.sample(10)
    assert sorted(module.sample(None)) == sorted(module.sample(100)) == sorted(module.statuses)
    fewer = Module("filter_api/facts.py", dict.fromkeys(map(str, range(90))))
    assert fewer.sample(10) == [name for name in module.sample(None) if int(name) < 90][:10]


def test_what_was_tried_is_killed_or_alive() -> None:
    """Killed by a test, by its time; survived; no test calls it; pytest found none; not tried."""
    module = Module("x.py", {"a": 1, "b": -24, "c": 0, "d": 33, "e": 35, "f": None})
    assert (module.tried, module.killed, module.alive()) == (5, 2, ["c", "d", "e"])
    assert row("x.py", [module]).split() == ["x.py", "6", "5", "2", "3", "40.0", "%"]


@pytest.mark.parametrize(("killed", "enough"), [(89, False), (90, True)])
def test_ninety_in_a_hundred_are_enough(killed: int, enough: bool) -> None:
    statuses: dict[str, int | None] = {str(number): int(number < killed) for number in range(100)}
    assert good([Module("x.py", statuses)]) is enough
    assert not good([Module("x.py", {"a": None})]), "nothing was tried"


def test_what_mutmut_has_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part("p", ("pack/*.py",), ("tests",))
    folder = tmp_path / "p/mutants/pack"
    folder.mkdir(parents=True)
    (folder / "a.py.meta").write_text(json.dumps({"exit_code_by_key": {"pack.a.x_f__mutmut_1": 1}}))
    (folder / "b.py.meta").write_text(json.dumps({"exit_code_by_key": {}}))
    monkeypatch.setattr(results, "ROOMS", tmp_path)
    assert results.modules(part) == [Module("pack/a.py", {"pack.a.x_f__mutmut_1": 1})]


def test_survivors_are_tried_again_only_when_a_test_has_changed(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").write_text("a")
    assert not results.tests_have_changed(tmp_path), "the first time nothing has been tried"
    assert not results.tests_have_changed(tmp_path)
    (tmp_path / "tests/test_a.py").write_text("b")
    assert results.tests_have_changed(tmp_path)
    assert not results.tests_have_changed(tmp_path)


def test_a_change_is_one_line_and_known_by_what_it_says(tmp_path: Path) -> None:
    assert equivalent.change_in(DIFF) == "-return a < 1 +return a <= 1"
    path = tmp_path / "equivalent.toml"
    path.write_text("[[equivalent]]\nreason = 'r'\nwhere = 'filter_api/*.py'\nchange = 'a < 1 .*a <= 1'\n")
    known = equivalent.read(path)
    assert equivalent.reason_for(known, "filter_api/facts.py", DIFF) == "r"
    assert equivalent.reason_for(known, "filter_rdns/policy.py", DIFF) is None
    assert equivalent.reason_for(known, "filter_api/facts.py", DIFF.replace("<= 1", "< 2")) is None


def test_every_entry_of_the_list_has_a_reason_and_modules_that_are_there() -> None:
    for each in equivalent.read():
        assert each.reason.endswith(".")
        assert each.where == "*" or [*ROOT.glob(each.where), *(ROOT / "filters").glob(each.where)], each.where
