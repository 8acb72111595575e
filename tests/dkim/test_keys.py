"""Keys in files: what loads, what does not, what happens when one changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.dsa import generate_private_key as dsa_key
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from filter_api.dkim import keys
from filter_api.dkim.keys import ED25519, RSA, KeyFile, KeyProblem, parse_key, unsafe_mode
from tests.filter_dkimsign.keyring import PKCS1, PKCS8, ed25519_key, pem, rsa_key, write_key


@pytest.mark.parametrize("form", [PKCS1, PKCS8])
def test_rsa(form: PrivateFormat) -> None:
    key = parse_key(pem(rsa_key(), form))
    assert (key.algorithm, key.bits, key.warning) == (RSA, 2048, "")


def test_ed25519() -> None:
    key = parse_key(pem(ed25519_key()))
    assert (key.algorithm, key.bits, key.warning) == (ED25519, 256, "")
    assert len(key.public_data()) == 32


def test_short_keys() -> None:
    assert "1024 bits only" in parse_key(pem(rsa_key(1024))).warning
    # 512 bits: cryptography refuses to make such a key by now, so it is written down here
    with pytest.raises(ValueError, match=r"512 bits, at least 1024|not a private key"):
        parse_key(TINY)


TINY = b"""\
-----BEGIN RSA PRIVATE KEY-----
MIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu
KUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQJAIJLixBy2qpFoS4DSmoEm
o3qGy0t6z09AIJtH+5OeRV1be+N4cDYJKffGzDa88vQENZiRm0GRq6a+HPGQMd2k
TQIhAKMSvzIBnni7ot/OSie2TmJLY4SwTQAevXysE2RbFDYdAiEBCUEaRQnMnbp7
9mxDXDf6AU0cN/RPBjb9qSHDcWZHGzUCIG2Es59z8ugGrDY+pxLQnwfotadxd+Uy
v/Ow5T0q5gIJAiEAyS4RaI9YG8EWx/2w0T67ZUVAw8eOMB6BIUg0Xcu+3okCIBOs
/5OiPgoTdSy7bcF9IGpSE8ZgGKzgYQVZeN97YE00
-----END RSA PRIVATE KEY-----
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not a private key"),
        (b"rubbish", "not a private key"),
        (pem(rsa_key())[:400], "not a private key"),
        (ec_key(SECP256R1()).private_bytes(Encoding.PEM, PKCS8, NoEncryption()), "neither RSA nor Ed25519"),
        (dsa_key(1024).private_bytes(Encoding.PEM, PKCS8, NoEncryption()), "neither RSA nor Ed25519"),
        (rsa_key().private_bytes(Encoding.PEM, PKCS8, BestAvailableEncryption(b"secret")), "encrypted"),
    ],
)
def test_what_is_no_key(text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_key(text)


def test_a_damaged_number_is_noticed() -> None:
    """One bit of d, p or n flipped: OpenSSL would load it and sign rubbish."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    good = rsa_key().private_numbers()

    class Damaged:
        """An RSA key with one wrong number."""

        def __init__(self, name: str) -> None:
            self.name = name

        def private_numbers(self) -> object:
            return self

        def __getattr__(self, name: str) -> int:
            value: int = getattr(good, name)
            return value ^ 4 if name == self.name else value

    for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp"):
        damaged: RSAPrivateKey = Damaged(name)  # type: ignore[assignment]  # it quacks as far as needed
        with pytest.raises(ValueError, match="do not fit"):
            keys._check_parts(damaged)
    keys._check_parts(rsa_key())


def test_the_wrong_type_names_file_and_types(tmp_path: Path) -> None:
    path = write_key(tmp_path / "k", ed25519_key())
    with pytest.raises(KeyProblem, match=rf"^{path}: the key makes ed25519-sha256, not rsa-sha256$"):
        KeyFile(path, RSA)


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "huge").write_bytes(b"x" * 70_000)
    for name, reason in (
        ("none", "No such file"),
        ("fifo", "not a regular"),
        ("huge", "larger"),
        (".", "directory|regular"),
    ):
        with pytest.raises(KeyProblem, match=reason):
            KeyFile(str(tmp_path / name))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "problem"),
    [
        (0o600, "self", "self", ""),
        (0o400, "root", "self", ""),
        (0o640, "root", "self", ""),
        (0o440, "root", "self", ""),
        (0o644, "self", "self", "everybody"),
        (0o602, "self", "self", "everybody"),
        (0o620, "self", "self", "group write"),
        (0o660, "self", "self", "group write"),
        (0o640, "self", "other", "not in it"),
        (0o600, "other", "self", "owned by uid 54321"),
    ],
)
def test_owner_and_mode(mode: int, uid: str, gid: str, problem: str) -> None:
    owner = {"self": os.geteuid(), "root": 0, "other": 54321}[uid]
    group = {"self": os.getegid(), "other": 54321}[gid]
    found = unsafe_mode(os.stat_result((0o100000 | mode, 1, 1, 1, owner, group, 1, 0, 0, 0)))
    assert problem in found
    assert bool(found) is bool(problem)


def test_an_open_file_is_refused_and_can_be_let_through(tmp_path: Path) -> None:
    path = write_key(tmp_path / "k", ed25519_key())
    os.chmod(path, 0o644)
    with pytest.raises(KeyProblem, match="everybody"):
        KeyFile(path)
    assert KeyFile(path, guard=False).algorithm == ED25519


def test_a_changed_key_is_used_and_a_bad_one_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    path = write_key(tmp_path / "k", ed25519_key(0))
    key = KeyFile(path, clock=lambda: now[0])
    first = key.current()
    write_key(tmp_path / "k", ed25519_key(1))
    assert key.current() is first  # looked at once a second
    now[0] += 1.0
    second = key.current()
    assert second.public_data() != first.public_data()
    for spoilt in ("open to all", "gone"):
        if spoilt == "gone":
            os.unlink(path)
        else:
            os.chmod(path, 0o666)
        for _ in range(3):
            now[0] += 1.0
            assert key.current() is second
    assert len(caplog.records) == 2  # one line for each kind of trouble
    assert all("stays in use" in record.message for record in caplog.records)
    write_key(tmp_path / "k", rsa_key())  # another algorithm than the table says is no good either
    now[0] += 1.0
    assert key.current() is second
    write_key(tmp_path / "k", ed25519_key(0))
    now[0] += 1.0
    assert key.current().public_data() == first.public_data()


def test_nothing_of_the_key_is_shown() -> None:
    assert repr(parse_key(pem(rsa_key()))) == "SigningKey(rsa-sha256, 2048 bits)"
