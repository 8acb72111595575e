"""Private keys in PEM files: checked when read, followed when they change.

    key = KeyFile("/etc/mail/dkim/example.org.key", algorithm="rsa-sha256")     # KeyProblem if it cannot be used
    signature = key.current().sign(data)

What it promises: a key is an RSA key of at least 1024 bits (RFC 8301 §3.2; a `warning` below 2048) in PKCS#1 or
PKCS#8, or an Ed25519 key (RFC 8463); its parts fit each other; its file is a regular one, owned by root or by the user
the filter runs as, with no access for others and, at most, read access for a group the filter is in. A key that
turns bad while the filter runs is logged once, the one read before stays in use, and the file is tried again every
second. A new key is logged with what signs with it. Key material never gets into an error text, a log line or a repr.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import time
from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakSet

import cryptography
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from filter_api.errors import reason
from filter_api.files import followed
from filter_api.text.escape import printable

RSA: Final = "rsa-sha256"
ED25519: Final = "ed25519-sha256"
ALGORITHMS: Final = (RSA, ED25519)
MIN_BITS: Final = 1024
GOOD_BITS: Final = 2048
MAX_SIZE: Final = 65536  # bytes of a key file: a PEM key of 16384 bits has 13 KB

LOOK_INTERVAL: Final = 1.0  # seconds between two looks at a key file
SETTLED_NS: Final = 2_000_000_000  # a file changed this lately may change again under the same time stamp

NAMES_SHOWN: Final = 3  # of those who sign with a key, in a log line

_SKIPS_PROOF: Final = int(cryptography.__version__.partition(".")[0]) >= 39
_PADDING: Final = PKCS1v15()
_SHA256: Final = SHA256()
_LOG = logging.getLogger("filter_api.dkim.keys")


class KeyProblem(ValueError):
    """Why a key cannot be used; the text names the file."""


class SigningKey:
    """A loaded key. `algorithm` is the a= tag it makes, `bits` its size, `warning` what is weak about it, or empty."""

    __slots__ = ("_make", "_prove", "_proved", "_secret", "algorithm", "bits", "warning")

    def __init__(self, secret: RSAPrivateKey | Ed25519PrivateKey) -> None:
        """Raises ValueError for an RSA key that is too short or whose parts do not belong together."""
        self._secret = secret
        self._proved = False
        self._make: Callable[[bytes], bytes]
        self._prove: Callable[[bytes, bytes], None]
        self.warning = ""
        if isinstance(secret, Ed25519PrivateKey):
            self.algorithm, self.bits = ED25519, 256
            self._make = lambda data: secret.sign(_sha256(data))
            self._prove = lambda signature, data: secret.public_key().verify(signature, _sha256(data))
            return
        self.algorithm, self.bits = RSA, secret.key_size
        self._make = lambda data: secret.sign(data, _PADDING, _SHA256)
        self._prove = lambda signature, data: secret.public_key().verify(signature, data, _PADDING, _SHA256)
        if self.bits < MIN_BITS:
            raise ValueError(f"the RSA key has {self.bits} bits, at least {MIN_BITS} are needed (RFC 8301)")
        if self.bits < GOOD_BITS:
            self.warning = f"the RSA key has {self.bits} bits only, {GOOD_BITS} are advised (RFC 8301)"
        _check_parts(secret)

    def sign(self, data: bytes) -> bytes:
        """The signature of `data` for the b= tag. The first one of a key is verified before it is given away."""
        signature = self._make(data)
        if not self._proved:
            self._prove(signature, data)
            self._proved = True
        return signature

    def public_data(self) -> bytes:
        """What the p= tag of the DNS record holds, before base64: SubjectPublicKeyInfo, or the raw Ed25519 key."""
        public = self._secret.public_key()
        if self.algorithm == ED25519:
            return public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm}, {self.bits} bits)"


def _sha256(data: bytes) -> bytes:
    """RFC 8463 §3: Ed25519 signs the hash of the text, not the text."""
    return hashlib.sha256(data).digest()


class Named(Protocol):
    """What signs with a key."""

    @property
    def record_name(self) -> str:
        """Where the DNS publishes the key."""


class KeyFile:
    """A key file and the newest good key in it.

    `users` are those who sign with it, for the log. `complaint` says why the file as it is now is not used, or nothing.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_guard",
        "_key",
        "_next_look",
        "_tell",
        "_version",
        "algorithm",
        "complaint",
        "path",
        "users",
    )

    def __init__(
        self,
        path: str,
        algorithm: str | None = None,
        *,
        guard: bool = True,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = _LOG.info,
    ) -> None:
        """`algorithm` is the one wanted, None takes what the key is. `guard` refuses unsafe owners and modes.

        `tell` is called with a line for the log when another key is in use. Raises KeyProblem.
        """
        self.path = path
        followed.note(self)
        self._guard = guard
        self._clock = clock
        self._tell = tell
        self.complaint = ""
        self.users: WeakSet[Named] = WeakSet()
        self._version, self._key = _load(path, algorithm, guard)
        self.algorithm = self._key.algorithm
        self._next_look = clock() + LOOK_INTERVAL

    def current(self) -> SigningKey:
        """The newest good key. Never raises; one stat(2) at most once a second."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + LOOK_INTERVAL
            self._look()
        return self._key

    def _look(self) -> None:
        try:
            if _version(os.stat(self.path)) == self._version:
                return
            before = self._key
            self._version, self._key = _load(self.path, self.algorithm, self._guard)
        except (OSError, KeyProblem) as error:
            text = str(error) if isinstance(error, KeyProblem) else _reason(self.path, error)
            if text != self.complaint:
                self.complaint = text
                _LOG.warning("%s; the key read before stays in use%s", text, self._for())
            return
        if self.complaint or before.public_data() != self._key.public_data():
            what = "the key is good again" if self.complaint else "a new key is in use"
            self._tell(f"{printable(self.path)}: {what}{self._for()}, {self._key}")
        if self._key.warning and before.warning != self._key.warning:
            _LOG.warning("%s: %s", printable(self.path), self._key.warning)
        self.complaint = ""

    def _for(self) -> str:
        """Selector and domain of those who sign with it, for the log."""
        names = sorted(user.record_name for user in self.users)
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        return f" for {', '.join(names[:NAMES_SHOWN])}{more}" if names else ""


def parse_key(pem: bytes) -> SigningKey:
    """The key in PEM text. Raises ValueError that says what is wrong with it."""
    try:
        secret = _load_pem(pem)
    except TypeError:
        raise ValueError("the key is encrypted: store it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("not a private key in PEM: filterctl dkim keygen makes one") from None
    if not isinstance(secret, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("the key is neither RSA nor Ed25519")  # noqa: TRY004 - the file is wrong, not a type here
    return SigningKey(secret)


def _load_pem(pem: bytes) -> object:
    """Load without the primality proof, which costs 40 ms a key and shows no fault that `_check_parts` misses."""
    if _SKIPS_PROOF:
        return load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    # The argument came with release 39; Debian 12 has 38, where the backend keeps this switch to itself.
    from cryptography.hazmat.backends.openssl import backend

    vars(backend)["_rsa_skip_check_key"] = True
    return load_pem_private_key(pem, None)


def _check_parts(secret: RSAPrivateKey) -> None:
    """Refuse a key with a damaged number: each of the eight takes part in one of these equations (RFC 8017 §3.2)."""
    key = secret.private_numbers()
    n, e = key.public_numbers.n, key.public_numbers.e
    p, q, dmp1, dmq1 = key.p, key.q, key.dmp1, key.dmq1
    if (
        p * q != n
        or key.d % (p - 1) != dmp1
        or key.d % (q - 1) != dmq1
        or dmp1 * e % (p - 1) != 1
        or dmq1 * e % (q - 1) != 1
        or key.iqmp * q % p != 1
    ):
        raise ValueError("the numbers of the RSA key do not fit each other: the file is damaged")


def _load(path: str, algorithm: str | None, guard: bool) -> tuple[tuple[int, ...], SigningKey]:
    """Version and key of a file. Raises KeyProblem."""
    try:
        status, pem = _read(path)
    except OSError as error:
        raise KeyProblem(_reason(path, error)) from None
    problem = unsafe_mode(status) if guard else ""
    if problem:
        raise KeyProblem(f"{printable(path)}: {problem}")
    try:
        key = parse_key(pem)
    except ValueError as error:
        raise KeyProblem(f"{printable(path)}: {error}") from None
    if algorithm is not None and key.algorithm != algorithm:
        raise KeyProblem(f"{printable(path)}: the key makes {key.algorithm}, not {algorithm}")
    return _version(status), key


def _read(path: str) -> tuple[os.stat_result, bytes]:
    """Status and content of a regular file; never waits for the writer of a FIFO."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a regular file")
        if status.st_size > MAX_SIZE:
            raise OSError(0, f"larger than {MAX_SIZE} bytes: this is no key")
        return status, os.read(descriptor, MAX_SIZE)
    finally:
        os.close(descriptor)


def unsafe_mode(status: os.stat_result) -> str:
    """Why the owner or the mode of a key file is unsafe for this process; empty if they are not."""
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in {0, os.geteuid()}:
        return f"owned by uid {status.st_uid}: the owner must be root or uid {os.geteuid()}, which runs the filter"
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return f"mode {mode:04o} lets everybody read or write the key: chmod 0600 or 0640"
    if mode & stat.S_IWGRP:
        return f"mode {mode:04o} lets the group write the key: chmod 0600 or 0640"
    if mode & stat.S_IRGRP and status.st_gid not in {os.getegid(), *os.getgroups()}:
        return f"mode {mode:04o} lets group {status.st_gid} read the key, and the filter is not in it"
    return ""


def _version(status: os.stat_result) -> tuple[int, ...]:
    """What differs when the file does; unlike itself while the file was changed a moment ago, so it is read again."""
    settled = time.time_ns() - status.st_mtime_ns > SETTLED_NS
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode, settled)


def _reason(path: str, error: OSError) -> str:
    return f"{printable(path)}: {reason(error)}"
