"""What filter-auth writes of each kind of signature, and whether DMARC passes by it (K rows of the table of cases)."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA1

from filter_api.net.dns import Status
from filter_api.testing.dns import Content, Slow
from filter_api.testing.player import Player
from tests.dkim.crafted import BODY, GOOD, HEADER, NAME, crafted
from tests.filter_auth.mail import dmarc, results, sent
from tests.filter_dkimsign.keyring import ed25519_key, record, rsa_key
from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import MAIL, ZONE, one_key, submit

KEY = record(rsa_key())


def said(message: bytes, published: Content | Slow = (KEY,), *options: str) -> tuple[str, str]:
    """The results of DKIM and of DMARC."""
    zone: dict[tuple[str, str], Content | Slow] = {**dmarc("p=reject"), (NAME, "TXT"): published}
    [written] = results(sent(zone, message, options=options))
    words = dict(part.strip().split()[0].split("=") for part in written.split(";")[1:])
    return words["dkim"], words["dmarc"]


TAGS = {
    "K12 expired": (GOOD.replace("v=1;", "v=1; x=1600000000;"), "policy"),
    "K13 an hour ahead": (GOOD.replace("v=1;", "v=1; t=1700003600;"), "policy"),
    "K13 a minute ahead": (GOOD.replace("v=1;", "v=1; t=1700000060;"), "pass"),
    "K13 expired before it was made": (GOOD.replace("v=1;", "v=1; t=1600000000; x=1500000000;"), "neutral"),
    "K14 i= elsewhere": (GOOD.replace("v=1;", "v=1; i=@example.com;"), "permerror"),
    "K15 a tag twice": (GOOD.replace("v=1;", "v=1; v=1;"), "neutral"),
    "K15 v=2": (GOOD.replace("v=1;", "v=2;"), "neutral"),
    "K15 an unknown algorithm": (GOOD.replace("a=rsa-sha256", "a=rsa-md5"), "neutral"),
    "K15 no bh=": (GOOD.replace("bh=BH; ", ""), "neutral"),
    "K16 q=http": (GOOD.replace("v=1;", "v=1; q=http;"), "neutral"),
    "K16 q=http:dns/txt": (GOOD.replace("v=1;", "v=1; q=http:dns/txt;"), "pass"),
}


@pytest.mark.parametrize(("tags", "result"), list(TAGS.values()), ids=list(TAGS))
def test_tags(tags: str, result: str) -> None:
    assert said(crafted(tags)) == (result, "pass" if result == "pass" else "fail")


def test_k02_sha1_does_not_count_and_is_no_identifier() -> None:
    assert said(crafted(GOOD.replace("sha256", "sha1"), hashed=SHA1())) == ("policy", "fail")


def test_k03_a_short_key_does_not_count() -> None:
    short = rsa_key(1024)
    assert said(crafted(key=short), [record(short)]) == ("pass", "pass")
    assert said(crafted(key=short), [record(short)], "-k", "2048") == ("policy", "fail")


@pytest.mark.parametrize(
    ("published", "result", "of_dmarc"),
    [
        ([b"v=DKIM1; p="], "permerror", "fail"),
        (Status.NXDOMAIN, "permerror", "fail"),
        (Status.NODATA, "permerror", "fail"),
        (Status.TEMPFAIL, "temperror", "temperror"),
        ([record(ed25519_key()), KEY], "pass", "pass"),
        ([KEY.replace(b"k=rsa", b"k=rsa; h=sha1")], "permerror", "fail"),
        ([KEY.replace(b"k=rsa", b"k=rsa; s=tlsrpt")], "permerror", "fail"),
        ([KEY.replace(b"k=rsa", b"k=rsa; t=y")], "pass", "pass"),
        ([KEY.replace(b"p=", b"p= ").replace(b"A", b"A ", 3)], "pass", "pass"),
    ],
    ids=["K04", "K05 NXDOMAIN", "K05 NODATA", "K06", "K07", "K21 h=", "K21 s=", "K26", "K20"],
)
def test_keys(published: Content, result: str, of_dmarc: str) -> None:
    assert said(crafted(), published) == (result, of_dmarc)


@pytest.mark.parametrize(
    ("length", "extra", "result"),
    [
        (len(BODY), b"", "pass"),
        (len(BODY) - 2, b"", "policy"),
        (len(BODY), b"more\r\n", "policy"),
        (900, b"", "permerror"),
    ],
    ids=["K09", "K08", "K08 extended", "K10"],
)
def test_l_is_taken_only_where_it_covers_the_whole_body(length: int, extra: bytes, result: str) -> None:
    message = crafted(GOOD.replace("v=1;", f"v=1; l={length};"), length=length)
    assert said(message + extra) == (result, "pass" if result == "pass" else "fail")


def test_k11_from_must_be_signed() -> None:
    message = crafted(GOOD.replace("h=from:to:subject", "h=to:subject"), signed_names=(b"to", b"subject"))
    assert said(message) == ("permerror", "fail")


def test_k17_what_was_changed_fails() -> None:
    assert said(crafted().replace(b"world", b"World")) == ("fail", "fail")
    assert said(crafted().replace(b"Subject: test", b"Subject: Test")) == ("fail", "fail")


def test_k18_of_a_hundred_signatures_that_of_the_author_is_judged() -> None:
    other = GOOD.replace("d=example.org", "d=other.example")
    message = b"".join(crafted(other).partition(HEADER)[0] for _ in range(99)) + crafted()
    zone: dict[tuple[str, str], Content | Slow] = {**dmarc("p=reject"), (NAME, "TXT"): [KEY]}
    [written] = results(sent(zone, message))
    assert written.count("dkim=") == 10
    assert written.endswith("dmarc=pass header.from=example.org")


@pytest.mark.parametrize(
    "author",
    [
        b"Doe, Alice <alice@example.org>",
        b"Team: alice@example.org, bob@example.org;",
        b"alice@mail.example.org",
        b"x@nobody.example> <alice@example.org>",
        b"=?utf-8?q?A?= alice@example.org",
    ],
)
def test_k18_so_is_it_where_from_is_a_group_or_breaks_the_rules(author: bytes) -> None:
    header = HEADER.replace(b"Alice <alice@example.org>", author)
    other = crafted(GOOD.replace("d=example.org", "d=other.example"), header=header).partition(header)[0]
    written = results(sent({**dmarc("p=reject"), (NAME, "TXT"): [KEY]}, other * 99 + crafted(header=header)))[0]
    assert written.count("dkim=") == 10
    assert "dkim=pass header.d=example.org" in written


@pytest.mark.parametrize("identity", ["a@example\r\n .org", "a@exam\r\n\tple.org", "a @ Example.ORG", "@ example.org"])
def test_k14_blanks_in_i_mean_nothing_to_a_key_that_allows_no_name_below(identity: str) -> None:
    message = crafted(GOOD.replace("v=1;", f"v=1; i={identity};"))
    assert said(message, [KEY.replace(b"k=rsa", b"k=rsa; t=s")]) == ("pass", "pass")


@pytest.mark.parametrize("identity", ["a@mail.example.org", "@a.example\r\n .org"])
def test_k14_such_a_key_makes_a_name_below_a_permerror(identity: str) -> None:
    message = crafted(GOOD.replace("v=1;", f"v=1; i={identity};"))
    assert said(message, [KEY.replace(b"k=rsa", b"k=rsa; t=s")]) == ("permerror", "fail")


def test_k19_a_signature_of_200_kb_is_neutral() -> None:
    names = "\r\n ".join(":".join(["from"] * 150) + ":" for _ in range(250)) + "\r\n from"
    field = f"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=rsa; h={names};\r\n bh=AAAA; b=AAAA\r\n".encode()
    assert said(field + HEADER + b"\r\n" + BODY)[0] == "neutral"


@pytest.mark.parametrize("subject", [b"caf\xe9 \xff\x80", b"b\xc3\xbccher", b"folded\r\n\tby\r\n\t\ttabs"])
def test_k22_raw_8_bit_and_folds_by_tabs_in_a_signed_field_do_no_harm(tmp_path: Path, subject: bytes) -> None:
    with Player(one_key(tmp_path)) as player:
        text = submit(player, MAIL.replace(b"Subject: test", b"Subject: " + subject))
    assert both(text, ZONE) == [True]
    assert said(text) == ("pass", "pass")


def test_k25_a_second_from_breaks_the_signature_and_leaves_no_author() -> None:
    message = crafted(GOOD.replace("h=from", "h=from:from"), signed_names=(b"from", b"to", b"subject"))
    assert said(message.replace(b"To: bob", b"From: ceo@example.org\r\nTo: bob")) == ("fail", "permerror")
