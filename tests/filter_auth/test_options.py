"""The command line: what is taken, and what is refused with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.errors import ConfigError, UsageError
from filter_auth.options import Failing, Unauthored, parse


def test_the_defaults() -> None:
    own, common = parse([])
    assert (own.failing, own.unauthored, own.bits, own.refuse_spf_fail) == (Failing.MARK, Unauthored.MARK, 1024, False)
    assert (own.own_id, own.other_ids, own.sealers, own.forwarders) == ("", (), None, None)
    assert common.failure is None


def test_every_option_is_read(tmp_path: Path) -> None:
    for name in ("sealers", "forwarders"):
        (tmp_path / name).write_text("example.org\n" if name == "sealers" else "from:example.org\n")
    files = ["-c", str(tmp_path / "sealers"), "-l", str(tmp_path / "forwarders")]
    own, _ = parse(
        [
            "-s",
            "-a",
            "mx.example.org",
            "-i",
            "a.example",
            "-i",
            "b.example",
            "-f",
            "/x/reports.db",
            "-k",
            "2048",
            *files,
            "-p",
            "strict",
            "-u",
            "none",
        ]
    )
    assert (own.own_id, own.other_ids, own.bits) == ("mx.example.org", ("a.example", "b.example"), 2048)
    assert (own.failing, own.unauthored, own.refuse_spf_fail) == (Failing.STRICT, Unauthored.NONE, True)
    assert own.store == "/x/reports.db"
    assert own.sealers is not None
    assert b"example.org" in own.sealers


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "never"], "-p takes none, mark, reject or strict, not 'never'"),
        (["-u", "strict"], "-u takes none, mark or reject, not 'strict'"),
        (["-k", "512"], "-k takes bits from 1024 to 4096, not '512'"),
        (["-a", "a b;c"], "-a takes a host name like mx.example.org, not 'a b;c'"),
        (["-i", ""], "-i takes a host name like mx.example.org, not ''"),
        (["-x"], "option -x not recognized"),
    ],
)
def test_a_bad_option_says_what_is_taken(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        parse(arguments)


def test_a_bad_line_of_a_file_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_text("# fine\njoe@example.org\n")
    with pytest.raises(ConfigError, match=r"bad:2: "):
        parse(["-c", str(bad)])
    bad.write_text("to:example.org\n")
    with pytest.raises(ConfigError, match=r"bad:1: "):
        parse(["-l", str(bad)])
    with pytest.raises(ConfigError, match="missing"):
        parse(["-c", str(tmp_path / "missing")])
