"""After they have registered, filters load all of their modules; from then on nothing is imported any more.

A package that is upgraded under a running filter would otherwise be mixed of old and new modules.
"""

from __future__ import annotations

import pytest

from tests.dkim.crafted import NAME
from tests.filter_auth.mail import signed
from tests.filter_auth.test_arc_override import PASSED, sealed
from tests.filter_dkimsign.keyring import ed25519_key, record, rsa_key
from tests.smtpd import chain_config as at
from tests.smtpd.chain import Chain, converse, infected, mail
from tests.smtpd.test_spf import text
from tools.private_smtpd.backends import GTUBE
from tools.private_smtpd.namespace import wait_until

BOB = "bob@example.org"


@pytest.mark.parametrize("one", [False, True], ids=["six processes", "one process"])
def test_nothing_is_imported_while_mail_goes_on(newest: str, one: bool) -> None:
    with Chain(newest, one=one, watched=True) as chain:
        codes = [
            chain.insist(at.GOOD, "alice@good.example", BOB, mail("clean")).code,
            chain.offer(at.POOL_1, "news@pool.example", BOB, mail("pool", author="news@pool.example")).code,
            chain.offer(at.POOL_2, "news@pool.example", BOB, mail("pool", author="news@pool.example")).code,
            chain.insist(at.SCORED, "offers@scored.example", BOB, mail("offer", author="offers@scored.example")).code,
            chain.offer(at.RESIDENTIAL, "home@good.example", BOB, mail("home")).code,
            chain.offer(at.NO_NAME, "nobody@good.example", BOB, mail("no name")).code,
            chain.insist(at.CAREFUL, "spam@careful.example", BOB, mail("spam", f"\n{GTUBE.decode()}\n")).code,
            chain.insist(at.VIRUS, "virus@virus.example", BOB, infected("virus")).code,
            chain.offer(at.SPAMMER, "a@spam.example", "trap@example.org", mail("trap")).code,
            chain.offer(at.GOOD, "", BOB, mail("bounce")).code,
        ]
        with chain.smtpd.client(at.RESIDENTIAL, port=587, timeout=60) as client:
            client.ehlo("laptop.example.net")
            client.starttls()
            client.ehlo("laptop.example.net")
            client.auth_plain("alice", "secret")
            seen = converse(client, "alice@example.org", "zoe@far.example", mail("sent", author="alice@example.org"))
            codes.append(seen.code)
        chain.smtpd.hang_up()
        chain.backends["redis"].stop()
        codes.append(chain.insist(at.FRIEND, "x@friend.example", BOB, mail("without redis")).code)
        chain.backends["redis"].start()
        codes.append(chain.insist(at.FRIEND, "y@friend.example", BOB, mail("with redis")).code)
        assert codes == [250, 451, 250, 250, 550, 550, 550, 554, 450, 250, 250, 250, 250]
        assert chain.late_imports() == []


def test_the_watch_sees_an_import(newest: str) -> None:
    """A filter whose modules are not loaded early is found out: here one of the test's own, named like a member."""
    with Chain(newest, watched=True) as chain:
        chain.smtpd.room.write(
            "/opt/opensmtpd-filters/filters/filter_late/__main__.py",
            "from filter_api import Filter, Proceed, main\n"
            "class Late(Filter):\n"
            "    async def started(self):\n"
            "        self.log.info(None, 'awake')\n"
            "    def on_mail_from(self, session, sender):\n"
            "        import wave\n"
            "        return Proceed()\n"
            "def run():\n"
            "    main(Late())\n",
        )
        chain.smtpd.restart(
            'filter "late" proc-exec "watched filter-late"\nlisten on 203.0.113.25 filter "late"\n'
            'action "a" maildir\nmatch from any for domain "example.org" action "a"\n'
        )
        chain.smtpd.wait_log("awake")  # a mail that comes before is served while modules are still being loaded
        assert chain.offer(at.GOOD, "alice@good.example", BOB, mail("late")).code == 250
        assert "filter-late wave" in chain.late_imports()


DNSBL = "-a -s -:2:3 -r '%A: %T' -b bl.example*3 -b wl.example*-2/s -b dbl.example*2/sa"


@pytest.mark.parametrize("one", [False, True], ids=["alone", "in a chain"])
def test_lists_in_the_dns_are_asked_without_an_import(newest: str, one: bool) -> None:
    with Chain(newest, watched=True, redis=False) as chain:
        chain.smtpd.room.write("/etc/mail/filters", f"rdns\ndnsbl {DNSBL}\n")
        program = "filter-chain -f /etc/mail/filters" if one else f"filter-dnsbl {DNSBL}"
        chain.smtpd.restart(
            f'filter "dnsbl" proc-exec "watched {program}"\nlisten on 203.0.113.25 filter "dnsbl"\n'
            'action "a" maildir\nmatch from any for domain "example.org" action "a"\n'
        )
        seen = [
            chain.offer(at.LISTED, "alice@good.example", BOB, mail("listed")).reply,
            chain.offer(at.LISTED, "alice@listed.example", BOB, mail("asked for proof")).reply,
            chain.offer(at.GOOD, "alice@bad.example", BOB, mail("marked")).reply[:3],
            chain.offer(at.GOOD, "alice@good.example", BOB, mail("author", author="a@bad.example")).reply[:3],
            chain.offer(at.GOOD, "", BOB, mail("bounce")).reply[:3],
        ]
        assert seen == [*["550 5.7.1 203.0.113.40: ask us why"] * 2, "250", "250", "250"]
        assert b"X-Spam: Yes" in chain.delivered("marked")
        assert b"X-Spam: Yes" in chain.delivered("author")
        assert chain.late_imports() == []


AUTH = "-s -p reject -u reject -c /etc/mail/sealers -l /etc/mail/forwarders -f /tmp/reports/store"
RECORD = "v=DMARC1; p=none; np=quarantine; rua=mailto:d@example.org"


@pytest.mark.parametrize("one", [False, True], ids=["alone", "in a chain"])
def test_authors_are_judged_and_reports_kept_without_an_import(
    newest: str, one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed, sealed, forged, of a name outside ASCII or one that does not exist, and without an author."""
    monkeypatch.setitem(at.ZONE, NAME, [text(record(rsa_key()).decode())])
    monkeypatch.setitem(at.ZONE, "ed._domainkey.example.org", [text(record(ed25519_key()).decode())])
    monkeypatch.setitem(at.ZONE, "s._domainkey.lists.example", [text(record(rsa_key()).decode())])
    monkeypatch.setitem(at.ZONE, "_dmarc.example.org", [text(RECORD)])
    with Chain(newest, watched=True, redis=False) as chain:
        chain.smtpd.room.write("/etc/mail/sealers", "lists.example\n")
        chain.smtpd.room.write("/etc/mail/forwarders", "from:forwarder.example\n")
        chain.smtpd.room.write("/etc/mail/filters", f"rdns\nauth {AUTH}\n")
        chain._run("mkdir", "-m", "1777", "/tmp/reports")
        program = "filter-chain -f /etc/mail/filters" if one else f"filter-auth {AUTH}"
        chain.smtpd.restart(
            f'filter "auth" proc-exec "watched {program}"\nlisten on 203.0.113.25 filter "auth"\n'
            'action "a" maildir\nmatch from any for domain "example.org" action "a"\n'
        )
        plain = mail("plain", author="jane@example.org")
        codes = [
            chain.offer(at.GOOD, "alice@good.example", BOB, each).code
            for each in (
                plain,
                signed(),
                signed().replace(b"s=rsa;", b"s=ed;").replace(b"a=rsa-sha256", b"a=ed25519-sha256"),
                sealed(plain, b"lists.example", PASSED),
                plain.replace(b"example.org", "b\u00fccher.example".encode()),
                plain.replace(b"jane@example.org", b"jane@bogus.example.org"),
                plain.replace(b"jane@example.org", b"jane"),
            )
        ]
        assert codes == [250, 250, 250, 250, 250, 250, 550]
        assert chain.late_imports() == []


def test_a_control_socket_is_asked_everything_without_an_import(newest: str) -> None:
    with Chain(newest, watched=True, redis=False) as chain:
        chain._run("install", "-d", "-o", "opensmtpd", "/tmp/control")
        chain.smtpd.restart(
            'filter "rdns" proc-exec "watched filter-rdns -C /tmp/control/rdns.sock"\n'
            'listen on 203.0.113.25 filter "rdns"\n'
            'action "a" maildir\nmatch from any for domain "example.org" action "a"\n'
        )

        def asked(*words: str) -> int:
            code, _ = chain.smtpd.room.run(["/usr/libexec/opensmtpd/filterctl", *words, "/tmp/control/rdns.sock"])
            return code

        wait_until(lambda: asked("ready", "-t", "5000") == 0, 20, "the control socket")
        assert chain.offer(at.GOOD, "alice@good.example", BOB, mail("counted")).code == 250
        for words in ("status", "stats", "metrics", "reload", "log verbose", "log brief", "monitor -n 1 -i 0.1"):
            assert asked(*words.split()) == 0, words
        assert asked("trace", "-1", "0" * 16) == 1
        assert chain.late_imports() == []
