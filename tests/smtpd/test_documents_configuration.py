"""Every piece of smtpd.conf, of a chain, of a crontab and of a table that a page shows is taken by what reads it.

A piece is completed by what it takes for granted (`completed`). It is read twice by each smtpd: as it stands there,
for interfaces named as on OpenBSD, and with Debian's names; then by `filterctl check`, which starts the filters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.docs.displays import MEMBERS, TABLES, Block, Kind, all_blocks, on_debian
from tests.smtpd.documents import LIBEXEC, System, open_system
from tests.smtpd.documents_prepared import prepare, write_the_first_filter

FILE: Final = "/etc/mail/shown"
OPTIONS: Final = {"dkimsign": " -K /etc/mail/dkim/keys", "chain": " -f /etc/mail/filters"}
"""What a filter cannot be without."""
USERS: Final = {"dkimsign": ' user "_dkimsign"', "greylist": ' user "_greylist"', "mail": ' user "_mailfilter"'}
FIELD: Final = re.compile(r"(?:\*|\d+)(?:[-/,]\d+)*")

_NAME = r'"?([\w.-]+)"?'
_DEFINED = re.compile(rf"^(?:filter|proc) {_NAME}", re.MULTILINE)
_USED = re.compile(r"\b(?:filter|chain) \{([^}]*)\}|^(?:listen|action) .*?\bfilter " + _NAME, re.MULTILINE)


def completed(text: str) -> str:
    """A piece of smtpd.conf, and in front of it what it speaks of and does not define."""
    joined = re.sub(r"\\\n[ \t]*", "", text)
    used = {name for group, one in _USED.findall(joined) for name in [*re.findall(r"[\w.-]+", group), one] if name}
    filters = sorted(used - set(_DEFINED.findall(joined)))
    assert set(filters) <= MEMBERS, f"no such filters: {filters}"
    tables = set(re.findall(r"<(\w+)>", joined)) - set(re.findall(r"^table (\w+)", joined, re.MULTILINE))
    names = set(re.findall(r' pki "?([\w.]+)', joined)) - set(re.findall(r'^pki "?([\w.]+)', joined, re.MULTILINE))
    head = [
        *(f'filter "{name}" proc-exec "filter-{name}{OPTIONS.get(name, "")}"{USERS.get(name, "")}' for name in filters),
        *(f"table {name} file:/etc/mail/{name}" for name in sorted(tables)),
        *(f'pki "{name}" cert "/etc/ssl/{name}.crt"' for name in sorted(names)),
        *(f'pki "{name}" key "/etc/ssl/private/{name}.key"' for name in sorted(names)),
    ]
    action = re.search(r'^action "?(\w+)', joined, re.MULTILINE)
    tail = [] if action else ['action "any" maildir']
    if not re.search(r"^match ", joined, re.MULTILINE):
        tail.append(f'match for any action "{action[1] if action else "any"}"')
    return "\n".join([*head, text, *tail, ""])


def furnish(system: System, text: str) -> None:
    """Directories that belong to the user of a filter, as its page says: of the quarantine, and of recordings."""
    system.type("chown -R opensmtpd /var/log/filters")
    joined = re.sub(r"\\\n[ \t]*", "", text)
    for folder, user in re.findall(r'-q (/[\w/]+)[^"]*"(?: user "?(\w+))?', joined):
        system.type(f"rm -rf {folder}; install -d -m 700 -o {user or 'opensmtpd'} {folder}")


@pytest.fixture(scope="module")
def system(version: str) -> Iterator[System]:
    with open_system(version) as made:
        write_the_first_filter(made)
        made.type(f"cp filter-nordns {LIBEXEC}/filter-nordns")
        yield made


def asked(system: System, text: str) -> tuple[int, str]:
    system.smtpd.room.write(FILE, text, 0o600)
    return system.type(f"smtpd -n -f {FILE}")


@pytest.mark.parametrize("block", all_blocks(Kind.CONF), ids=lambda block: block.name)
def test_smtpd_and_filterctl_take_it(system: System, block: Block) -> None:
    prepare(system, block)
    text = completed(block.text)
    furnish(system, text)
    for shown in (text, on_debian(text)):
        assert asked(system, shown) == (0, "configuration OK\n"), shown
    if system.smtpd.version != "6.8":  # what starts the filters does not depend on it
        code, output = system.type(f"filterctl check {FILE}")
        assert code == 0, f"{text}\n{output}"


@pytest.mark.parametrize("block", all_blocks(Kind.CHAIN), ids=lambda block: block.name)
def test_a_chain_is_taken(system: System, block: Block) -> None:
    prepare(system, block)
    system.smtpd.room.write("/etc/mail/filters", on_debian(block.text))
    system.type("chown -R _mailfilter /etc/mail/dkim")
    lines = f'filter "mail" proc-exec "filter-chain -f /etc/mail/filters"{USERS["mail"]}\nlisten on lo filter "mail"\n'
    system.smtpd.room.write(FILE, completed(lines), 0o600)
    code, output = system.type(f"filterctl check {FILE}")
    assert code == 0, output


@pytest.mark.parametrize("block", all_blocks(Kind.TABLE), ids=lambda block: block.name)
def test_a_table_is_taken_by_its_filter(system: System, block: Block) -> None:
    prepare(system, block)
    reader = TABLES[block.page, block.first.split()[0]]
    folder = "/etc/mail/dkim/" if reader == "filter-dkimsign -K {}" else "/etc/mail/"
    system.smtpd.room.write(f"{folder}shown-table", block.text)
    command = reader.format(f"{folder}shown-table")
    if command.startswith("filter-"):
        user = USERS.get(command.split()[0].removeprefix("filter-"), "")
        system.smtpd.room.write(
            FILE, completed(f'filter "f" proc-exec "{command}"{user}\nlisten on lo filter "f"\n'), 0o600
        )
        command = f"filterctl check {FILE}"
    code, output = system.type(command) if command else (0, "")
    assert code == 0, output


@pytest.mark.parametrize("block", all_blocks(Kind.CRON), ids=lambda block: block.name)
def test_the_lines_of_a_crontab_work_with_what_cron_gives(system: System, block: Block) -> None:
    """cron(8) joins no lines, takes % for a new line, and looks for programs in /usr/bin and /bin only."""
    for line in block.text.splitlines():
        prepare(system, block)
        *fields, command = line.split(" ", 5)
        assert all(FIELD.fullmatch(field) for field in fields)
        assert "%" not in command
        assert not command.endswith("\\")
        system.type("mkdir -p /run/bin && cp /usr/local/bin/mail /run/bin")
        user = "_filterlists" if "filterctl lists" in command else "root"
        code, output = system.type(system.here(command), user=user, cwd="/", path="/usr/bin:/bin:/run/bin")
        assert (code, output) == (0, ""), line
