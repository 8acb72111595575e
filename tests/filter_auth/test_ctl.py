"""filterctl auth: what it tells of a message and of a domain, and its exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.errors import ConfigError, UsageError
from filter_api.net.dns import Resolver, Status
from filter_api.testing.dns import Content, FakeZone, Slow
from filter_auth.ctl import run
from filter_auth.tool.domain import domain
from filter_auth.tool.explain import explain
from tests.filter_auth.mail import PLAIN, dmarc, keys, signed
from tests.filter_dkimsign.keyring import ed25519_key, record, rsa_key


@pytest.fixture
def mail(tmp_path: Path) -> str:
    (tmp_path / "mail.eml").write_bytes(PLAIN.replace(b"\r\n", b"\n"))
    return str(tmp_path / "mail.eml")


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_explain_shows_what_each_policy_would_do(mail: str, capsys: pytest.CaptureFixture[str]) -> None:
    zone = {
        **dmarc("p=reject; sp=none"),
        ("192.0.2.1", "PTR"): ["mx.esp.example"],
        ("mx.esp.example", "A"): ["192.0.2.1"],
    }
    status = explain(["-a", "mx.us", "-i", "192.0.2.1", "-f", "x@esp.example", mail], Resolver(backend=FakeZone(zone)))
    assert status == 1
    lines = told(capsys)
    assert "SPF        none of esp.example" in lines
    assert "author     example.org" in lines
    assert "  _dmarc.example.org: p=reject; sp=none" in lines
    assert "DMARC      fail of example.org" in lines
    assert "-p mark    mark" in lines
    assert "-p reject  550 5.7.26 mail of example.org that fails DMARC is not accepted" in lines
    assert "Authentication-Results: mx.us;" in lines
    assert "\tiprev=pass policy.iprev=192.0.2.1;" in lines


def test_explain_of_a_message_that_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "signed.eml").write_bytes(signed())
    zone = FakeZone({**dmarc("p=reject"), **keys()})
    assert explain(["-i", "2001:db8::1", str(tmp_path / "signed.eml")], Resolver(backend=zone)) == 0
    assert "aligned    dkim:example.org" in told(capsys)


@pytest.mark.parametrize(
    "sender", ["<a@example.org>", "a@example.org", "<@relay.example:a@example.org>", "<a@example.org.>"]
)
def test_explain_takes_a_sender_as_the_log_has_it(mail: str, capsys: pytest.CaptureFixture[str], sender: str) -> None:
    zone = {**dmarc("p=reject"), ("example.org", "TXT"): [b"v=spf1 ip4:192.0.2.1 -all"]}
    assert explain(["-i", "192.0.2.1", "-f", sender, mail], Resolver(backend=FakeZone(zone))) == 0
    assert "SPF        pass of example.org" in told(capsys)


def test_explain_takes_the_null_sender_as_the_log_has_it(mail: str, capsys: pytest.CaptureFixture[str]) -> None:
    zone = {**dmarc("p=reject"), ("example.org", "TXT"): [b"v=spf1 ip4:192.0.2.1 -all"]}
    arguments = ["-i", "192.0.2.1", "-f", "<>", "-h", "example.org", mail]
    assert explain(arguments, Resolver(backend=FakeZone(zone))) == 0
    assert "\tspf=pass smtp.helo=example.org;" in told(capsys)


def test_explain_of_a_silent_dns(mail: str, capsys: pytest.CaptureFixture[str]) -> None:
    zone = FakeZone({("_dmarc.example.org", "TXT"): Status.TEMPFAIL})
    assert explain(["-i", "192.0.2.1", mail], Resolver(backend=zone)) == 75
    assert any("DNS does not answer for _dmarc.example.org" in line for line in told(capsys))


def test_explain_by_a_zone_file_asks_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = record(rsa_key()).decode()
    (tmp_path / "signed.eml").write_bytes(signed())
    (tmp_path / "zone").write_text(
        "$ORIGIN example.org.\n"
        '_dmarc IN TXT "v=DMARC1; " "p=reject; adkim=s" ; as planned\n'
        "rsa._domainkey 60 CNAME keys.example.net.\n"
        f'keys.example.net. TXT "{key[:200]}" "{key[200:]}"\n'
        "@ IN SOA ns.esp.example. root.esp.example. ( 1 2\n 3 4 5 )\n"
        ' TXT "v=spf1 -all"\n'
    )
    arguments = ["-v", "-i", "192.0.2.1", "-f", "a@example.org", "-z", str(tmp_path / "zone")]
    assert run(["explain", *arguments, str(tmp_path / "signed.eml")]) == 0
    lines = told(capsys)
    assert "  TXT   _dmarc.example.org: v=DMARC1; p=reject; adkim=s" in lines
    assert "  PTR   1.2.0.192.in-addr.arpa: nxdomain" in lines
    assert "SPF        fail of example.org" in lines
    assert "aligned    dkim:example.org" in lines


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('a.example TXT "x"\na bad line\n', "zone:2: unknown rdatatype 'bad'"),
        ("@ SOA a. b. (\n1 2 ; serial\n3 4 5 )\na bad line\n", "zone:4: unknown rdatatype 'bad'"),
        ("$INCLUDE /etc/passwd\n", "zone:1: "),
    ],
)
def test_a_zone_file_that_is_none_is_named_with_its_line(tmp_path: Path, mail: str, text: str, complaint: str) -> None:
    (tmp_path / "zone").write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        run(["explain", "-i", "192.0.2.1", "-z", str(tmp_path / "zone"), mail])


def test_domain_tells_walk_policy_and_reports(capsys: pytest.CaptureFixture[str]) -> None:
    rua = "rua=mailto:d@mail.example.org,mailto:d@wants.example,mailto:d@no.example"
    content = {
        **dmarc(f"p=quarantine; np=reject; {rua}"),
        ("example.org._report._dmarc.wants.example", "TXT"): [b"v=DMARC1"],
        ("example.org", "TXT"): [b"v=spf1 mx -all", b"other"],
    }
    assert domain(["example.org"], Resolver(backend=FakeZone(content))) == 0
    assert told(capsys) == [
        "  _dmarc.example.org: p=quarantine; np=reject",
        "  _dmarc.org: no record",
        "organisation     example.org",
        "policy           quarantine (record of example.org)",
        "names below      quarantine; those that do not exist reject",
        "reports          mailto:d@mail.example.org",
        "reports          mailto:d@wants.example",
        "reports          mailto:d@no.example"
        " (not sent: no.example has not said that it wants reports for example.org)",
        "SPF              v=spf1 mx -all",
        "SPF questions    1 of 10",
    ]


def test_domain_tells_the_keys_of_selectors(capsys: pytest.CaptureFixture[str]) -> None:
    content: dict[tuple[str, str], Content | Slow] = {
        **dmarc("p=reject"),
        ("a._domainkey.example.org", "TXT"): [record(rsa_key())],
        ("b._domainkey.example.org", "TXT"): [record(ed25519_key()) + b"; t=y"],
        ("old._domainkey.example.org", "TXT"): [b"v=DKIM1; p="],
        ("silent._domainkey.example.org", "TXT"): Status.TEMPFAIL,
    }
    assert domain(["-s", "a,b,old, none,silent", "example.org"], Resolver(backend=FakeZone(content))) == 0
    assert told(capsys)[-5:] == [
        "DKIM key         a: rsa, 2048 bits",
        "DKIM key         b: ed25519, in test: a failure counts for nothing",
        "DKIM key         old: the key was revoked: its p= is empty",
        "DKIM key         none: no key is published at none._domainkey.example.org",
        "DKIM key         silent: DNS does not answer for silent._domainkey.example.org: as the test says",
    ]


def test_domain_wants_selectors_that_are_names() -> None:
    with pytest.raises(UsageError, match=r"-s: not a selector: 'a\.\.b'"):
        domain(["-s", "a..b", "example.org"], Resolver(backend=FakeZone({})))


@pytest.mark.parametrize(
    ("name", "record", "policy"),
    [
        (
            "bogus.example.org",
            "p=none; sp=quarantine; np=reject",
            "reject (record of example.org, there is no such name)",
        ),
        ("a.bogus.example.org", "p=none; np=quarantine", "quarantine (record of example.org, there is no such name)"),
        (
            "bogus.example.org",
            "p=none; np=reject; t=y",
            "reject (record of example.org, in test: one step weaker, there is no such name)",
        ),
        ("real.example.org", "p=none; sp=quarantine; np=reject", "quarantine (record of example.org)"),
        ("example.org", "p=none; np=reject", "none (record of example.org)"),
    ],
)
def test_domain_tells_the_policy_of_names_that_do_not_exist(
    capsys: pytest.CaptureFixture[str], name: str, record: str, policy: str
) -> None:
    zone = FakeZone({**dmarc(record), ("real.example.org", "MX"): [(10, "mx.example.net")]})
    assert domain([name], Resolver(backend=zone)) == 0
    assert f"policy           {policy}" in told(capsys)


def test_domain_does_not_guess_whether_a_name_exists(capsys: pytest.CaptureFixture[str]) -> None:
    zone = FakeZone({**dmarc("p=none; np=reject"), ("x.example.org", "A"): Status.TEMPFAIL})
    assert domain(["x.example.org"], Resolver(backend=zone)) == 75
    assert told(capsys)[-1].startswith("unknown: DNS does not answer for x.example.org")


def test_domain_without_a_record_and_with_a_silent_dns(capsys: pytest.CaptureFixture[str]) -> None:
    assert domain(["none.example"], Resolver(backend=FakeZone({}))) == 1
    silent = FakeZone({("_dmarc.example", "TXT"): Status.TEMPFAIL})
    assert domain(["none.example"], Resolver(backend=silent)) == 75
    assert told(capsys)[-1].startswith("unknown: DNS does not answer for _dmarc.example")


@pytest.mark.parametrize(
    "arguments", [[], ["nosuch"], ["explain"], ["explain", "-i", "x"], ["domain"], ["domain", "a..b"], ["domain", "-x"]]
)
def test_wrong_arguments_are_usage_errors(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        run(arguments)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.eml"):
        run(["explain", "-i", "192.0.2.1", str(tmp_path / "gone.eml")])


@pytest.mark.parametrize(
    "server", ["ns.example.org", "192.0.2.1@99999", "192.0.2.1@0", "192.0.2.1@", "192.0.2.1:53", "", "\x00", "@53"]
)
def test_a_name_server_that_nobody_can_ask_is_a_usage_error(server: str) -> None:
    for arguments in (["domain", "-n", server, "example.org"], ["explain", "-i", "192.0.2.1", "-n", server]):
        with pytest.raises(UsageError, match=r"-n: "):
            run(arguments)


def test_domain_tells_only_of_reports_that_would_be_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """Another address that the host names, one whose host names another's, and what is no address."""
    rua = "rua=mailto:a@one.example,mailto:b@two.example?subject=x,mailto:c@three.example,mailto:d@e..example"
    content = {
        **dmarc(f"p=none; {rua}"),
        ("example.org._report._dmarc.one.example", "TXT"): [b"v=DMARC1"],
        ("example.org._report._dmarc.two.example", "TXT"): [b"v=DMARC1; rua=mailto:x@victim.example"],
        ("example.org._report._dmarc.three.example", "TXT"): Status.TEMPFAIL,
    }
    assert domain(["example.org"], Resolver(backend=FakeZone(content))) == 0
    assert [line for line in told(capsys) if line.startswith("reports")] == [
        "reports          mailto:a@one.example",
        "reports          mailto:b@two.example?subject=x (not sent: two.example names an address of another host)",
        "reports          mailto:c@three.example (not sent: DNS does not answer for"
        " example.org._report._dmarc.three.example)",
    ]
