"""What is imported and when, and where the name servers come from."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import dns.resolver
import pytest

from filter_api.confinement import recalled
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


@pytest.fixture
def shut(monkeypatch: pytest.MonkeyPatch) -> None:
    """resolv.conf cannot be read by its name, as when a confined process finds another file in its place."""
    read = dns.resolver.BaseResolver.read_resolv_conf

    def refuse(self: dns.resolver.BaseResolver, file: Any) -> None:  # noqa: ANN401 - a path or a file
        if isinstance(file, str):
            raise PermissionError(13, "Permission denied")
        read(self, file)

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", refuse)


@pytest.mark.usefixtures("shut")
def test_one_that_was_replaced_after_the_process_was_confined_is_taken_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("filter_api.net.dns.dnspython.RECHECK", 0.0)
    monkeypatch.setattr(recalled, "_TEXTS", {})
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.53\n")
    assert recalled.keep(str(path))
    backend = DnspythonBackend(resolv_conf=str(path))
    path.write_text("nameserver 192.0.2.54\n")
    with caplog.at_level(logging.WARNING):
        assert [backend.nameservers() for _ in range(3)] == [["192.0.2.53"]] * 3
    assert caplog.messages == [f"{path} was replaced, which a confined filter cannot follow: restart smtpd"]
    path.write_text("nameserver 192.0.2.5\nnameserver 192.0.2.6\n")
    assert backend.nameservers() == ["192.0.2.53"]


@pytest.mark.usefixtures("shut")
def test_one_that_was_not_there_when_the_process_was_confined_stays_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recalled, "_TEXTS", {})
    path = str(tmp_path / "resolv.conf")
    assert not recalled.keep(path)
    assert DnspythonBackend(resolv_conf=path).nameservers() == ["127.0.0.1"]
