"""Our verifier: it says what is wrong, not only that something is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from filter_api.dkim.record import KeyRecord, parse_tags, record_text, zone_lines
from filter_api.dkim.verify import Outcome, _authors, _parse, _related, judge, verify
from filter_api.net.dns import Resolver, Status
from filter_api.testing import FakeTimeLoop
from filter_api.testing.dns import FakeZone, Slow
from filter_api.testing.player import Player
from tests.filter_dkimsign.keyring import ed25519_key, pem, record, rsa_key
from tests.filter_dkimsign.support import MAIL, ZONE, both_keys, one_key, submit

NOW = 1_700_000_000


@pytest.fixture
def signed(tmp_path: Path) -> bytes:
    with Player(both_keys(tmp_path, "-t", "-x", "600")) as smtpd:
        return submit(smtpd, MAIL)


def outcomes(text: bytes, now: float = NOW, **changes: object) -> list[Outcome]:
    """What becomes of the signatures; `changes` are TXT records of the selectors rsa and ed."""
    content = {(name, "TXT"): [text] for name, text in ZONE.items()}
    for selector, value in changes.items():
        content[f"{selector}._domainkey.example.org", "TXT"] = value  # type: ignore[assignment]  # Status, or records

    async def inside() -> list[Outcome]:
        return await verify(text, Resolver(backend=FakeZone(content)), now=now)

    return asyncio.run(inside())


def test_pass(signed: bytes) -> None:
    assert [str(outcome) for outcome in outcomes(signed)] == [
        "pass d=example.org s=rsa a=rsa-sha256",
        "pass d=example.org s=ed a=ed25519-sha256",
    ]


def test_files_with_lf_line_ends_are_taken(signed: bytes) -> None:
    assert all(outcome.passed for outcome in outcomes(signed.replace(b"\r\n", b"\n")))


def test_no_signature() -> None:
    assert outcomes(MAIL) == []
    assert outcomes(b"") == []
    assert outcomes(b"\r\nbody") == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"hello", b"hullo", "the body hash does not match: the body was changed"),
        (b"Subject: test", b"Subject: toast", "the signature does not match: a signed header field was changed"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "rsa-sha1 is not a safe algorithm (RFC 8301)"),
        (b"v=1", b"v=2", "malformed: not version 1"),
        (b"v=1;", b"v=1; v=1;", "malformed: tag v= occurs twice"),
        (b"v=1;", b"v=1; nonsense;", "malformed: not a tag list"),
        (b"s=rsa;", b"", "malformed: s= is missing"),
        (b"h=from:from", b"h=x:y", "malformed: From is not signed"),
        (b"c=relaxed/relaxed", b"c=fancy", "malformed: unknown canonicalization"),
        (b"i=@example.org", b"i=@example.net", "malformed: i= is not in the domain d="),
        (b"x=1700000600", b"x=soon", "malformed: x= is not a time"),
        (b"bh=", b"l=x; bh=", "malformed: l= is not a number"),
        (b"bh=", b"bh=!", "malformed: bh= is not base64"),
        (b"\tb=", b"\tb=!", "malformed: b= is not base64"),
        (b"s=rsa;", b"s=gone;", "no key is published at gone._domainkey.example.org"),
    ],
)
def test_fail(signed: bytes, old: bytes, new: bytes, reason: str) -> None:
    assert old in signed
    first = outcomes(signed.replace(old, new, 1))[0]
    assert first.passed is False
    assert reason in first.reason


def test_nothing_a_stranger_wrote_drives_the_terminal(signed: bytes) -> None:
    evil = b"\x1b]0;owned\x07\x9b2J"
    lines = [
        *outcomes(signed.replace(b"s=rsa;", b"s=" + evil + b";", 1)),
        *outcomes(signed.replace(b"a=rsa-sha256", b"a=" + evil, 1)),
        *outcomes(signed.replace(b"d=example.org;", b"d=" + evil + b";", 1)),
        *outcomes(signed, rsa=[b"v=DKIM1; k=" + evil + b"; p=QUJD"]),
        *outcomes(signed, rsa=[b"v=DKIM1; p=" + evil]),
    ]
    assert all(str(line).isascii() and str(line).isprintable() for line in lines)
    assert not all(line.passed for line in lines)


def test_expired(signed: bytes) -> None:
    assert outcomes(signed, now=NOW + 601)[0].reason == "expired"


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        (["v=DKIM1; k=rsa; p="], "the key was revoked: its p= is empty"),
        (["v=DKIM1; k=rsa"], "the record holds no key"),
        (["v=spf1 -all"], "the record is not of version DKIM1"),
        (["k=rsa; v=DKIM1; p=x"], "the record is not of version DKIM1"),
        (["v=DKIM1; p=!"], "not base64"),
        (["v=DKIM1; p=QUJD"], "is not a key"),
        (["v=DKIM1; k=ecc; p=QUJD"], "unknown key type ecc"),
        (["v=DKIM1; k=ed25519; p=QUJD"], "an Ed25519 key has 32 bytes"),
        ([b"v=DKIM1; h=sha1; " + record(rsa_key())[9:]], "the record does not allow sha256"),
        ([b"v=DKIM1; s=tlsrpt; " + record(rsa_key())[9:]], "the record is not for mail"),
        ([record(rsa_key(2048, 1))], "the signature does not match"),
        ([record(ed25519_key())], "the published key is for ed25519-sha256"),
    ],
)
def test_keys_that_do_not_fit(signed: bytes, published: list[bytes], reason: str) -> None:
    first, second = outcomes(signed, rsa=published)
    assert first.passed is False
    assert reason in first.reason
    assert second.passed is True


def test_a_short_key_is_no_proof(tmp_path: Path) -> None:
    with Player(one_key(tmp_path)) as smtpd:
        text = submit(smtpd, MAIL)
    short = (
        b"v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf"
        b"9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ=="
    )
    assert "512 bits only" in outcomes(text, rsa=[short])[0].reason


def test_dns_in_trouble_is_no_verdict(signed: bytes) -> None:
    first = outcomes(signed, rsa=Status.TEMPFAIL)[0]
    assert first.passed is None
    assert str(first).startswith("unknown d=example.org s=rsa a=rsa-sha256: DNS does not answer for")


def test_what_is_worth_a_look(signed: bytes) -> None:
    flagged = record(rsa_key()).replace(b"v=DKIM1;", b"v=DKIM1; t=y:s;")
    assert outcomes(signed, rsa=[flagged])[0].notes == ("the domain is testing, t=y",)
    below = signed.replace(b"i=@example.org", b"i=@sub.example.org", 1)
    assert "t=s" in outcomes(below, rsa=[flagged])[0].reason
    assert "signed header field" in outcomes(below)[0].reason


def test_another_record_beside_the_key_does_no_harm(signed: bytes) -> None:
    assert outcomes(signed, rsa=["v=spf1 -all", ZONE["rsa._domainkey.example.org"]])[0].passed


def test_length_limits_are_pointed_out() -> None:
    """We never write l=, others do: the signature may hold, and the note says what it does not cover."""
    import dkim

    key = pem(rsa_key())
    text = MAIL + b"signed\r\n"
    field = dkim.sign(text, b"rsa", b"example.org", key, length=True)
    found = outcomes(field + text + b"appended\r\n")[0]
    assert found.passed
    assert "l= leaves 10 bytes of the body unsigned" in found.notes


@pytest.mark.parametrize("forms", [(b"simple", b"simple"), (b"relaxed", b"simple"), (b"relaxed", b"relaxed")])
def test_what_dkimpy_signs_we_believe(forms: tuple[bytes, bytes]) -> None:
    import dkim

    text = MAIL.replace(b"Subject: test", b"Subject: \t folded\r\n\t  twice  ") + b" odd \t blanks \r\n\r\n"
    assert outcomes(dkim.sign(text, b"rsa", b"example.org", pem(rsa_key()), canonicalize=forms) + text)[0].passed


def test_records_are_written_as_they_are_read(tmp_path: Path) -> None:
    from filter_api.dkim.keys import parse_key

    for secret in (rsa_key(), ed25519_key()):
        key = parse_key(pem(secret))
        text = record_text(key)
        assert KeyRecord.parse(text.encode()).is_of(key)
        assert not KeyRecord.parse(record(rsa_key(2048, 1))).is_of(key)
        lines = zone_lines("s._domainkey.example.org", text).split("\n")
        assert lines[0] == "s._domainkey.example.org. IN TXT ("
        strings = [line.removesuffix(" )").strip("\t").strip('"') for line in lines[1:-1]]
        assert "".join(strings) == text
        assert max(map(len, strings)) <= 255


def test_tags() -> None:
    assert parse_tags(b" a = 1 ;\r\n\tb=x y;c=;") == {b"a": b"1", b"b": b"x y", b"c": b""}
    for wrong in (b"a", b"a=1;;b=2", b"=1", b"1a=x", b"a=1; a=2"):
        with pytest.raises(ValueError, match="tag"):
            parse_tags(wrong)


def test_a_key_that_does_not_come_before_the_deadline_is_not_known(signed: bytes) -> None:
    content = {(name, "TXT"): Slow(30.0, [text]) for name, text in ZONE.items()}

    async def soon() -> tuple[list[bool | None], float]:
        began = asyncio.get_running_loop().time()
        found = await verify(signed, Resolver(backend=FakeZone(content)), now=NOW, deadline=began + 0.5)
        return [outcome.passed for outcome in found], asyncio.get_running_loop().time() - began

    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        passed, seconds = runner.run(soon())
    assert passed == [None, None]
    assert 0.5 <= seconds < 0.6


@pytest.mark.parametrize(
    ("one", "other", "related"),
    [
        (b"a.example.org", b"example.org", True),
        (b"example.org", b"a.example.org", True),
        (b"example.org", b"example.org", False),
        (b"badexample.org", b"example.org", False),
        (b"example.org", b"badexample.org", False),
        (b"", b"example.org", False),
        (b"example.org", b"", False),
    ],
)
def test_a_name_is_related_to_those_above_and_below_it(one: bytes, other: bytes, related: bool) -> None:
    assert _related(one, other) is related


def test_name_servers_that_are_slow_are_waited_for_together(signed: bytes) -> None:
    content = {(name, "TXT"): Slow(2.0, [text]) for name, text in ZONE.items()}

    async def inside() -> float:
        found = await verify(signed, Resolver(backend=FakeZone(content)), now=NOW)
        assert [outcome.passed for outcome in found] == [True, True]
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        assert runner.run(inside()) == pytest.approx(2.0)


@pytest.mark.parametrize(("signatures", "judged", "left_out"), [(0, 0, 0), (1, 1, 0), (10, 10, 0), (13, 10, 3)])
def test_of_more_than_ten_signatures_it_is_said_how_many_were_left_out(
    signatures: int, judged: int, left_out: int
) -> None:
    fields = [(b"dkim-signature", b"DKIM-Signature: v=1\r\n")] * signatures
    found = asyncio.run(judge(fields, [], Resolver(backend=FakeZone({})), now=NOW))
    assert (len(found.outcomes), found.left_out) == (judged, left_out)


def test_while_many_signatures_are_read_the_loop_has_its_turn_after_each_fifty() -> None:
    async def inside() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        await _parse([b"DKIM-Signature: v=1\r\n"] * 500)
        counting.cancel()
        return turns

    assert asyncio.run(inside()) == 10


def test_the_authors_are_the_domains_of_from_groups_included() -> None:
    fields = [(b"from", b"From: Staff: a@x.example, b@Y.example;\r\n"), (b"to", b"To: c@z.example\r\n")]
    assert _authors(fields) == {b"x.example", b"y.example"}
    assert _authors([(b"from", b"From: nobody\r\n")]) == set()


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        (b"d=author.example", b"d=sub.author.example"),
        (b"d=sub.author.example", b"d=other.example"),
        (b"d=other.example", b"nonsense"),
    ],
)
def test_of_many_signatures_those_nearest_to_the_author_are_judged(nearer: bytes, farther: bytes) -> None:
    far, near = b"DKIM-Signature: %b\r\n" % farther, b"DKIM-Signature: %b; x=1\r\n" % nearer
    fields = [(b"dkim-signature", raw) for raw in [*[far] * 10, near]]
    fields.append((b"from", b"From: a@author.example\r\n"))
    found = asyncio.run(judge(fields, [], Resolver(backend=FakeZone({})), now=NOW)).outcomes
    assert len(found) == 10
    assert found[-1].domain == nearer.removeprefix(b"d=").decode()
