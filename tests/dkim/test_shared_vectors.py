"""Messages that other projects test their verifiers with; left out, and said so, where the data is not at hand.

../shared/auth beside the checkout holds them with their licences: mail-auth, MimeKit, dkimpy, Mail::DKIM.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from filter_api.dkim.results import Result
from tests.dkim.crafted import judged

AUTH = Path(__file__).resolve().parents[3] / "shared" / "auth"
pytestmark = [
    pytest.mark.daemon,  # in CI the data may not be missing
    pytest.mark.skipif(not AUTH.is_dir(), reason="left out: the data in ../shared/auth is not here"),
]


def crlf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def zone_of(lines: bytes) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for line in lines.splitlines():
        name, _, text = line.strip().partition(b" ")
        if name and not name.startswith(b"#"):
            found.setdefault(name.decode("latin-1").rstrip(".").lower(), []).append(text.strip())
    return found


@pytest.mark.parametrize("number", range(1, 7))
def test_mail_auth(number: int) -> None:
    records, message = (AUTH / "mail-auth" / "dkim" / f"{number:03}.txt").read_bytes().split(b"\n\n", 1)
    outcomes = judged(crlf(message), zone_of(records), now=1_667_900_000)  # 005 expires
    assert outcomes
    assert all(outcome.passed for outcome in outcomes), list(map(str, outcomes))


def mimekit(name: str) -> bytes:
    return (AUTH / "mimekit" / "dkim" / name).read_bytes()


def test_mimekit_and_a_message_of_dkimpy_from_the_same_domain() -> None:
    key = b"".join(line for line in mimekit("gmail.pub").splitlines() if not line.startswith(b"-"))
    zone = {"20120113._domainkey.gmail.com": [b"k=rsa; p=" + key]}
    ugly_folds = (AUTH / "dkimpy" / "test2.message").read_bytes()
    for message in (*map(mimekit, ("gmail.msg", "multipart-no-end-boundary.msg", "related.msg")), ugly_folds):
        outcomes = judged(crlf(message), zone)
        assert [outcome.result for outcome in outcomes] == [Result.PASS], list(map(str, outcomes))


RFC8463 = {
    "brisbane._domainkey.football.example.com": [b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
    "test._domainkey.football.example.com": [
        b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
        b"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
        b"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
        b"Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ],
}


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("mimekit/dkim", "rfc8463-example.msg"),
        ("dkimpy", "rfc6376.signed.msg"),
        ("dkimpy", "rfc6376.signed.rsa.msg"),
    ],
)
def test_the_message_of_rfc_8463(folder: str, name: str) -> None:
    outcomes = judged(crlf((AUTH / folder / name).read_bytes()), RFC8463)
    assert outcomes
    assert all(outcome.passed for outcome in outcomes), list(map(str, outcomes))


def test_a_changed_field_of_dkimpy() -> None:
    """The signature of another message with x= put in: dkimpy says no, too."""
    [outcome] = judged(crlf((AUTH / "dkimpy" / "rfc6376.signed.no_t.msg").read_bytes()), RFC8463)
    assert outcome.result is Result.FAIL


def test_dkimpy_ed25519_of_exim() -> None:
    keys = (AUTH / "dkimpy" / "eximtest.dns").read_bytes().splitlines()
    outcomes = judged(crlf((AUTH / "dkimpy" / "ed25519test2.msg").read_bytes()), {"sed._domainkey.test.ex": keys})
    assert [outcome.result for outcome in outcomes] == [Result.PASS], list(map(str, outcomes))


@pytest.mark.parametrize("name", ["badk", "badversion", "test_bad", "test_tlsrpt"])
def test_bad_key_records_of_dkimpy(name: str) -> None:
    text = (AUTH / "dkimpy" / f"{name}.txt").read_bytes().strip()
    message = crlf((AUTH / "dkimpy" / "rfc6376.signed.rsa.msg").read_bytes())
    [outcome] = judged(message, {"test._domainkey.football.example.com": [text]})
    assert not outcome.passed
    good = (AUTH / "dkimpy" / "test.txt").read_bytes().strip()
    assert judged(message, {"test._domainkey.football.example.com": [good]})[0].passed


def corpus() -> list[Path]:
    return sorted((AUTH / "mail-dkim" / "corpus").glob("*.txt")) if AUTH.is_dir() else []


#: rsa-sha256 of the final RFC with a key of 1024 bits or more, and well-formed: these do hold.
HOLD = re.compile(r"good|mine|multiple|goodkey|no_body")


@pytest.mark.parametrize("path", corpus(), ids=lambda path: path.stem)
def test_no_bad_message_of_mail_dkim_passes(path: Path) -> None:
    zone = zone_of((AUTH / "mail-dkim" / "FAKE_DNS.dat").read_bytes())
    outcomes = judged(crlf(path.read_bytes()), zone, now=1_200_000_000)
    if not HOLD.match(path.stem):
        assert not any(outcome.passed for outcome in outcomes), list(map(str, outcomes))
    for outcome in outcomes:
        assert str(outcome).isprintable()


@pytest.mark.parametrize("name", ["goodkey_ed25519"])
def test_good_messages_of_mail_dkim_by_today_s_rules_pass(name: str) -> None:
    zone = zone_of((AUTH / "mail-dkim" / "FAKE_DNS.dat").read_bytes())
    outcomes = judged(crlf((AUTH / "mail-dkim" / "corpus" / f"{name}.txt").read_bytes()), zone)
    assert any(outcome.passed for outcome in outcomes), list(map(str, outcomes))
