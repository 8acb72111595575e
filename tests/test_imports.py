"""Imports point down only, no filter runs a process, and the core starts without heavy libraries."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = sorted((ROOT / "filter_api").rglob("*.py"))
FILTERS = sorted((ROOT / "filters").glob("filter_*/**/*.py"))
CTL = sorted((ROOT / "filters" / "filterctl").rglob("*.py"))

#: The floors of the library, from the ground up: what each part may import of the library, beside its own part.
ALLOWED: dict[str, set[str]] = {
    "bounds": set(),
    "protocol": {"bounds"},
    "text": {"bounds", "protocol", "values"},
    "confinement": set(),
    "names": {"bounds", "text"},
    "control": {"bounds", "text", "values"},
    "values": {"bounds", "protocol", "text", "files", "message", "confinement", "control"},
    "files": {"bounds", "text", "values"},
    "message": {"bounds", "protocol", "text", "values"},
    "quarantine": {"bounds", "text", "files", "values"},
    "net": {"bounds", "text", "files", "message", "values", "confinement"},
    "dkim": {"bounds", "text", "files", "net", "message", "values"},
    "dmarc": {"bounds", "text", "net", "dkim"},
    "bases": {"bounds", "protocol", "text", "names", "files", "message", "quarantine", "net", "values", "confinement"},
    "runtime": {"bounds", "protocol", "text", "files", "message", "values", "confinement", "control"},
    "testing": {"bounds", "protocol", "text", "names", "files", "message", "net", "runtime", "values"},
}
FORBIDDEN = {"subprocess", "pickle", "shelve", "marshal", "multiprocessing", "pty"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_OS = {"system", "popen", "execv", "execvp", "execve", "spawnv", "spawnl", "fork", "forkpty", "posix_spawn"}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names.add(module)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return names


def part_of(module: str) -> str | None:
    """The part of the library a module belongs to; None for what is not the library."""
    first, *rest = module.split(".")
    if first != "filter_api":
        return None
    if not rest:
        return "api"
    return rest[0] if rest[0] in ALLOWED else "values"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_imports_downwards(path: Path) -> None:
    relative = path.relative_to(ROOT / "filter_api")
    if relative.parts in {("__init__.py",), ("tables.py",)}:
        return  # public names, of several parts
    own = part_of(".".join(["filter_api", *relative.with_suffix("").parts])) or ""
    allowed = ALLOWED[own] | {own}
    for module in imports(path):
        part = part_of(module)
        if part is not None and module != "filter_api":
            assert part in allowed, f"{path.name} of {own} imports {module}"
        assert not module.startswith(("filters", "filterctl", "filter_rdns", "filter_greylist")), module


def test_no_module_needs_one_that_needs_it_not_even_later_or_for_a_type() -> None:
    """A circle would be a CycleError, which names it."""
    files = {_module(path): path for path in [*LIBRARY, *FILTERS, *CTL]}
    needs = {name: (imports(path) & files.keys()) - {name} for name, path in files.items()}
    order = list(TopologicalSorter({name: each - _packages(each) for name, each in needs.items()}).static_order())
    assert len(order) == len(files)


def _module(path: Path) -> str:
    """The name by which a file is imported."""
    top = ROOT if path.is_relative_to(ROOT / "filter_api") else ROOT / "filters"
    return ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__")


def _packages(modules: set[str]) -> set[str]:
    """Packages that are named only because something in them is imported."""
    return {name for name in modules if any(other.startswith(name + ".") for other in modules)}


def test_the_core_of_the_protocol_is_pure() -> None:
    for path in (ROOT / "filter_api" / "protocol").glob("*.py"):
        foreign = {name.split(".")[0] for name in imports(path)} - {"filter_api"}
        assert not foreign & {"asyncio", "socket", "time", "os", "logging", "signal"}, path.name


@pytest.mark.parametrize("path", FILTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_filter_imports_another(path: Path) -> None:
    own = path.relative_to(ROOT / "filters").parts[0]
    for module in imports(path):
        top = module.split(".")[0]
        assert not (top.startswith("filter_") and top not in {own, "filter_api"}), f"{path}: {module}"
        assert top != "filterctl", f"{path}: {module}"
        assert not module.startswith("filter_api.testing"), f"{path}: {module}"


@pytest.mark.parametrize("path", CTL, ids=lambda path: str(path.relative_to(ROOT)))
def test_filterctl_knows_of_a_filter_only_its_verbs(path: Path) -> None:
    for module in imports(path):
        top, *rest = module.split(".")
        if top.startswith("filter_") and top != "filter_api":
            assert rest[:1] == ["ctl"], f"{path}: {module}"


@pytest.mark.parametrize("path", [*LIBRARY, *FILTERS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_filter_runs_a_process_or_a_string(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & FORBIDDEN
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                assert node.func.id not in FORBIDDEN_CALLS, f"{path}:{node.lineno}"
            elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
                called = (node.func.value.id, node.func.attr)
                assert called[0] != "os" or called[1] not in FORBIDDEN_OS, f"{path}:{node.lineno}"
                assert "create_subprocess" not in called[1], f"{path}:{node.lineno}"


def test_a_small_filter_starts_without_heavy_libraries() -> None:
    program = (
        "import sys; import filter_api, filter_rdns.__main__, filter_dyndns.__main__, filter_lists.__main__;"
        "import filter_auth.__main__;"
        "heavy = {'dns', 'cryptography', 'redis', 'sqlite3', 'hypothesis', 'email', 'http', 'argparse'};"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
