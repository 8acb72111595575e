"""The key table: which entries sign for a name, what a bad line says, how it is followed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_dkimsign.keytable import DomainList, Entries, Entry, KeyStore, KeyTable, SharedKey, check_names
from tests.filter_dkimsign.keyring import ed25519_key, rsa_key, write_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_key(tmp_path / "rsa", rsa_key())
    write_key(tmp_path / "ed", ed25519_key())
    return tmp_path


def table(folder: Path, text: str) -> KeyTable:
    (folder / "keys").write_text(text)
    return KeyTable(str(folder / "keys"), KeyStore())


def found(entries: Entries, name: bytes) -> list[bytes]:
    return [entry.pattern + b"/" + entry.selector for entry in entries.find(name)]


def test_the_closest_entry_wins(folder: Path) -> None:
    entries = table(
        folder,
        """
        example.org        a   rsa                   # two signatures
        Example.ORG.       b   ed     ed25519-sha256
        *.example.org      w   rsa
        deep.sub.example.org d rsa
        net                n   rsa
        """,
    ).current()
    assert found(entries, b"example.org") == [b"example.org/a", b"example.org/b"]
    assert found(entries, b"mx.example.org") == [b"*.example.org/w"]
    assert found(entries, b"a.b.c.example.org") == [b"*.example.org/w"]
    assert found(entries, b"deep.sub.example.org") == [b"deep.sub.example.org/d"]
    assert found(entries, b"x.deep.sub.example.org") == [b"deep.sub.example.org/d"]
    assert found(entries, b"example.net") == [b"net/n"]
    for name in (b"notexample.org", b"org", b"", b".", b"..example.com", b"x" * 5000, b"." * 5000, b"[192.0.2.1]"):
        assert found(entries, name) == []
    assert entries.find(b"mx.example.org")[0].domain == b"example.org"
    assert entries.first[0].selector == b"a"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("example.org a", "a line is: domain selector keyfile [algorithm]"),
        ("example.org a rsa rsa-sha256 x", "a line is: domain selector keyfile [algorithm]"),
        ("example.org a rsa rsa-md5", '"rsa-md5" is not an algorithm'),
        ("example.org a rsa ed25519-sha256", "the key makes rsa-sha256, not ed25519-sha256"),
        ("example.org a none", "No such file or directory"),
        ("exa_mple..org a rsa", '"exa_mple..org" is not a domain name'),
        ("* a rsa", '"*" is not a domain name'),
        ("example.org a/b rsa", '"a/b" is not a selector name'),
        ("b\u00fccher.example a rsa", "is not a domain name"),
        (f"{'x' * 64}.org a rsa", "is not a domain name"),
        (f"{'.'.join(['x' * 60] * 4)} {'s' * 20} rsa", "bytes, a name in DNS at most 253"),
        ("first.example a rsa", "a._domainkey.first.example is in line 1 already"),
    ],
)
def test_a_bad_line_is_named(folder: Path, line: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        table(folder, f"first.example a rsa\n# comment\n{line}\n")
    assert str(caught.value).startswith(f"{folder}/keys:3: ")
    assert reason in str(caught.value)


def test_an_empty_table_is_a_mistake(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"keys:1: the table is empty"):
        table(folder, "# nothing\n")


def test_one_file_is_loaded_once(folder: Path) -> None:
    entries = table(folder, "".join(f"d{number}.example s rsa\n" for number in range(100))).current()
    assert len({entry.key for entry in entries}) == 1


def test_a_changed_table_is_followed_and_a_bad_one_is_not(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    path = folder / "keys"
    path.write_text("example.org a rsa\n")
    keys = KeyTable(str(path), KeyStore(), clock=lambda: now[0])
    path.write_text("example.org a rsa\nexample.net b ed\n")
    now[0] += 1
    assert found(keys.current(), b"example.net") == [b"example.net/b"]
    path.write_text("example.org a rsa\nexample.net b missing\n")
    now[0] += 1
    assert found(keys.current(), b"example.net") == [b"example.net/b"]
    assert "keys:2: " in caplog.text


def test_shared_key_and_list_of_domains(folder: Path) -> None:
    (folder / "domains").write_text("# ours\n\nExample.net\n*.example.com\n")
    given = DomainList(("example.org",), str(folder / "domains"), "S", str(folder / "ed"), None)
    entries = SharedKey(given, KeyStore()).current()
    assert [entry.domain for entry in entries] == [b"example.org", b"example.net", b"example.com"]
    assert found(entries, b"a.example.com") == [b"*.example.com/s"]
    assert found(entries, b"example.com") == []
    assert entries.first[0].tags == b"a=ed25519-sha256; d=example.org; i=@example.org; s=s;"


def test_shared_key_mistakes(folder: Path) -> None:
    (folder / "domains").write_text("example.net\nnot a domain\n")
    (folder / "none").write_text("\n")
    for domains, file, key, reason in (
        (("a b",), None, "rsa", 'option -d or -s: "a b" is not a domain name'),
        ((), "domains", "rsa", 'domains:2: "not a domain" is not a domain name'),
        ((), "none", "rsa", "none:1: there is no domain"),
        (("example.org",), None, "gone", "gone: No such file"),
    ):
        given = DomainList(domains, str(folder / file) if file else None, "s", str(folder / key), None)
        with pytest.raises(ConfigError, match=reason.replace("(", r"\(")):
            SharedKey(given, KeyStore())


def test_names_fit_into_dns() -> None:
    check_names(b"example.org", b"a.b")
    check_names(b"_x.example.org", b"2026-11")
    with pytest.raises(ValueError, match="selector"):
        check_names(b"example.org", b"-")


@pytest.mark.timed
def test_looking_up_takes_the_same_time_in_ten_thousand(folder: Path) -> None:
    key = KeyStore().get(str(folder / "rsa"), None)
    small = Entries([Entry(b"d%d.example" % number, b"s", key) for number in range(10)])
    large = Entries([Entry(b"d%d.example" % number, b"s", key) for number in range(10_000)])

    def best(entries: Entries) -> float:
        rounds = []
        for _ in range(7):
            began = time.perf_counter()
            for _ in range(300):
                entries.find(b"d7.example")
                entries.find(b"mx.d9.example")
                entries.find(b"nothing.like.it.example.net")
            rounds.append(time.perf_counter() - began)
        return min(rounds)

    assert best(large) < 3 * best(small)
