"""What filter-greylist measures is what its store holds and what has been removed from it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from filter_greylist.store.opening import open_spec
from filter_greylist.store.spec import parse_spec
from tests.filter_greylist.smtp import Smtpd


def told(smtpd: Smtpd) -> dict[str, float]:
    """Name and labels → value."""
    return {" ".join([each.name, *each.labels.values()]): each.value for each in smtpd.filter.figures()}


def test_records_by_kind_their_bounds_and_the_size_of_the_file(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-b", "50:2000:300:400") as smtpd:
        for number in range(5):
            smtpd.offer(f"192.0.{number}.1")
        smtpd.hands.advance(1500)
        assert smtpd.deliver("192.0.1.1")
        found = told(smtpd)
        assert (found["greylist_entries grey"], found["greylist_entries_limit grey"]) == (5, 2000)
        assert (found["greylist_entries white"], found["greylist_entries_limit white"]) == (1, 300)
        assert found["greylist_store_bytes"] > 4096
        assert (found["greylist_rounds"], found["greylist_round_seconds"], found["greylist_expired"]) == (0, 0, 0)


def test_what_expired_is_counted_with_the_end_of_each_round(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        for number in range(5):
            smtpd.offer(f"192.0.{number}.1")
        smtpd.hands.advance(5 * 3600)
        smtpd.loop.run_until_complete(smtpd.filter.upkeep.sweep())
        found = told(smtpd)
        assert (found["greylist_entries grey"], found["greylist_expired"]) == (0, 5)
        assert (found["greylist_rounds"], found["greylist_round_seconds"]) == (1, smtpd.hands.wall)
        assert [found[f"greylist_entries {kind}"] for kind in ("white", "trapped", "pair", "domain")] == [0, 0, 0, 0]


def test_with_redis_it_says_whether_that_is_there(tmp_path: Path) -> None:
    async def main() -> None:
        spec = f"redis://127.0.0.1:1/0?fallback={tmp_path}/greylist.db"
        store = open_spec(parse_spec(spec), lambda _text: None)
        await store.open()
        try:
            found = {" ".join([each.name, *each.labels.values()]): each.value for each in store.figures()}
            assert found["greylist_shared_up"] == 0, "nobody listens there"
            assert found["greylist_entries grey"] == 0
        finally:
            await store.close()

    asyncio.run(main())
