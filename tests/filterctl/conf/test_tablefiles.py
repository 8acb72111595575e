"""Which tables turn somebody away, and which of them for that alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterctl.conf.tablefiles import tables


@pytest.mark.parametrize(
    ("statement", "kind", "alone"),
    [
        ('filter "f" phase connect match src <t> disconnect "550 no"', "address", True),
        ('filter f phase mail-from match mail-from <t> reject "550 no"', "from", True),
        ('filter f phase connect match rdns <t> disconnect "550 no"', "host", True),
        ('filter f phase connect match !rdns src <t> disconnect "550 no"', "address", False),
        ('filter f phase mail-from match src <t> mail-from <t> reject "550 no"', "address", False),
        ('filter f phase connect match !src <t> disconnect "550 no"', "", False),
        ("filter f phase connect match src <t> junk", "", False),
        ('filter "unused" phase connect match src <t> disconnect "550 no"', "", False),
        ("match from src <t> for any reject", "address", True),
        ("match for any from src <t> reject", "address", True),
        ("match from rdns <t> for any reject", "host", True),
        ("match from any mail-from <t> for any reject", "from", True),
        ("match mail-from <t> for any reject", "from", False),
        ("match from src <t> reject", "address", False),
        ('match from src <t> for domain "example.org" reject', "address", False),
        ("match auth from src <t> for any reject", "address", False),
        ("match tls from src <t> for any reject", "address", False),
        ("match from any mail-from <t> !for any reject", "from", False),
        ("match from ! src <t> for any reject", "", False),
        ("match from src <t> for any action relay", "", False),
        ("match from src <inline> for any reject", "", False),
        ("match from src <database> for any reject", "", False),
    ],
)
def test_a_table_refuses_alone_or_with_other_conditions_or_not_at_all(
    tmp_path: Path, statement: str, kind: str, alone: bool
) -> None:
    conf = tmp_path / "smtpd.conf"
    conf.write_text(
        f"table t file:/etc/mail/t\ntable inline {{ 192.0.2.1 }}\ntable database db:/etc/mail/t.db\n{statement}\n"
    )
    found = tables(str(conf), {"f"})
    assert found.name_of("/etc/mail/t") == "t"
    assert [(each.name, each.path, each.place.line, each.alone) for each in found.refusing[:1]] == (
        [("t", "/etc/mail/t", 4, alone)] if kind else []
    )
    assert {each.kind for each in found.refusing[:1]} == ({kind} if kind else set())


def test_a_table_without_a_scheme_is_a_file_and_includes_are_read(tmp_path: Path) -> None:
    conf = tmp_path / "smtpd.conf"
    (tmp_path / "more.conf").write_text("table t /etc/mail/t\n")
    conf.write_text(f'include "{tmp_path}/more.conf"\nmatch from src <t> for any reject\n')
    (found,) = tables(str(conf), set()).refusing
    assert (found.path, found.alone) == ("/etc/mail/t", True)
