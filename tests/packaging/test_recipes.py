"""The recipes for Alpine and Void: what their functions install, without the tools of these systems."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from filter_api.version import VERSION
from tests.packaging.conftest import completion

ROOT = Path(__file__).resolve().parents[2]
FILTERS = {path.parent.name.replace("_", "-") for path in ROOT.glob("filters/filter_*/__main__.py")}
ALPINE = 'srcdir=. pkgdir=$1; . "$2"; builddir=.; package'
VOID = 'DESTDIR=$1; vlicense() { test -f "$1"; }; . "$2"; do_install'


@pytest.mark.parametrize(
    ("recipe", "script", "libexec", "program"),
    [
        ("alpine/opensmtpd-filters/APKBUILD", ALPINE, "usr/lib/opensmtpd", "usr/sbin/filterctl"),
        ("void/opensmtpd-filters/template", VOID, "usr/libexec/opensmtpd", "usr/bin/filterctl"),
    ],
    ids=["alpine", "void"],
)
def test_it_installs_filters_where_that_systems_smtpd_looks(
    recipe: str, script: str, libexec: str, program: str, tmp_path: Path
) -> None:
    words = ["sh", "-euc", script, "sh", str(tmp_path), str(ROOT / "ports" / recipe)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / libexec).iterdir()} == FILTERS
    assert (tmp_path / program).is_file()
    for path, shell in (("bash-completion/completions/filterctl", "bash"), ("zsh/site-functions/_filterctl", "zsh")):
        assert (tmp_path / "usr/share" / path).read_text() == completion(shell)
    assert f"ver={VERSION}\n" in (ROOT / "ports" / recipe).read_text().replace("version=", "ver=")
