"""What is imported and when, and where the name servers come from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from filter_api.net.dns.dnspython import DnspythonBackend


def test_dnspython_is_not_imported_before_the_first_question() -> None:
    code = "import sys, filter_api.net.dns as d; d.Resolver(); sys.exit('dns' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_httpx_is_not_imported_with_dnspython(tmp_path: Path) -> None:
    """Where it is installed, dnspython would import it for DNS over HTTPS; here it is a decoy that counts as new."""
    for package in ("httpx2", "httpcore2", "httpx", "httpcore", "h2"):
        (tmp_path / f"{package}.py").write_text("import os; os._exit(3)")
        metadata = tmp_path / f"{package}-99.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 99\n")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    left = "; sys.exit(any(module is None for module in sys.modules.values()))"
    for code, status in (("import dns.asyncresolver", 3), ("import filter_api.net.dns.dnspython" + left, 0)):
        assert subprocess.run([sys.executable, "-c", path + code]).returncode == status


def test_resolv_conf_is_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filter_api.net.dns.dnspython.RECHECK", 0.0)
    path = tmp_path / "resolv.conf"
    backend = DnspythonBackend(resolv_conf=str(path))
    assert backend.nameservers() == ["127.0.0.1"]
    path.write_text("nameserver 192.0.2.53\nsearch example.org\n")
    assert backend.nameservers() == ["192.0.2.53"]
    path.write_text("nameserver 192.0.2.54\nnameserver 2001:db8::53\n")
    assert backend.nameservers() == ["192.0.2.54", "2001:db8::53"]
    for mistake in (b"nameserver \xff\xfe\n", b"search example.org\n", b""):
        path.write_bytes(mistake)
        assert backend.nameservers() == ["192.0.2.54", "2001:db8::53"]
    path.unlink()
    assert backend.nameservers() == ["192.0.2.54", "2001:db8::53"]
    path.write_text("nameserver 192.0.2.55\n")
    assert backend.nameservers() == ["192.0.2.55"]
