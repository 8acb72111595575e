"""A client on a link of ours is a client like any other, and the name of the link is ours to keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.filter_greylist.smtp import Smtpd


@pytest.mark.parametrize("client", ["fe80::1%em0", "fe80::1%2", "fe80::1%vlan.100", "fe80::1"])
@pytest.mark.parametrize("options", [(), ("-F", "tempfail"), ("-v",)])
def test_it_is_asked_to_wait_like_any_other(client: str, options: tuple[str, ...], tmp_path: Path) -> None:
    with Smtpd(tmp_path, *options) as mx:
        assert mx.offer(client).startswith("451 4.7.1 greylisted")
        assert all("%" not in line for line in mx.log)
        assert any("client=fe80::1 " in line for line in mx.log)


def test_it_is_known_again_whatever_link_it_comes_by(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as mx:
        assert mx.offer("fe80::1%em0").startswith("451")
        mx.hands.advance(26 * 60)
        assert mx.offer("fe80::1%em1") == ""
