"""What ``filterctl doctor`` finds out about our own domains and names, from a name server on loopback."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from filterctl.conf import ownnames
from filterctl.conf.ownnames import Certificate, own_names
from filterctl.health import doctor, symptoms
from filterctl.health.domains import certified
from tests.filter_dkimsign.keyring import rsa_key, write_key
from tests.smtpd.test_spf import text
from tests.support.ports import both_sockets
from tools.private_smtpd import Trouble, Zone
from tools.private_smtpd.dns import DnsServer

INCLUDES = " ".join(f"include:s{number}.example.net" for number in range(6))
ZONE: Zone = {
    "example.org": [text("v=spf1 mx a:web.example.org include:_spf.example.net -all"), text("unrelated")],
    "_spf.example.net": [text("v=spf1 ip4:192.0.2.0/24 include:more.example.net exists:%{i}.x.example.net ~all")],
    "more.example.net": [text("v=spf1 ip6:2001:db8::/32 ptr ?all")],
    "_dmarc.example.org": [text("v=DMARC1; p=reject; sp=quarantine")],
    "wide.example": [text(f"v=spf1 {INCLUDES} -all")],
    **{f"s{number}.example.net": [text("v=spf1 a mx -all")] for number in range(6)},
    "_dmarc.wide.example": [text("v=DMARC1; p=rejct")],
    "circle.example": [text("v=spf1 redirect=circle.example")],
    "lost.example": [text("v=spf1 include:nowhere.example -all")],
    "two.example": [text("v=spf1 -all"), text("v=spf1 mx -all")],
    "open.example": [text("v=spf1 +all")],
    "silent.example": Trouble.SERVFAIL,
    "_dmarc.silent.example": Trouble.SERVFAIL,
    "mx.example.org": ["A 192.0.2.1", "AAAA 2001:db8::1"],
    "192.0.2.1": "mx.example.org",
    "2001:db8::1": "host-1.example.net",
    "host-1.example.net": ["AAAA 2001:db8::1"],
    "good.example.org": ["A 192.0.2.2"],
    "192.0.2.2": "good.example.org",
    "bare.example.org": ["A 192.0.2.3"],
}


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(*both_sockets(), ZONE) as running:
        yield running


@pytest.fixture
def told(
    server: DnsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Told:
    monkeypatch.setattr(symptoms, "dns", lambda: iter(()))
    monkeypatch.setattr(symptoms, "clock", lambda: iter(()))
    monkeypatch.setattr(ownnames, "server_name", lambda: "mx.example.org")
    return Told(server, tmp_path, capsys)


class Told:
    """What doctor says of a configuration: its exit status and the lines about our own names."""

    def __init__(self, server: DnsServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._port = server._datagrams.getsockname()[1]
        self.folder = folder
        self._capsys = capsys

    def of(self, *lines: str) -> tuple[int, list[str]]:
        path = self.folder / "smtpd.conf"
        path.write_text("\n".join([*lines, ""]))
        (self.folder / "log").touch()
        status = doctor.run(["-m", str(self.folder / "log"), "-n", f"127.0.0.1@{self._port}", str(path)])
        printed = self._capsys.readouterr().out.splitlines()
        return status, [line for line in printed if line.startswith(("domain", "name "))]


@pytest.mark.parametrize(
    ("domain", "spf", "dmarc"),
    [
        (
            "example.org",
            "ok: its SPF record costs 6 of 10 questions",
            "ok: its DMARC policy is reject (_dmarc.example.org)",
        ),
        (
            "sub.example.org",
            "warning: it has no SPF record: publish v=spf1 mx -all, or v=spf1 -all where it sends nothing",
            "ok: its DMARC policy is quarantine (_dmarc.example.org)",
        ),
        (
            "wide.example",
            "error: its SPF record costs more than 10 questions: a permanent error, include fewer",
            "error: the DMARC record at _dmarc.wide.example has no valid policy: p= is none, quarantine or reject",
        ),
        (
            "circle.example",
            "error: its SPF record costs more than 10 questions: a permanent error, include fewer",
            "warning: it has no DMARC record: publish v=DMARC1; p=none at _dmarc.circle.example to begin with",
        ),
        (
            "lost.example",
            "error: its SPF record is a permanent error to every receiver: nowhere.example, which it includes, has no"
            " SPF record",
            "warning: it has no DMARC record: publish v=DMARC1; p=none at _dmarc.lost.example to begin with",
        ),
        (
            "two.example",
            "error: its SPF record is a permanent error to every receiver: more than one SPF record",
            "warning: it has no DMARC record: publish v=DMARC1; p=none at _dmarc.two.example to begin with",
        ),
        (
            "open.example",
            "error: its SPF record lets everybody send (+all): end it with -all or ~all",
            "warning: it has no DMARC record: publish v=DMARC1; p=none at _dmarc.open.example to begin with",
        ),
    ],
)
def test_the_records_of_a_domain(told: Told, domain: str, spf: str, dmarc: str) -> None:
    status, lines = told.of(f'match from any for domain "{domain}" action "local"')
    assert lines == [f"domain {domain}: {spf}", f"domain {domain}: {dmarc}"]
    assert status == (1 if "error" in spf + dmarc else 0)


def test_what_the_name_server_does_not_say_is_not_taken_for_what_is_not_there(told: Told) -> None:
    status, lines = told.of('match from any for domain "silent.example" action "local"')
    assert status == 0
    assert [line.partition(" DNS")[0] for line in lines] == [
        "domain silent.example: warning: its SPF record is not known:",
        "domain silent.example: warning: its DMARC record is not known:",
    ]


def test_domains_come_from_rules_tables_and_signing_keys_each_once(told: Told) -> None:
    (told.folder / "domains").write_text("example.org  # ours\nOpen.Example.\n*.wild.example\n")
    write_key(told.folder / "other.pem", rsa_key())
    _, lines = told.of(
        f"table file file:{told.folder}/domains",
        "table list { two.example, example.org }",
        f'filter "sign" proc-exec "filter-dkimsign -d lost.example -s x -k {told.folder}/other.pem"',
        'filter "in" chain { "sign" }',
        "match from any for domain <file> action a",
        'match from any for domain { "circle.example" example.org } action a',
        "match from any for domain <list> action a",
        "match from any for domain <unknown> action a",
        "match for local action a",
    )
    assert list(dict.fromkeys(line.split(":")[0] for line in lines)) == [
        "domain example.org",
        "domain open.example",
        "domain circle.example",
        "domain two.example",
        "domain lost.example",
    ]


@pytest.mark.parametrize(
    ("action", "lines"),
    [
        (
            "action out relay",
            [
                "name mx.example.org: ok: 192.0.2.1 leads back to it",
                "name mx.example.org: error: the reverse DNS of 2001:db8::1 says host-1.example.net, and smtpd says"
                " mx.example.org in HELO",
            ],
        ),
        ('action out relay helo "Good.example.org"', ["name Good.example.org: ok: 192.0.2.2 leads back to it"]),
        (
            "action out relay helo bare.example.org",
            [
                "name bare.example.org: error: the reverse DNS of 192.0.2.3 says nothing, and smtpd says"
                " bare.example.org in HELO"
            ],
        ),
        (
            "action out relay helo none.example.org",
            ["name none.example.org: error: the DNS has no address for the name that smtpd says in HELO"],
        ),
        ("action out relay host smtp://smarthost.example.net", []),
        ('action "local" maildir', []),
    ],
)
def test_the_name_in_helo_and_the_reverse_dns_of_its_addresses(told: Told, action: str, lines: Sequence[str]) -> None:
    status, found = told.of(action)
    assert found == list(lines)
    assert status == int(any("error" in line for line in lines))


def _certificate(folder: Path, common: str, *names: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=2))
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(alternative, critical=False)
    path = folder / f"{common}.pem"
    path.write_bytes(builder.sign(key, SHA256()).public_bytes(serialization.Encoding.PEM))
    return str(path)


@pytest.mark.parametrize(
    ("common", "names", "remark"),
    [
        ("mx.example.org", (), "ok: its certificate is for this name"),
        ("other.example", ("www.example.org", "MX.example.org"), "ok: its certificate is for this name"),
        ("other.example", ("*.example.org",), "ok: its certificate is for this name"),
        (
            "mx.example.org",
            ("www.example.org", "*.mx.example.org"),
            "error: its certificate is for www.example.org, *.mx.example.org, and not for this name",
        ),
    ],
)
def test_the_certificate_of_a_listener_is_for_the_name_it_greets_with(
    told: Told, common: str, names: tuple[str, ...], remark: str
) -> None:
    status, lines = told.of(
        f'pki mine cert "{_certificate(told.folder, common, *names)}"',
        'pki mine key "/nonexistent"',
        "listen on egress tls pki mine",
        "listen on lo0 tls pki mine hostname other.example",
    )
    assert lines == [f"name mx.example.org: {remark}"]
    assert status == int("error" in remark)


def test_a_listener_without_a_named_certificate_has_that_of_its_own_name(told: Told) -> None:
    certificate = _certificate(told.folder, "www.example.org")
    lines = ["listen on egress tls", "listen on egress port 26", f'pki mx.example.org cert "{certificate}"']
    wrong = "name mx.example.org: error: its certificate is for www.example.org, and not for this name"
    assert told.of(*lines) == (1, [wrong])
    assert told.of(*lines[1:]) == (0, [])


def test_of_several_certificates_one_must_fit_and_one_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    two = (_certificate(tmp_path, "a.example"), _certificate(tmp_path, "b.example"))
    assert list(certified(Certificate("b.example", two))) == [("ok", "its certificate is for this name")]
    (tmp_path / "bad").write_text("no certificate")
    for path in ("bad", "none"):
        [(severity, said)] = certified(Certificate("b.example", (str(tmp_path / path),)))
        assert severity == "warning"
        assert "cannot be read" in said


def test_the_servers_name_is_that_of_the_file_mailname(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mailname").write_text("mail.example.net\n")
    (tmp_path / "smtpd.conf").write_text("action out relay\nlisten on egress\n")
    monkeypatch.setattr(ownnames, "_MAILNAMES", (str(tmp_path / "none"), str(tmp_path / "mailname")))
    found = own_names(str(tmp_path / "smtpd.conf"))
    assert list(found.helos) == list(found.greetings) == ["mail.example.net"]
