"""The folder in which the mutants of one part are made and tried: build/mutants/NAME.

mutmut names a mutant by the path of its file and looks for it by the name of its module, so both must be the same: the
packages of filters/ lie at the top of a room, as they do where they are installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .parts import Part

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ROOT / "build/mutants"
BESIDE = ("examples", "man", "tests")
"""What tests look at beside the code."""
SELECTION = ("-m", "not daemon and not slow and not timed", "-k", "not imported")
"""Only tests that are fast and have the same result on a busy machine; those of what is imported also see mutmut."""


def packages() -> list[Path]:
    """The library and each filter."""
    return [ROOT / "filter_api", *sorted((ROOT / "filters").glob("filter*"))]


def sources() -> Iterator[tuple[Path, Path]]:
    """What a room has of the checkout: the file, and its path in the room."""
    for folder in [*packages(), *(ROOT / name for name in BESIDE)]:
        for path in folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path, Path(folder.name) / path.relative_to(folder)


def lay(part: Part) -> Path:
    """Makes the room or brings it up to date: only files that differ are written, since mutmut goes by their times."""
    room = ROOMS / part.name
    (room / "mutants").mkdir(parents=True, exist_ok=True)  # Python never again looks for a folder of its path
    wanted = set()
    for source, path in sources():
        wanted.add(path)
        there = room / path
        if not there.exists() or there.read_bytes() != source.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, there)
            shutil.copymode(source, there)
    for top in {path.parts[0] for path in wanted}:
        for tree in (room, room / "mutants"):
            _sweep(tree, top, wanted)
    (room / "pyproject.toml").write_text(settings(part))
    shared = room / "shared"  # what some tests read lies beside a checkout; theirs is in room/mutants
    if not shared.is_symlink():
        shared.symlink_to(os.path.relpath(ROOT.parent / "shared", room))
    return room


def _sweep(tree: Path, top: str, wanted: set[Path]) -> None:
    """What the checkout no longer has goes, or its tests would still be run."""
    for path in (tree / top).rglob("*.py"):
        if path.relative_to(tree) not in wanted:
            path.unlink()


def settings(part: Part) -> str:
    """pyproject.toml of the room: the project's, and what mutmut is to do."""
    mutmut: dict[str, object] = {
        "source_paths": [folder.name for folder in packages()],
        "only_mutate": list(part.code),
        "also_copy": list(BESIDE),
        "pytest_add_cli_args_test_selection": list(part.tests),
        "pytest_add_cli_args": [*SELECTION, "--timeout=20", "-p", "no:cacheprovider", "-p", "tools.mutants.plugin"],
        "timeout_multiplier": 4.0,
        "timeout_constant": 5.0,
        "use_git_change_detection": False,
        "on_dependency_change": "ignore",
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in mutmut.items()]
    return (ROOT / "pyproject.toml").read_text() + "\n[tool.mutmut]\n" + "\n".join(lines) + "\n"


def made(part: Part, room: Path) -> dict[str, list[str]]:
    """The names of the mutants that mutmut makes of each module of a part."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    names = {}
    with contextlib.chdir(room):  # where mutmut looks for its settings
        for path in sorted(path for pattern in part.code for path in Path().glob(pattern)):
            mutants = mutate_file_contents(str(path), path.read_text()).mutant_names
            names[str(path)] = [get_mutant_name(path, mutant) for mutant in mutants]
    return names
