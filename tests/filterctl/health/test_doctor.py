"""``filterctl doctor`` with the daemons it asks: real ones, absent ones, and ones that are set too small."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from filterctl.__main__ import load
from filterctl.conf import check
from filterctl.health import doctor, domains, symptoms
from tests.support.clamd import running_clamd
from tests.support.spamd import running_spamd

BIN = str(Path(sys.executable).parent)
Doctor = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path other users can enter: daemons run as nobody put their sockets there."""
    path = Path(tempfile.mkdtemp(prefix="doctor-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Run doctor on a configuration; the lines about filters (the machine's own state is not the test's)."""
    monkeypatch.setattr(symptoms, "dns", lambda: iter(()))
    monkeypatch.setattr(symptoms, "clock", lambda: iter(()))
    monkeypatch.setattr(domains, "remarks", lambda own, signed, resolver: iter(()))

    def examine(
        *commands: str, head: str = "", options: Sequence[str] = (), about: str = "filter "
    ) -> tuple[int, list[str]]:
        lines = [f'filter f{number} proc-exec "{command}" user nobody' for number, command in enumerate(commands)]
        names = ", ".join(f"f{number}" for number in range(len(commands)))
        path = folder / "smtpd.conf"
        path.write_text("\n".join([head, *lines, f"listen on lo0 filter {{ {names} }}", ""]))
        (folder / "log").touch()
        status = doctor.run([*options, "-l", BIN, "-m", str(folder / "log"), str(path)])
        return status, [line for line in capsys.readouterr().out.splitlines() if line.startswith(about)]

    return examine


def test_daemons_that_are_not_there(run: Doctor) -> None:
    status, lines = run("filter-clamav -a /nonexistent/clamd", "filter-spamassassin -a 127.0.0.1:1")
    assert status == 1
    assert "filter f0: error: clamd does not answer: /nonexistent/clamd: No such file or directory" in lines
    assert any(line.startswith("filter f1: error: spamd does not answer: 127.0.0.1:1: ") for line in lines)


@pytest.mark.daemon
def test_a_clamd_whose_limit_is_below_smtpds(run: Doctor, folder: Path) -> None:
    with running_clamd(folder, stream_max=1 << 20) as path:
        _, lines = run(f"filter-clamav -a {path}")
        small = (
            "StreamMaxLength is below smtpd's max-message-size of 36700160 bytes: larger messages are refused for good"
        )
        assert f"filter f0: error: {path}: {small}" in lines
        _, lines = run(f"filter-clamav -a {path}", options=("-q",))
        assert not [line for line in lines if "StreamMaxLength" in line], "nothing was sent to be scanned"
        _, lines = run(f"filter-clamav -a {path}", head="smtp max-message-size 1M")
        assert not [line for line in lines if "StreamMaxLength" in line]
        assert any(f"ok: {path}: ClamAV " in line for line in lines)
        assert "filter f0: warning: clamd has no database of signatures, or does not tell its date" in lines


@pytest.mark.daemon
def test_a_spamd_that_answers(run: Doctor, folder: Path) -> None:
    with running_spamd(folder) as path:
        _, lines = run(f"filter-spamassassin -a {path}")
    assert any(line.startswith(f"filter f0: ok: {path}: spamd answers, ") for line in lines)
    assert "filter f0: note: messages over 512000 bytes are not scanned (-b), smtpd takes 36700160" in lines


@pytest.mark.skipif(os.geteuid() != 0, reason="root may open every socket: another user is needed to be kept from one")
@pytest.mark.daemon
def test_a_socket_the_filters_user_cannot_open(run: Doctor, folder: Path) -> None:
    with running_clamd(folder) as path:
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        status, lines = run(f"filter-clamav -a {path}", about=f"{folder}/smtpd.conf:2: error: ")
    assert status == 1
    why = f"{path} cannot be written by nobody: let its daemon open it to a group"
    assert lines == [f"{folder}/smtpd.conf:2: error: filter f0: {why}"]


def test_the_daemons_and_sockets_of_the_members_of_a_chain(run: Doctor, folder: Path) -> None:
    (folder / "filters").write_text("rdns -f\nclamav -a /nonexistent/clamd\nspamassassin -a 127.0.0.1:1\n")
    status, lines = run(f"filter-chain -f {folder}/filters")
    assert status == 1
    assert "filter f0: error: clamd does not answer: /nonexistent/clamd: No such file or directory" in lines
    assert any(line.startswith("filter f0: error: spamd does not answer: 127.0.0.1:1: ") for line in lines)


def test_keys_the_dns_does_not_publish(run: Doctor, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filter_api.net.dns import Resolver
    from filter_api.testing.dns import FakeZone
    from filter_dkimsign import ctl

    key = folder / "key.pem"
    assert ctl.run(["keygen", "-d", "example.org", "-s", "mail", str(key)]) == 0
    if os.geteuid() == 0:
        shutil.chown(key, "nobody")
    monkeypatch.setattr("filter_dkimsign.diagnose.Resolver", lambda: Resolver(backend=FakeZone({})))
    status, lines = run(f"filter-dkimsign -d example.org -s mail -k {key}")
    assert status == 1
    assert any("note: bad mail._domainkey.example.org" in line for line in lines), lines
    assert "filter f0: error: a key is not published as it is: see the lines above, and filterctl dkim check" in lines


def test_a_store_that_is_damaged(run: Doctor, folder: Path) -> None:
    store = folder / "greylist.db"
    store.write_bytes(b"this is no database" * 300)
    status, lines = run(f"filter-greylist -f {store}")
    assert status == 1
    assert f"filter f0: error: {store}: file is not a database" in lines


@pytest.mark.parametrize("name", sorted(doctor.DIAGNOSES))
def test_every_module_that_diagnoses_is_there(name: str) -> None:
    assert callable(load(*doctor.DIAGNOSES[name]))


def test_what_check_finds_is_told_first(run: Doctor, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "smtpd.conf"
    path.write_text('filter a proc-exec "filter-none; true"\nlisten on lo0 filter a\n')
    assert doctor.run(["-l", BIN, "-m", "/dev/null", str(path)]) == 1
    assert f"{path}:1: error: filter a: ; outside quotes is the shell's" in capsys.readouterr().out
    assert check.run(["-l", BIN, str(path)]) == 1


def test_arguments_a_filter_would_not_start_with(run: Doctor) -> None:
    status, lines = run("filter-clamav -b many")
    assert status == 1
    assert any(line.startswith("filter f0: warning: could not be diagnosed: ") for line in lines)
