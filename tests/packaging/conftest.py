"""What the tests of packages share: Debian's tools, the built package, and fresh systems to install it in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from filter_api.version import VERSION
from tools.private_smtpd.systems import cache_folder

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("dpkg-buildpackage", "dh", "dh_python3", "lintian")
#: Debian's own tools and Python, whatever virtual environment the tests run in.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8"}

#: An overlay over a kept system, in memory, in namespaces of its own; $1 room, $2 system, $3 share, $4 script.
FRESH = """
ip link set lo up
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/system"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/system"
cd "$1/system"
mount -t proc proc proc
mount -t tmpfs tmpfs dev
for name in null zero urandom; do touch "dev/$name"; mount --bind "/dev/$name" "dev/$name"; done
mount -t tmpfs tmpfs run
mkdir share
mount --bind "$3" share
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
printf '%s' "$4" >run/script # not on a command line: what is looked for among processes would be found there
exec chroot . sh -eu /run/script 2>&1
"""

Play: TypeAlias = Callable[[str, str], str]


def run(words: list[str], folder: Path, timeout: float = 110) -> str:
    """Run a tool of Debian's; give what it printed."""
    done = subprocess.run(
        words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def completion(shell: str) -> str:
    """What filterctl prints to complete itself."""
    words = [sys.executable, "-m", "filterctl", "completion", shell]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'filters'}"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "quarantine" in done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the sources, ``source``, which fresh systems see as /share."""
    folder = tmp_path_factory.mktemp("share")
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "dist")
    shutil.copytree(ROOT, folder / "source", ignore=ignored, symlinks=True)
    return folder


@pytest.fixture(scope="session")
def package(share: Path) -> Path:
    """The built package, beside the sources."""
    if any(shutil.which(tool, path=ENVIRONMENT["PATH"]) is None for tool in TOOLS) or not any(
        Path("/usr/lib/python3/dist-packages").glob("hatchling")
    ):
        pytest.skip("needs Debian with debhelper, dh-python, pybuild-plugin-pyproject, python3-hatchling and lintian")
    built = share.parent / f"{share.name}-debian"
    shutil.copytree(share / "source", built / "source", symlinks=True)
    run(["dpkg-buildpackage", "-b", "-us", "-uc"], built / "source")
    return built / f"opensmtpd-filters_{VERSION}-1_all.deb"


@pytest.fixture
def play(share: Path, tmp_path: Path) -> Play:
    """Run a shell script as root in a system of this name as it was made; give what it printed."""

    def played(suite: str, script: str) -> str:
        folder = cache_folder() / f"{suite}-bare"
        if os.geteuid() != 0 or not (folder / ".complete").exists():
            pytest.skip(f"needs root and {folder}; tools/daemons makes it")
        room = tmp_path / "room"
        room.mkdir()
        unshare = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        words = ["sh", "-euc", FRESH, "sh", str(room), str(folder), str(share), f"cd /share/source\n{script}"]
        return run([*unshare, *words], tmp_path, timeout=220)

    return played
