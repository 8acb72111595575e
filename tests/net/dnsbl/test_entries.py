"""How a list is written: what each part means, and what is wrong with each wrong word."""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_api.net.dnsbl import parse_entry, parse_lists, read_keys
from filter_api.text.lines import LineError, content_lines


def test_a_domain_alone_asks_about_the_client_for_one_point() -> None:
    entry = parse_entry("Zen.Example.org.")
    assert (entry.zone.name, entry.zone.shown) == ("zen.example.org", "zen.example.org")
    assert (entry.weight, entry.where) == (1, "c")
    assert entry.counts(IPv4Address("127.99.1.2"))


def test_all_parts_together() -> None:
    entry = parse_entry("dbl.example.org=127.0.[0..1].[2;4..6]*-7/ps")
    assert (entry.weight, entry.where) == (-7, "ps")
    counted = [f"127.0.{third}.{last}" for third in range(3) for last in range(9)]
    assert [each for each in counted if entry.counts(IPv4Address(each))] == [
        *("127.0.0.2", "127.0.0.4", "127.0.0.5", "127.0.0.6"),
        *("127.0.1.2", "127.0.1.4", "127.0.1.5", "127.0.1.6"),
    ]


def test_bits_are_any_of_them() -> None:
    entry = parse_entry("multi.example.org=127.0.0.&24")
    assert [last for last in range(34) if entry.counts(IPv4Address(f"127.0.0.{last}"))] == [*range(8, 32)]


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("zen..org", "zen..org: no domain name; write it like zen.example.org"),
        ("zen", "zen: no domain name; write it like zen.example.org"),
        ("", ": a list is domain[=filter][*weight][/where]"),
        ("zen.example.org*0", "*0: a weight is from -99 to 99, and not 0"),
        ("zen.example.org*100", "*100: a weight is from -99 to 99, and not 0"),
        (
            "zen.example.org=127.0.0.[9..2]",
            "=127.0.0.[9..2]: the range 9..2 is reversed; write 2..9",
        ),
        (
            "zen.example.org=127.0.0",
            "=127.0.0: a filter has four numbers, such as 127.0.0.[2..4;9] or 127.0.0.&8",
        ),
        ("zen.example.org=127.0.0.256", "=127.0.0.256: '256' is no number from 0 to 255"),
        ("zen.example.org=127.0.0.[2;]", "=127.0.0.[2;]: '' is no number from 0 to 255"),
        ("zen.example.org=127.0.0.[2..300]", "=127.0.0.[2..300]: '300' is no number from 0 to 255"),
        ("zen.example.org=127.0.0.[300..2]", "=127.0.0.[300..2]: '300' is no number from 0 to 255"),
        ("zen.example.org=127.0.0.&256", "=127.0.0.&256: '256' is no number from 0 to 255"),
        ("zen.example.org=127.0.0.[0002]", "=127.0.0.[0002]: '0002' is no number from 0 to 255"),
        (
            "zen.example.org=127.0.0.[" + "1" * 21 + "]",
            "=127.0.0.[" + "1" * 21 + "]: '" + "1" * 17 + "...' is no number from 0 to 255",
        ),
        (
            "zen.example.org=127.0.0.2x",
            "=127.0.0.2x: a filter has four numbers, such as 127.0.0.[2..4;9] or 127.0.0.&8",
        ),
        (
            "zen.example.org=" + "x" * 81,
            "=" + "x" * 77 + "...: a filter has four numbers, such as 127.0.0.[2..4;9] or 127.0.0.&8",
        ),
        ("zen.example.org*" + "9" * 41, "*" + "9" * 37 + "...: a weight is from -99 to 99, and not 0"),
        ("zen.example.org=10.0.0.2", "=10.0.0.2: answers of lists begin with 127, so this never counts"),
        (
            "zen.example.org=127.0.0.&0",
            "=127.0.0.&0: no number has any of the bits of 0; write &1 to &255",
        ),
        (
            "zen.example.org=127.255.255.[252..255]",
            "=127.255.255.[252..255]: by these a list refuses questions, so they never count; leave the filter away",
        ),
        ("127.0.0.2", "127.0.0.2: no domain name; write it like zen.example.org"),
        ("zen.example.0", "zen.example.0: no domain name; write it like zen.example.org"),
        ("2.0.0.127*3", "2.0.0.127: no domain name; write it like zen.example.org"),
        ("zen.example.org/x", "/x: write /c alone, or some of /p /h /s /a together, such as /ps"),
        ("zen.example.org/cp", "/cp: write /c alone, or some of /p /h /s /a together, such as /ps"),
        (
            "wl.example.org*-1/h",
            "/h: anybody can use any HELO name or author, so these welcome nobody; use /p or /s",
        ),
        (
            "@dqs@.zen.example.org",
            "@dqs@.zen.example.org: no key is named dqs; add it to the file of keys (-k)",
        ),
        (
            "@" + "k" * 41 + "@.example.org",
            "@" + "k" * 41 + "@.example.org: no key is named " + "k" * 37 + "...; add it to the file of keys (-k)",
        ),
        ("x" * 81, "x" * 77 + "...: no domain name; write it like zen.example.org"),
        ("=" + "x" * 80, "=" + "x" * 76 + "...: a list is domain[=filter][*weight][/where]"),
        (
            "zen.example.org/" + "x" * 41,
            "/" + "x" * 37 + "...: write /c alone, or some of /p /h /s /a together, such as /ps",
        ),
        ("@dqs.zen.example.org", "@dqs.zen.example.org: a key is written @name@, once"),
    ],
)
def test_what_is_wrong_is_named_with_the_remedy(word: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}$"):
        parse_entry(word)


def test_where_no_key_can_be_given_a_list_with_one_is_refused() -> None:
    complaint = "^@dqs@.bl.test: no list with a key can be asked here; name one without$"
    with pytest.raises(ValueError, match=complaint):
        parse_entry("@dqs@.bl.test", None)


def test_a_domain_must_leave_room_for_an_address() -> None:
    longest = ".".join(["x" * 60] * 3) + ".a.test"
    assert parse_entry(longest).zone.name == longest
    with pytest.raises(ValueError, match="longer than 189 characters"):
        parse_entry("x" + longest)
    with pytest.raises(ValueError, match="longer than 189 characters"):
        parse_entry(".".join(["x" * 60] * 3) + ".long.example")


def test_a_bad_line_is_told_by_its_number() -> None:
    with pytest.raises(LineError) as error:
        parse_lists(content_lines(b"# lists\nbl.test*2  # good\n\nbl.test*0\n"))
    assert error.value.number == 4


def test_a_file_has_no_more_lists_than_are_asked() -> None:
    assert len(parse_lists(content_lines(b"bl.test\n" * 64))) == 64
    with pytest.raises(LineError, match="more than 64 lists") as error:
        parse_lists(content_lines(b"bl.test\n" * 65))
    assert error.value.number == 65


def test_a_list_may_be_asked_about_authors_unless_the_filter_does_not_know_them() -> None:
    [entry] = parse_lists(content_lines(b"bl.test/a\n"))
    assert entry.where == "a"
    with pytest.raises(LineError, match=r"^bl\.test: a list is asked about authors \(/a\): give -a"):
        parse_lists(content_lines(b"bl.test/a\n"), authors=False)


def test_a_filter_may_count_codes_that_are_no_refusals() -> None:
    assert parse_entry("bl.test=127.0.255.2").counts(IPv4Address("127.0.255.2"))
    assert parse_entry("bl.test=127.255.0.2").counts(IPv4Address("127.255.0.2"))


def test_a_key_is_in_the_name_and_in_nothing_that_is_shown() -> None:
    entry = parse_entry("@dqs@.zen.dq.example.net", {"dqs": "SeCrEtKey99"})
    assert entry.zone.name == "secretkey99.zen.dq.example.net"
    assert entry.zone.key == "secretkey99"
    assert str(entry.zone) == entry.zone.shown == "zen.dq.example.net"
    assert "secretkey99" not in repr(entry).lower()


def keys(tmp_path: Path, text: str, mode: int = 0o600) -> dict[str, str]:
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(mode)
    return read_keys(str(path))


def test_keys_have_names(tmp_path: Path) -> None:
    assert keys(tmp_path, "# of providers\ndqs abc123\nother\tdef-4\n") == {"dqs": "abc123", "other": "def-4"}
    assert keys(tmp_path, "dqs abc123\n", 0o400) == {"dqs": "abc123"}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_keys_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match=rf"keys: mode {mode:04o} lets others read the keys; chmod 600 "):
        keys(tmp_path, "dqs abc123\n", mode)


def test_a_bad_line_of_keys_is_named_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        keys(tmp_path, "dqs abc123\ndqs2 secret secret\n")
    assert "keys:2: a line is the name of a key" in str(error.value)
    assert "secret" not in str(error.value)


def test_a_pipe_is_no_file_of_keys(tmp_path: Path) -> None:
    """And nobody waits for who might write into it."""
    os.mkfifo(tmp_path / "keys", 0o600)
    with pytest.raises(ConfigError, match=r"/keys: not a regular file$"):
        read_keys(str(tmp_path / "keys"))


def test_a_large_file_and_a_missing_one_are_no_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than 65536 bytes"):
        keys(tmp_path, "#" * 70_000)
    with pytest.raises(ConfigError, match="No such file"):
        read_keys(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("@k@.zen.test", "zen.test"),
        ("zen.@k@.dq.test", "zen.dq.test"),
        ("zen.dq.@k@.test", "zen.dq.test"),
        ("x@k@.zen.test", "x.zen.test"),
    ],
)
def test_the_public_name_of_a_list_is_a_domain_without_the_key(word: str, shown: str) -> None:
    zone = parse_entry(word, {"k": "Secret"}).zone
    assert (zone.shown, str(zone)) == (shown, shown)
    assert zone.name == word.replace("@k@", "secret")
    assert "secret" not in repr(zone).lower()


@pytest.mark.parametrize("second", ["dqs other", "dqs  secret", "dqs\tother # new"])
def test_a_key_is_given_once(tmp_path: Path, second: str) -> None:
    path = tmp_path / "keys"
    path.write_text(f"dqs secret\nDQS third\n{second}\n")
    path.chmod(0o600)
    with pytest.raises(ConfigError) as raised:
        read_keys(str(path))
    assert str(raised.value) == f"{path}:3: the key dqs was given before; keep one of them"


def test_a_file_of_keys_has_64_kb_at_most(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"dqs abc\n" + b"#" * (65_536 - 8))
    path.chmod(0o600)
    assert read_keys(str(path)) == {"dqs": "abc"}
    path.write_bytes(b"dqs abc\n" + b"#" * (65_537 - 8))
    with pytest.raises(ConfigError, match="larger than 65536 bytes, so it is no file of keys"):
        read_keys(str(path))
