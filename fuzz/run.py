"""Look for inputs that make a target fail:

    python -m fuzz.run [-t seconds] [target ...]

By default each target for ten minutes, one after the other. With atheris (a test extra; it has wheels for Linux) what
code an input reaches guides the search, which starts from the corpus; without it hypothesis makes the inputs. An input
that fails is written to build/fuzz, with the error; once it is mended, it belongs into the corpus.
"""

from __future__ import annotations

import getopt
import hashlib
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
FOUND = HERE.parent / "build" / "fuzz"
LARGEST = 4096
"""Bytes of an input."""


def main(arguments: list[str]) -> int:
    """0 if nothing was found."""
    options, names = getopt.getopt(arguments, "t:", ["guided="])
    values = dict(options)
    seconds = int(values.get("-t", "600"))
    if "--guided" in values:
        return _guided(values["--guided"], seconds)
    from fuzz.targets import TARGETS

    failed = []
    for name in names or TARGETS:
        print(f"fuzz: {name}, {seconds} s", flush=True)
        if not _search(name, TARGETS[name], seconds):
            failed.append(name)
    print(f"fuzz: {'found something in ' + ', '.join(failed) if failed else 'nothing found'}")
    return 1 if failed else 0


def _search(name: str, target: Callable[[bytes], None], seconds: int) -> bool:
    """Whether the target held."""
    FOUND.joinpath(name).mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris") is None:
        return _by_hypothesis(target, seconds)
    words = [sys.executable, "-m", "fuzz.run", "-t", str(seconds), "--guided", name]
    with (FOUND / name / "log").open("wb") as log:
        held = subprocess.run(words, stdout=log, stderr=log, check=False).returncode == 0
    for line in (FOUND / name / "log").read_text(errors="replace").splitlines():
        if line.startswith("stat::number_of_executed_units") or (not held and "Error" in line):
            print(f"fuzz: {line}", flush=True)
    return held


def _guided(name: str, seconds: int) -> int:
    """In a process of its own, which libFuzzer ends."""
    import atheris

    programs = [path.parent.name for path in (HERE.parent / "filters").glob("*/__init__.py")]
    with atheris.instrument_imports(include=["filter_api", *programs]):
        from fuzz.targets import TARGETS
    corpus = FOUND / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    bounds = [f"-max_total_time={seconds}", f"-max_len={LARGEST}", "-timeout=10", "-rss_limit_mb=2048"]
    places = [f"-artifact_prefix={FOUND / name}/", str(corpus), str(HERE / "corpus" / name)]
    atheris.Setup([sys.argv[0], *bounds, "-print_final_stats=1", *places], _keeping(TARGETS[name], FOUND / name))
    atheris.Fuzz()
    return 0


def _keeping(target: Callable[[bytes], None], folder: Path) -> Callable[[bytes], None]:
    """The target; an input it fails on is kept, as not every libFuzzer gets to do it."""

    def hold(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            (folder / f"failed-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)
            raise

    return hold


def _by_hypothesis(target: Callable[[bytes], None], seconds: int) -> bool:
    until = time.monotonic() + seconds
    marks = st.sampled_from([b"\n", b"|", b";", b"=", b'"', b"\\", b"@"])
    pieces = st.lists(st.binary(max_size=80) | marks, max_size=40)

    @settings(max_examples=2_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(pieces.map(b"".join))
    def hold(data: bytes) -> None:
        target(data)

    while time.monotonic() < until:
        try:
            hold()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
            print(f"fuzz: {error!r}")
            return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
