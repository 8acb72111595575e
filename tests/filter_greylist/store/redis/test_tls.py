"""rediss://: a real Redis that speaks TLS, a certificate that is checked, and one that is not the right one."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from filter_greylist.rules.records import Timers
from filter_greylist.store.base import StoreError
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.target import parse_target
from tests.filter_greylist.servers import RedisServer, redis_missing
from tests.filter_greylist.store.sqlite.test_sqlite_faults import a_tuple
from tests.support.ports import free_port

pytestmark = [pytest.mark.daemon, pytest.mark.skipif(redis_missing(), reason="redis-server is not installed")]


def make_certificate(directory: Path, name: str, address: str) -> Path:
    """A certificate for an address that signs itself; beside it its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.crt"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.with_suffix(".key").write_bytes(secret)
    return path


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[int]:
    certificate, port = make_certificate(tmp_path, "server", "127.0.0.1"), free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-auth-clients", "no"]
    options += ["--tls-key-file", str(certificate.with_suffix(".key")), "--tls-ca-cert-file", str(certificate)]
    server = RedisServer(tmp_path, None, *options)
    server.start()
    yield port
    server.kill()


def attempted(port: int, ca: Path, tmp_path: Path, host: str = "127.0.0.1") -> None:
    async def inside() -> None:
        url = f"rediss://{host}:{port}/0?ca={ca}&fallback={tmp_path / 'x.db'}"
        store = RedisStore(parse_target(parse_spec(url)), print)
        await store.open()
        try:
            assert await store.attempt(a_tuple(1), int(time.time()), Timers()) is not None
        finally:
            await store.close()

    asyncio.run(inside())


def test_a_server_with_the_right_certificate_is_used(tls_port: int, tmp_path: Path) -> None:
    attempted(tls_port, tmp_path / "server.crt", tmp_path)


# Versions of redis-py before 5 say "Error 1 connecting".
def test_a_certificate_of_somebody_else_is_refused(tls_port: int, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"certificate verify failed|Error 1 connecting"):
        attempted(tls_port, make_certificate(tmp_path, "other", "127.0.0.1"), tmp_path)


def test_a_certificate_for_another_name_is_refused(tls_port: int, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"certificate verify failed|Error 1 connecting"):
        attempted(tls_port, tmp_path / "server.crt", tmp_path, host="localhost")
