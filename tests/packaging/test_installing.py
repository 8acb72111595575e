"""The three ways of installing, each in a fresh Debian 12 and 13: install, filterctl init, upgrade, remove.

The systems are kept by tools/daemons and only read: what a way does lies in memory and ends with the test.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.packaging.conftest import Play, run

pytestmark = [pytest.mark.daemon, pytest.mark.slow, pytest.mark.timeout(240)]

SUITES = ("bookworm", "trixie")

#: A mail server of example.org with it; what init wrote takes the place of what was there.
SET_UP = """
filterctl init -y -d example.org -H mx.example.org -s none -k s1
cp -p /etc/smtpd.conf /etc/smtpd.conf.old && mv /etc/smtpd.conf.new /etc/smtpd.conf
smtpd -n -f /etc/smtpd.conf
filterctl check /etc/smtpd.conf
"""

PIP = f"""
# What the README says, with Debian's own libraries, as there is no network in here.
python3 -m venv --system-site-packages /opt/filters
pip="/opt/filters/bin/pip install -q --no-index --no-build-isolation"
$pip .
ln -s /opt/filters/bin/filterctl /usr/local/sbin/filterctl
{SET_UP}
grep -o 'proc-exec "[^ ]*' /etc/smtpd.conf
$pip --force-reinstall --no-deps .
filterctl check /etc/smtpd.conf
/opt/filters/bin/pip uninstall -q -y opensmtpd-filters
find /opt/filters -name '*filter*' -not -path '/opt/filters' -not -path '*/site-packages/pip/*'
"""

MAKE = f"""
make install PYTHON=python3 | tail -n 1
{SET_UP}
echo gone >/usr/local/lib/opensmtpd-filters/filter_api/gone.py
echo /usr/local/lib/opensmtpd-filters/filter_api/gone.py >>/usr/local/lib/opensmtpd-filters/installed
make install LIBEXECDIR=/usr/local/libexec/smtpd >/dev/null
test ! -e /usr/local/lib/opensmtpd-filters/filter_api/gone.py
test ! -e /usr/libexec/opensmtpd/filter-chain
filterctl check /etc/smtpd.conf || true
stat -c '%n %U %a' /var/opensmtpd-filters /var/opensmtpd-filters/*
make uninstall LIBEXECDIR=/usr/local/libexec/smtpd | tail -n 1
echo left: $(find /usr/local /usr/libexec -name '*filter*'; ls -d /var/lib/opensmtpd-filters)
mv /usr/lib/python3/dist-packages/dns /usr/lib/python3/dist-packages/away
if make install >/tmp/refused 2>&1; then exit 9; fi
cat /tmp/refused
"""

#: A mail from this host to one of its users, under an smtpd that runs.
MAIL = """
echo nameserver 127.0.0.1 >/etc/resolv.conf
useradd -m bob
smtpd -d >/tmp/smtpd.log 2>&1 &
smtpd=$!
until grep -q ':0019 .* 0A ' /proc/net/tcp; do kill -0 $smtpd; sleep 0.1; done
python3 -c 'import smtplib
text = "From: alice@example.org\\r\\nSubject: hello\\r\\n\\r\\nhello\\r\\n"
smtplib.SMTP("127.0.0.1", timeout=60).sendmail("alice@example.org", ["bob@example.org"], text)'
until ls /home/bob/Maildir/new/* 2>/dev/null; do sleep 0.1; done
grep -ho '^DKIM-Signature:' /home/bob/Maildir/new/*
grep -ho ' s=s1;' /home/bob/Maildir/new/*
"""

DEB = f"""
dpkg -i /share/1.deb
{SET_UP}
{MAIL}
kill $smtpd
while grep -q '[f]ilter-chain' /proc/[0-9]*/cmdline; do sleep 0.1; done
stat -c '%n %U %a' /var/lib/opensmtpd-filters/mail /run/opensmtpd-filters/* /var/spool/quarantine
dpkg -i /share/2.deb >/tmp/upgraded
if grep running /tmp/upgraded; then exit 9; fi
sleep 100 | /usr/libexec/opensmtpd/filter-rdns &
until grep -q '[f]ilter-rdns' /proc/[0-9]*/cmdline; do sleep 0.1; done
dpkg -i /share/1.deb
filterctl check /etc/smtpd.conf
dpkg -r opensmtpd-filters
ls -d /var/lib/opensmtpd-filters/mail
dpkg -P opensmtpd-filters
echo left: $(ls -d /var/lib/opensmtpd-filters /run/opensmtpd-filters /var/spool/quarantine \
    /usr/libexec/opensmtpd/filter-* /usr/lib/python3/dist-packages/filter* 2>/dev/null)
getent passwd _mailfilter >/dev/null
"""


@pytest.fixture(scope="module")
def packages(package: Path, share: Path) -> None:
    """The package as 1.deb, and the same as a later version, 2.deb, where the systems see them."""
    shutil.copy(package, share / "1.deb")
    run(["dpkg-deb", "-R", str(package), "unpacked"], package.parent)
    control = package.parent / "unpacked/DEBIAN/control"
    control.write_text(control.read_text().replace("-1\n", "-2\n", 1))
    run(["dpkg-deb", "-b", "unpacked", str(share / "2.deb")], package.parent)


@pytest.mark.parametrize("suite", SUITES)
def test_pip_from_the_sources(play: Play, suite: str) -> None:
    said = play(suite, PIP)
    assert 'proc-exec "/opt/filters/bin/filter-chain\n' in said
    assert said.count(": ok: filter mail: /opt/filters/bin/filter-chain as _mailfilter registers") == 3
    assert said.splitlines()[-1].startswith("/etc/smtpd.conf:"), "pip has left something"


@pytest.mark.parametrize("suite", SUITES)
def test_make_install(play: Play, suite: str) -> None:
    said = play(suite, MAKE)
    assert "filters in /usr/libexec/opensmtpd, filterctl in /usr/local/sbin" in said
    assert said.count(": ok: filter mail: /usr/libexec/opensmtpd/filter-chain as _mailfilter registers") == 2
    assert "\n/var/opensmtpd-filters root 755\n/var/opensmtpd-filters/_mailfilter _mailfilter 755\n" in said
    assert "removed; users, tables, keys, greylists and quarantines are left as they are\n" in said
    assert "\nleft: /var/lib/opensmtpd-filters\n" in said
    assert (
        "error: filter mail: filter-chain: not found, looked in /usr/libexec/opensmtpd; "
        "it is /usr/local/libexec/smtpd/filter-chain: write the whole path\n"
    ) in said
    assert "dnspython, which the filters need. Debian: apt install python3-dnspython" in said


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("suite", SUITES)
def test_the_debian_package(play: Play, suite: str) -> None:
    said = play(suite, DEB)
    assert "\nDKIM-Signature:\n s=s1;\n" in said
    assert said.count(": ok: filter mail: /usr/libexec/opensmtpd/filter-chain as _mailfilter registers") == 3
    for line in (
        "/var/lib/opensmtpd-filters/mail _mailfilter 700",
        "/run/opensmtpd-filters/_mailfilter _mailfilter 755",
        "/run/opensmtpd-filters/opensmtpd opensmtpd 755",
        "/var/spool/quarantine _mailscan 700",
        "/var/lib/opensmtpd-filters/mail",
        "left:",
    ):
        assert f"\n{line}\n" in said
    assert "-2 are running, and stay until smtpd is restarted:\n" in said
    assert "/etc/smtpd.conf names filters: smtpd will not start again until they are taken out\n" in said
