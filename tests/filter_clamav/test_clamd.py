"""clamd's protocol: literals, what is no answer, and the same verdict as python-clamd's on the same corpus."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from pathlib import Path

import clamd as python_clamd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.net.backend import Backend, BackendError
from filter_api.net.conversation import BadAnswer
from filter_api.net.endpoint import Endpoint
from filter_clamav.clamd import VERSION, Clean, Found, Result, TooLarge, read_result, read_version, safe_name, scan
from tests.support.clamd import EICAR, EICAR_NAME, PUA, attachment, running_clamd, zipped
from tests.support.shapes import SHAPES


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"stream: OK\0", Clean()),
        (b"stream: Eicar-Test-Signature FOUND\0", Found("Eicar-Test-Signature")),
        (b"stream: {HEX}php.base64.v23au.185.UNOFFICIAL FOUND\0", Found("{HEX}php.base64.v23au.185.UNOFFICIAL")),
        (
            b"stream: Eicar(44d88612fea8a8f36de82e1278abb02f:68) FOUND\0",
            Found("Eicar(44d88612fea8a8f36de82e1278abb02f:68)"),
        ),
        (b"stream: two words FOUND\0", Found("two_words")),
        (b"stream: FOUND FOUND\0", Found("FOUND")),
        (b"INSTREAM size limit exceeded. ERROR\0", TooLarge()),
    ],
)
def test_answers(reply: bytes, expected: Result) -> None:
    assert read_result(reply) == expected


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0",
        b"stream: OK",
        b"stream: OK\0\0",
        b"stream: OK\0stream: OK\0",
        b"stream: OK \0",
        b"OK\0",
        b"stream:  FOUND\0",
        b"stream: " + b"x" * 1025 + b" FOUND\0",
        b"stream: Can't allocate memory ERROR\0",
        b"UNKNOWN COMMAND\0",
        b"220 mx.example.org ESMTP\0",
        b"HTTP/1.1 200 OK\r\n\r\n\0",
    ],
)
def test_what_is_no_answer(reply: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_result(reply)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_none(reply: bytes) -> None:
    with suppress(BadAnswer):
        assert isinstance(read_result(reply), Clean | Found | TooLarge)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Win.Test.EICAR_HDB-1", "Win.Test.EICAR_HDB-1"),
        (b"x\r\nBcc: a@b", "x_Bcc:_a@b"),
        (b"\x1b[31mred\0", "_31mred_"),
        (b"caf\xe9 %v", "caf_v"),
        (b"x" * 500, "x" * 100),
    ],
)
def test_names_are_made_safe(raw: bytes, expected: str) -> None:
    assert safe_name(raw) == expected


def test_version() -> None:
    text = "ClamAV 1.4.6/27822/Thu Nov 19 08:35:12 2026"
    assert read_version(text.encode() + b"\0") == text
    for reply in (b"ClamAV 1\r\nX: y\0", b"OK\0", b"ClamAV " + b"x" * 200 + b"\0"):
        with pytest.raises(BadAnswer):
            read_version(reply)


def ask(path: Path, text: bytes, block: int = 65536) -> Result:
    async def main() -> Result:
        def blocks() -> list[bytes]:
            return [text[start : start + block] for start in range(0, len(text), block)]

        return await Backend(Endpoint(path=str(path))).ask(scan(blocks), asyncio.get_running_loop().time() + 20)

    return asyncio.run(main())


CORPUS: dict[str, bytes] = {
    **SHAPES,
    "eicar": EICAR,
    "eicar in mail": SHAPES["plain"] + EICAR + b"\r\n",
    "eicar attached": attachment("x.com", EICAR),
    "eicar zipped": attachment("x.zip", zipped("x.com", EICAR)),
    "eicar zipped twice": attachment("x.zip", zipped("y.zip", zipped("x.com", EICAR))),
    "unwanted": PUA,
    "cut eicar": EICAR[:-1],
    "large": b"clean line of text\r\n" * 100_000,
    "eicar at the end of much": b"clean line of text\r\n" * 100_000 + EICAR,
    "broken zip": attachment("x.zip", zipped("x.com", EICAR)[:60]),
}


@pytest.mark.daemon
def test_same_verdict_as_python_clamd(clamd: Path) -> None:
    reference = python_clamd.ClamdUnixSocket(str(clamd))
    for name, text in CORPUS.items():
        word, virus = reference.instream(io.BytesIO(text))["stream"]
        expected = Clean() if word == "OK" else Found(virus)
        assert ask(clamd, text) == expected, name
    assert ask(clamd, CORPUS["eicar zipped twice"]) == Found(EICAR_NAME)


@pytest.mark.daemon
@pytest.mark.parametrize("block", [1, 7, 1000, 65536])
def test_chunks_of_any_size(clamd: Path, block: int) -> None:
    assert ask(clamd, attachment("x.com", EICAR), block) == Found(EICAR_NAME)
    assert ask(clamd, SHAPES["plain"], block) == Clean()


@pytest.mark.daemon
def test_version_of_a_real_clamd(clamd: Path) -> None:
    async def main() -> str:
        return await Backend(Endpoint(path=str(clamd))).ask(VERSION, asyncio.get_running_loop().time() + 5)

    assert asyncio.run(main()).startswith("ClamAV ")


@pytest.mark.daemon
@pytest.mark.parametrize("tcp", [False, True])
def test_the_size_limit_is_read_not_lost(tmp_path: Path, tcp: bool) -> None:
    """clamd answers and closes while we still write: the answer must win over the broken pipe, every time."""
    settings = ("TCPSocket 23310", "TCPAddr 127.0.0.1") if tcp else ()
    with running_clamd(tmp_path, *settings, stream_max=1 << 20) as path:
        endpoint = Endpoint("127.0.0.1", 23310) if tcp else Endpoint(path=str(path))

        async def main() -> None:
            backend = Backend(endpoint)
            for size in (1 << 20, (1 << 20) + 1, 3 << 20, 20 << 20):
                blocks = [b"x" * 65536] * (size // 65536) + [b"x" * (size % 65536)]
                for _ in range(5):
                    until = asyncio.get_running_loop().time() + 20
                    result = await backend.ask(scan(lambda kept=blocks: kept), until)  # type: ignore[misc]
                    assert result == (Clean() if size == 1 << 20 else TooLarge()), size

        asyncio.run(main())


@pytest.mark.daemon
def test_a_clamd_that_refuses_is_no_verdict(tmp_path: Path) -> None:
    """A temporary directory that cannot be written: clamd says ERROR, which is neither clean nor found."""
    nowhere = tmp_path / "gone"
    nowhere.mkdir()
    with running_clamd(tmp_path, f"TemporaryDirectory {nowhere}") as path:
        nowhere.rmdir()
        with pytest.raises(BackendError, match=r"reset|not a result|not one line"):
            ask(path, b"hello")
