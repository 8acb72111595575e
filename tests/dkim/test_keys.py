"""Keys in files: what loads, what does not, what happens when one changes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
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


class Named:
    """Who signs with a key."""

    def __init__(self, record_name: str) -> None:
        self.record_name = record_name


class Followed:
    """A key file, a clock that is set by hand, and what is told."""

    def __init__(self, path: Path, number: int = 0) -> None:
        self.now = 100.0
        self.told: list[str] = []
        self.path = write_key(path, ed25519_key(number))
        self.file = KeyFile(self.path, clock=lambda: self.now, tell=self.told.append)

    def later(self, seconds: float = 1.0) -> bytes:
        """The public half of the key that is in use then."""
        self.now += seconds
        return self.file.current().public_data()


def test_another_key_is_told_with_who_signs_with_it(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "k")
    user = Named("a._domainkey.example.org")
    followed.file.users.add(user)
    followed.later()
    assert (followed.told, followed.file.complaint) == ([], "")
    write_key(tmp_path / "k", ed25519_key(1))
    followed.later()
    assert followed.told == [
        f"{followed.path}: a new key is in use for a._domainkey.example.org, SigningKey(ed25519-sha256, 256 bits)"
    ]


def test_of_many_who_sign_with_a_key_three_are_named(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "k")
    users = [Named(name) for name in "edcba"]
    for number, shown in ((3, "c, d, e"), (4, "b, c, d and 1 more"), (5, "a, b, c and 2 more")):
        for user in users[:number]:
            followed.file.users.add(user)
        write_key(tmp_path / "k", ed25519_key(number))
        followed.later()
        assert followed.told[-1].startswith(f"{followed.path}: a new key is in use for {shown}, ")


def test_a_key_that_was_bad_for_a_while_is_told_to_be_good_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    followed = Followed(tmp_path / "k")
    os.chmod(followed.path, 0o644)
    before = followed.later()
    problem = f"{followed.path}: mode 0644 lets everybody read or write the key: chmod 0600 or 0640"
    assert followed.file.complaint == problem
    assert [each.getMessage() for each in caplog.records] == [f"{problem}; the key read before stays in use"]
    os.chmod(followed.path, 0o600)
    assert followed.later() == before
    assert followed.file.complaint == ""
    assert followed.told == [f"{followed.path}: the key is good again, SigningKey(ed25519-sha256, 256 bits)"]


def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    followed = Followed(tmp_path / "k")
    user = Named("a._domainkey.example.org")
    followed.file.users.add(user)
    os.unlink(followed.path)
    followed.later()
    assert [each.getMessage() for each in caplog.records] == [
        f"{followed.path}: No such file or directory; the key read before stays in use for a._domainkey.example.org"
    ]


def test_a_file_is_looked_at_once_a_second(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "k")
    first = parse_key(pem(ed25519_key(0))).public_data()
    write_key(tmp_path / "k", ed25519_key(1))
    assert followed.later(0.0) == first
    assert followed.later(0.9) == first
    second = followed.later(0.1)
    assert second != first
    write_key(tmp_path / "k", ed25519_key(0))
    assert followed.later(0.9) == second
    assert followed.later(0.1) == first


def test_a_weak_key_that_comes_into_use_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    path = write_key(tmp_path / "k", rsa_key())
    told: list[str] = []
    key = KeyFile(path, clock=lambda: now[0], tell=told.append)
    for form in (PKCS1, PKCS8):
        write_key(tmp_path / "k", rsa_key(1024), form)
        now[0] += 1.0
        key.current()
        assert len(caplog.records) == 1
    assert told == [f"{path}: a new key is in use, SigningKey(rsa-sha256, 1024 bits)"]
    assert [each.getMessage() for each in caplog.records] == [
        f"{path}: the RSA key has 1024 bits only, 2048 are advised (RFC 8301)"
    ]


def test_the_algorithm_of_a_file_is_that_of_its_first_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    followed = Followed(tmp_path / "k")
    assert followed.file.algorithm == "ed25519-sha256"
    write_key(tmp_path / "k", rsa_key())
    followed.later()
    assert followed.file.complaint == f"{followed.path}: the key makes rsa-sha256, not ed25519-sha256"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"rubbish", "not a private key in PEM: filterctl dkim keygen makes one"),
        (
            rsa_key().private_bytes(Encoding.PEM, PKCS8, BestAvailableEncryption(b"secret")),
            "the key is encrypted: store it without a passphrase",
        ),
        (
            ec_key(SECP256R1()).private_bytes(Encoding.PEM, PKCS8, NoEncryption()),
            "the key is neither RSA nor Ed25519",
        ),
    ],
    ids=["rubbish", "encrypted", "elliptic"],
)
def test_what_is_wrong_with_a_key_is_said_with_the_remedy(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_key(text)
    (tmp_path / "k").write_bytes(text)
    (tmp_path / "k").chmod(0o600)
    with pytest.raises(KeyProblem, match=f"^{tmp_path}/k: {message}$"):
        KeyFile(str(tmp_path / "k"))


def test_a_warning_says_how_long_a_key_should_be() -> None:
    assert parse_key(pem(rsa_key(1024))).warning == "the RSA key has 1024 bits only, 2048 are advised (RFC 8301)"


def test_a_file_that_is_no_key_file_is_said_to_be_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name, size, problem in (
        ("fifo", None, "not a regular file"),
        ("huge", 65_537, "larger than 65536 bytes: this is no key"),
        ("large", 65_536, "not a private key in PEM: filterctl dkim keygen makes one"),
        ("none", None, "No such file or directory"),
    ):
        if size is not None:
            (tmp_path / name).write_bytes(b"x" * size)
            (tmp_path / name).chmod(0o600)
        with pytest.raises(KeyProblem, match=f"^{tmp_path}/{name}: {problem}$"):
            KeyFile(str(tmp_path / name))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "problem"),
    [
        (
            0o600,
            54321,
            54322,
            f"owned by uid 54321: the owner must be root or uid {os.geteuid()}, which runs the filter",
        ),
        (0o600, 1, 54322, f"owned by uid 1: the owner must be root or uid {os.geteuid()}, which runs the filter"),
        (0o644, 0, 54322, "mode 0644 lets everybody read or write the key: chmod 0600 or 0640"),
        (0o602, 0, 54322, "mode 0602 lets everybody read or write the key: chmod 0600 or 0640"),
        (0o620, 0, 54322, "mode 0620 lets the group write the key: chmod 0600 or 0640"),
        (0o040, 0, 54322, "mode 0040 lets group 54322 read the key, and the filter is not in it"),
        (0o600, 0, 54322, ""),
        (0o400, os.geteuid(), 54322, ""),
    ],
)
def test_why_an_owner_or_a_mode_is_unsafe(mode: int, uid: int, gid: int, problem: str) -> None:
    assert unsafe_mode(os.stat_result((0o100000 | mode, 1, 1, 1, uid, gid, 1, 0, 0, 0))) == problem


def parts(**changed: int) -> Any:  # noqa: ANN401 - it quacks like an RSA key
    """The numbers of a good key, some of them changed."""
    good = rsa_key().private_numbers()
    names = ("p", "q", "d", "dmp1", "dmq1", "iqmp")
    numbers = {name: getattr(good, name) for name in names} | changed
    public = SimpleNamespace(n=numbers.pop("n", good.public_numbers.n), e=good.public_numbers.e)
    return SimpleNamespace(private_numbers=lambda: SimpleNamespace(public_numbers=public, **numbers))


def test_each_equation_of_a_key_is_looked_at_for_itself() -> None:
    good = rsa_key().private_numbers()
    p, q, d = good.p, good.q, good.d
    keys._check_parts(parts())
    for damaged in (
        parts(n=good.public_numbers.n + 2),
        parts(d=d + q - 1),
        parts(d=d + p - 1),
        parts(d=d + q - 1, dmp1=(d + q - 1) % (p - 1)),
        parts(d=d + p - 1, dmq1=(d + p - 1) % (q - 1)),
        parts(iqmp=good.iqmp + 1),
    ):
        with pytest.raises(
            ValueError, match=r"^the numbers of the RSA key do not fit each other: the file is damaged$"
        ):
            keys._check_parts(damaged)


def test_a_signature_that_does_not_hold_is_given_to_nobody() -> None:
    """A broken machine must not send mail that every receiver takes for forged."""
    for secret in (rsa_key(), ed25519_key()):
        key = parse_key(pem(secret))
        made = key._make(b"one")
        key._make = lambda _data, made=made: made  # type: ignore[misc]
        with pytest.raises(InvalidSignature):
            key.sign(b"another")
        assert key.sign(b"one") == made


def test_a_file_that_was_changed_just_now_is_not_settled(tmp_path: Path) -> None:
    """It may change again under the same time stamp, so it is read once more."""
    path = write_key(tmp_path / "k", ed25519_key())
    for later, settled in ((-1000, True), (1000, False)):
        at = time.time_ns() + later * 10**9
        os.utime(path, ns=(at, at))
        assert keys._version(os.stat(path))[-1] is settled


def test_a_signature_is_verified_before_the_first_is_given_away() -> None:
    for secret in (rsa_key(), ed25519_key()):
        key = parse_key(pem(secret))
        proved: list[tuple[bytes, bytes]] = []
        prove = key._prove

        def noted(signature: bytes, data: bytes) -> None:
            prove(signature, data)  # noqa: B023 - called before the next one is made
            proved.append((signature, data))  # noqa: B023

        key._prove = noted
        first = key.sign(b"one")
        key.sign(b"two")
        assert proved == [(first, b"one")]
