"""filterctl dkim keygen: a new private key, and the DNS record that publishes its other half."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from filter_api.dkim.keys import MIN_BITS, parse_key
from filter_api.dkim.record import record_text, zone_lines
from filter_api.errors import ConfigError, UsageError, reason
from filter_api.options import options_of
from filter_api.text.escape import printable
from filter_dkimsign.keytable import check_names

OPTIONS: Final = """\
-a algorithm   rsa or ed25519 (default rsa)
-b bits        the size of an RSA key (default 2048)
-d domain      the domain that will sign with it
-s selector    its name in the DNS
"""

_MAX_BITS: Final = 8192


def keygen(arguments: list[str]) -> int:
    """Write a new private key to a file of mode 0600 and print the DNS record that publishes it."""
    options, rest = options_of(arguments, OPTIONS)
    if len(rest) != 1 or not {"-d", "-s"} <= options.keys():
        raise UsageError("keygen needs -d domain, -s selector and one file")
    domain, selector = options["-d"].lower().rstrip("."), options["-s"].lower()
    try:
        check_names(os.fsencode(domain), os.fsencode(selector))
    except ValueError as error:
        raise UsageError(str(error)) from None
    pem = new_key(options.get("-a", "rsa"), options.get("-b"))
    write_private(rest[0], pem)
    text = record_text(parse_key(pem))
    sys.stdout.write(zone_lines(f"{selector}._domainkey.{domain}", text))
    sys.stdout.flush()
    path = printable(rest[0])
    sys.stderr.write(f"as one string, for a form: {text}\n")
    sys.stderr.write(
        f"{path}: only its owner can read it; let the group of the filter do so, for example\n"
        f"  chgrp _dkimsign {path} && chmod 0640 {path}\n"
    )
    return 0


def new_key(algorithm: str, bits: str | None) -> bytes:
    """A key in PKCS#8 PEM. Raises UsageError."""
    kind = algorithm.removesuffix("-sha256")
    if kind == "ed25519":
        if bits is not None:
            raise UsageError("an Ed25519 key has no -b")
        return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if kind != "rsa":
        raise UsageError(f"-a takes rsa or ed25519, not {algorithm!r}")
    size = bits or "2048"
    if not (size.isascii() and size.isdigit() and len(size) < 6 and MIN_BITS <= int(size) <= _MAX_BITS):
        raise UsageError(f"-b takes {MIN_BITS} to {_MAX_BITS}, not {size!r}")
    return generate_private_key(65537, int(size)).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_private(path: str, pem: bytes) -> None:
    """Create the file, readable by its owner only, whole or not at all. Raises ConfigError; never overwrites a key."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ConfigError(f"{printable(path)}: there is a file already, and a key is never overwritten") from None
    except OSError as error:
        raise ConfigError(f"{printable(path)}: {reason(error)}") from None
    try:
        with open(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise ConfigError(f"{printable(path)}: {reason(error)}") from None
