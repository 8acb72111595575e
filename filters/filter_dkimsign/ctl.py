"""filterctl dkim: make keys, compare DNS with them, verify messages.

    keygen -d domain -s selector [-a rsa | ed25519] [-b bits] file
    check [-n server] [-K table | -d domain -s selector -k key]
    verify [-n server] file ...

Each returns 0 when all is well, 1 when something is not, and says on stdout what.
"""

from __future__ import annotations

import asyncio
import contextlib
import getopt
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from filter_api.dkim.keys import MIN_BITS, parse_key
from filter_api.dkim.record import record_text, zone_lines
from filter_api.dkim.verify import Broken, Doubt, fetch_record, verify
from filter_api.errors import ConfigError, UsageError
from filter_api.net.dns import Resolver
from filter_api.text.escape import printable
from filter_dkimsign.examine import examine  # noqa: F401 - filterctl doctor looks for it here
from filter_dkimsign.keytable import DomainList, Entry, KeyStore, KeyTable, SharedKey, check_names

USAGE: Final = (
    "keygen -d domain -s selector [-a rsa | ed25519] [-b bits] file, "
    "check [-n server] [-K table | -d domain -s selector -k key], "
    "verify [-n server] file ..."
)
_MAX_BITS: Final = 8192
_AT_ONCE: Final = 64  # entries of a table asked for together


def run(arguments: list[str]) -> int:
    """Run ``filterctl dkim`` with these arguments and return the exit status. Raises UsageError and ConfigError."""
    verbs: dict[str, Callable[[list[str]], int]] = {"keygen": keygen, "check": check, "verify": verify_files}
    name = arguments[0] if arguments else ""
    if name not in verbs:
        raise UsageError(f"a verb is missing: {USAGE}" if not name else f"unknown verb {name}: {USAGE}")
    return verbs[name](arguments[1:])


def _options(arguments: list[str], letters: str) -> tuple[dict[str, str], list[str]]:
    try:
        options, rest = getopt.getopt(arguments, letters)
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    return dict(options), rest


def keygen(arguments: list[str]) -> int:
    """Write a new private key to a file of mode 0600 and print the DNS record that publishes it."""
    options, rest = _options(arguments, "a:b:d:s:")
    if len(rest) != 1 or not {"-d", "-s"} <= options.keys():
        raise UsageError("keygen needs -d domain, -s selector and one file")
    domain, selector = options["-d"].lower().rstrip("."), options["-s"].lower()
    try:
        check_names(os.fsencode(domain), os.fsencode(selector))
    except ValueError as error:
        raise UsageError(str(error)) from None
    pem = _new_key(options.get("-a", "rsa"), options.get("-b"))
    _write_private(rest[0], pem)
    sys.stdout.write(zone_lines(f"{selector}._domainkey.{domain}", record_text(parse_key(pem))))
    sys.stdout.flush()
    sys.stderr.write(f"{printable(rest[0])}: only its owner can read it; let the filter do so, filter-dkimsign(8)\n")
    return 0


def _new_key(algorithm: str, bits: str | None) -> bytes:
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


def _write_private(path: str, pem: bytes) -> None:
    """Create the file, readable by its owner only, whole or not at all. Raises ConfigError; never overwrites a key."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ConfigError(f"{printable(path)}: there is a file already, and a key is never overwritten") from None
    except OSError as error:
        raise ConfigError(f"{printable(path)}: {error.strerror}") from None
    try:
        with open(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise ConfigError(f"{printable(path)}: {error.strerror}") from None


def check(arguments: list[str]) -> int:
    """Compare every key with what DNS publishes for it."""
    options, rest = _options(arguments, "d:K:k:n:s:")
    single = options.keys() & {"-d", "-s", "-k"}
    if rest or ("-K" in options) == bool(single) or len(single) in {1, 2}:
        raise UsageError("check needs either -K table or all of -d domain, -s selector and -k key")
    store = KeyStore(guard=False)  # whoever checks need not be the user the filter runs as
    if "-K" in options:
        entries = KeyTable(options["-K"], store).current()
    else:
        given = DomainList((options["-d"],), None, options["-s"], options["-k"], None)
        entries = SharedKey(given, store).current()
    return asyncio.run(check_entries(entries, _resolver(options)))


async def check_entries(entries: Iterable[Entry], resolver: Resolver) -> int:
    """Print a line for each entry; 0 if DNS publishes every key."""
    status = 0
    waiting = iter(entries)
    while batch := list(islice(waiting, _AT_ONCE)):
        for good, line in await asyncio.gather(*(_check_entry(entry, resolver) for entry in batch)):
            print(line)
            status = status if good else 1
    return status


async def _check_entry(entry: Entry, resolver: Resolver) -> tuple[bool, str]:
    key = entry.key.current()
    what = f"{entry.record_name} {key.algorithm} {entry.key.path}"
    try:
        record = await fetch_record(resolver, entry.selector, entry.domain)
    except Broken as error:
        return False, f"bad {what}: {error}"
    except Doubt as error:
        return False, f"unknown {what}: {error}"
    if not record.is_of(key):
        return False, f"bad {what}: DNS publishes another key"
    notes = [key.warning, "the record says t=y: verifiers may ignore the signatures" if record.testing else ""]
    return True, f"ok {what}" + "".join(f" ({note})" for note in notes if note)


def verify_files(arguments: list[str]) -> int:
    """Verify every signature of every file; ``-`` is stdin."""
    options, files = _options(arguments, "n:")
    if not files:
        raise UsageError("verify needs a file")
    return asyncio.run(_verify_files(files, _resolver(options)))


async def _verify_files(files: Sequence[str], resolver: Resolver) -> int:
    status = 0
    for path in files:
        outcomes = await verify(_read(path), resolver)
        prefix = f"{printable(path)}: " if len(files) > 1 else ""
        for outcome in outcomes:
            print(f"{prefix}{outcome}")
        if not outcomes:
            print(f"{prefix}none: the message has no signature")
        if not outcomes or not all(outcome.passed for outcome in outcomes):
            status = 1
    return status


def _read(path: str) -> bytes:
    """A whole message. Raises ConfigError."""
    try:
        if path == "-":
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"{printable(path)}: {error.strerror}") from None


def _resolver(options: dict[str, str]) -> Resolver:
    """Option -n: ask this name server, ``address`` or ``address@port``; else those of resolv.conf(5)."""
    if "-n" not in options:
        return Resolver()
    address, _, port = options["-n"].partition("@")
    if port and not (port.isascii() and port.isdigit() and len(port) < 6):
        raise UsageError(f"-n takes address or address@port, not {options['-n']!r}")
    return Resolver([(address, int(port or "53"))])
