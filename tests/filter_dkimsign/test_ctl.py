"""filterctl dkim: the files and lines it makes, against a real name server on loopback."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from filter_api.dkim.keys import KeyFile
from filter_api.errors import ConfigError, UsageError
from filter_api.testing.player import Player
from filter_dkimsign import ctl
from tests.dkim.crafted import GOOD, HEADER, crafted
from tests.filter_dkimsign.keyring import ed25519_key, record, rsa_key, write_key
from tests.filter_dkimsign.support import MAIL, ZONE, both_keys, submit


class NameServer:
    """Answers TXT questions from a dict over UDP; what is not there is NXDOMAIN, None is SERVFAIL."""

    def __init__(self, zone: dict[str, bytes | list[bytes] | None]) -> None:
        self.zone = zone
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.option = f"127.0.0.1@{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            self._socket.sendto(self._answer(dns.message.from_wire(data)).to_wire(), peer)

    def _answer(self, question: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(question, recursion_available=True)
        name = question.question[0].name
        text = self.zone.get(name.to_text(omit_final_dot=True), b"")
        if text is None:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif not text:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        else:
            texts = text if isinstance(text, list) else [text]
            cut = [" ".join(f'"{one[at : at + 255].decode()}"' for at in range(0, len(one), 255)) for one in texts]
            reply.answer.append(dns.rrset.from_text(name, 300, "IN", "TXT", *cut))
        return reply

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


@pytest.fixture
def server() -> Iterator[NameServer]:
    name_server = NameServer(dict(ZONE))
    yield name_server
    name_server.close()


@pytest.mark.parametrize(
    ("options", "algorithm", "bits"),
    [
        ([], "rsa-sha256", 2048),
        (["-a", "rsa", "-b", "1024"], "rsa-sha256", 1024),
        (["-a", "ed25519"], "ed25519-sha256", 256),
        (["-a", "ed25519-sha256"], "ed25519-sha256", 256),
    ],
)
def test_keygen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], algorithm: str, bits: int
) -> None:
    path = tmp_path / "key.pem"
    assert ctl.run(["keygen", "-d", "Example.org.", "-s", "S1", *options, str(path)]) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = KeyFile(str(path)).current()
    assert (key.algorithm, key.bits) == (algorithm, bits)
    out = capsys.readouterr().out
    assert out.startswith('s1._domainkey.example.org. IN TXT (\n\t"v=DKIM1; k=')
    zone = dns.rrset.from_text("x.", 1, "IN", "TXT", " ".join(out.partition("(")[2].rstrip(" )\n").split("\n\t")))
    published = b"".join(zone[0].strings)
    assert record_is(published, path)
    assert "PRIVATE" not in out


def record_is(text: bytes, path: Path) -> bool:
    from filter_api.dkim.record import KeyRecord

    return KeyRecord.parse(text).is_of(KeyFile(str(path)).current())


def test_keygen_never_overwrites(tmp_path: Path) -> None:
    path = write_key(tmp_path / "key.pem", ed25519_key())
    before = Path(path).read_bytes()
    with pytest.raises(ConfigError, match="never overwritten"):
        ctl.run(["keygen", "-d", "example.org", "-s", "s", path])
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError):
        ctl.run(["keygen", "-d", "example.org", "-s", "s", str(tmp_path / "link")])
    with pytest.raises(ConfigError, match="No such file"):
        ctl.run(["keygen", "-d", "example.org", "-s", "s", str(tmp_path / "no" / "folder")])
    assert Path(path).read_bytes() == before
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["keygen", "file"],
        ["keygen", "-d", "example.org", "-s", "s"],
        ["keygen", "-d", "exa mple.org", "-s", "s", "f"],
        ["keygen", "-d", "example.org", "-s", "s", "-a", "dsa", "f"],
        ["keygen", "-d", "example.org", "-s", "s", "-b", "512", "f"],
        ["keygen", "-d", "example.org", "-s", "s", "-a", "ed25519", "-b", "2048", "f"],
        ["check"],
        ["check", "-d", "example.org"],
        ["check", "-K", "t", "-d", "example.org", "-s", "s", "-k", "k"],
        ["check", "-K", "t", "more"],
        ["verify"],
        ["verify", "-q", "f"],
        ["verify", "-n", "127.0.0.1@x", "f"],
    ],
)
def test_usage(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        ctl.run(arguments)


def test_check_a_table(tmp_path: Path, server: NameServer, capsys: pytest.CaptureFixture[str]) -> None:
    write_key(tmp_path / "rsa.pem", rsa_key())
    write_key(tmp_path / "ed.pem", ed25519_key())
    write_key(tmp_path / "weak.pem", rsa_key(1024))
    os.chmod(tmp_path / "rsa.pem", 0o640)
    server.zone.update(
        {
            "old._domainkey.example.org": record(rsa_key(2048, 1)),
            "broken._domainkey.example.org": None,
            "empty._domainkey.example.org": b"v=DKIM1; p=",
            "weak._domainkey.example.org": record(rsa_key(1024)).replace(b"k=rsa", b"k=rsa; t=y"),
        }
    )
    (tmp_path / "keys").write_text(
        "".join(f"example.org {name} {file}.pem\n" for name, file in (("rsa", "rsa"), ("ed", "ed"), ("weak", "weak")))
    )
    assert ctl.run(["check", "-n", server.option, "-K", str(tmp_path / "keys")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"ok rsa._domainkey.example.org rsa-sha256 {tmp_path}/rsa.pem"
    assert lines[1] == f"ok ed._domainkey.example.org ed25519-sha256 {tmp_path}/ed.pem"
    assert "(the RSA key has 1024 bits only" in lines[2]
    assert "t=y" in lines[2]
    with (tmp_path / "keys").open("a") as table:
        table.write("".join(f"example.org {name} rsa.pem\n" for name in ("old", "broken", "empty", "none")))
    assert ctl.run(["check", "-n", server.option, "-K", str(tmp_path / "keys")]) == 1
    bad = capsys.readouterr().out.splitlines()[3:]
    assert bad[0].endswith(": DNS publishes another key")
    assert bad[1].startswith("unknown broken._domainkey.example.org")
    assert bad[2].endswith("the key was revoked: its p= is empty")
    assert bad[3].endswith("no key is published at none._domainkey.example.org")


def test_check_one_key(tmp_path: Path, server: NameServer, capsys: pytest.CaptureFixture[str]) -> None:
    key = write_key(tmp_path / "k", rsa_key())
    options = ["-n", server.option, "-d", "example.org", "-k", key]
    assert ctl.run(["check", *options, "-s", "rsa"]) == 0
    assert ctl.run(["check", *options, "-s", "ed"]) == 1
    assert "another key" in capsys.readouterr().out


def test_verify_files(tmp_path: Path, server: NameServer, capsys: pytest.CaptureFixture[str]) -> None:
    with Player(both_keys(tmp_path)) as smtpd:
        text = submit(smtpd, MAIL)
    good, bad, plain = tmp_path / "good.eml", tmp_path / "bad.eml", tmp_path / "plain.eml"
    good.write_bytes(text.replace(b"\r\n", b"\n"))
    bad.write_bytes(text + b"more\r\n")
    plain.write_bytes(MAIL)
    assert ctl.run(["verify", "-n", server.option, str(good)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "pass d=example.org s=rsa a=rsa-sha256",
        "pass d=example.org s=ed a=ed25519-sha256",
    ]
    assert ctl.run(["verify", "-n", server.option, str(bad), str(plain)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{bad}: fail d=example.org s=rsa a=rsa-sha256: the body hash does not match")
    assert lines[2] == f"{plain}: none: the message has no signature"
    with pytest.raises(ConfigError, match="No such file"):
        ctl.run(["verify", "-n", server.option, str(tmp_path / "none")])


SEVERAL: list[tuple[list[bytes], int, list[str]]] = [
    ([record(rsa_key())], 0, []),
    ([b"v=spf1 -all", record(rsa_key())], 0, ["(1 TXT record that is no DKIM key beside it)"]),
    ([record(rsa_key()), b"token=x", b"free text, p=1"], 0, ["(2 TXT records that are no DKIM key beside it)"]),
    ([b"v=DMARC1; p=none", record(rsa_key())], 0, ["beside it"]),
    ([record(rsa_key()), record(rsa_key(2048, 1))], 1, ["2 key records"]),
    ([record(rsa_key(2048, 1)), record(rsa_key())], 1, ["2 key records"]),
    ([b"v=DKIM1; p=", record(rsa_key())], 1, ["2 key records", "revoked"]),
    ([record(rsa_key()), b"v=DKIM1; k=rsa; p="], 1, ["2 key records", "revoked"]),
    ([record(rsa_key()), record(ed25519_key())], 1, ["2 key records"]),
    ([record(rsa_key()), record(rsa_key())[9:]], 1, ["2 key records"]),
    ([record(rsa_key()), b"v=DKIM1; k=rsa; nonsense"], 1, ["2 key records"]),
    ([record(rsa_key()), record(ed25519_key()), b"p=QUJD", b"v=spf1"], 1, ["3 key records"]),
    ([b"v=spf1 -all"], 1, ["not of version DKIM1"]),
    ([b"v=DKIM1; p="], 1, ["revoked"]),
]


@pytest.mark.parametrize("case", SEVERAL)
def test_check_where_the_name_has_several_records(
    tmp_path: Path, server: NameServer, capsys: pytest.CaptureFixture[str], case: tuple[list[bytes], int, list[str]]
) -> None:
    published, status, said = case
    key = write_key(tmp_path / "k", rsa_key())
    for texts in (published, published[::-1]):
        server.zone["rsa._domainkey.example.org"] = list(texts)
        assert ctl.run(["check", "-n", server.option, "-d", "example.org", "-s", "rsa", "-k", key]) == status
        line = capsys.readouterr().out
        assert line.startswith("bad " if status else "ok ")
        assert all(words in line for words in said), line


def test_verify_names_the_tag_and_the_result(
    tmp_path: Path, server: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for tag, said in (
        ("t=abc", "t= is not a time (dkim=neutral)"),
        ("l=99", "l= is 99"),
        ("q=http", "q= has no method"),
    ):
        (tmp_path / "m.eml").write_bytes(crafted(GOOD.replace("bh=", f"{tag}; bh=")))
        assert ctl.run(["verify", "-n", server.option, str(tmp_path / "m.eml")]) == 1
        line = capsys.readouterr().out
        assert line.startswith("fail d=example.org s=rsa a=rsa-sha256: ")
        assert said in line


def test_verify_takes_the_key_of_the_algorithm_among_several(
    tmp_path: Path, server: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.zone["rsa._domainkey.example.org"] = [record(ed25519_key()), record(rsa_key())]
    (tmp_path / "m.eml").write_bytes(crafted())
    assert ctl.run(["verify", "-n", server.option, str(tmp_path / "m.eml")]) == 0
    assert capsys.readouterr().out == "pass d=example.org s=rsa a=rsa-sha256\n"


def test_verify_says_how_many_signatures_it_left_out(
    tmp_path: Path, server: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    text = crafted()
    (tmp_path / "m.eml").write_bytes(text[: text.index(HEADER)] * 11 + text)
    assert ctl.run(["verify", "-n", server.option, str(tmp_path / "m.eml")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["pass d=example.org s=rsa a=rsa-sha256"] * 10 + ["unknown: 2 more signatures were not judged"]
