"""Option -l: lists in the DNS say who has to wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from filter_api.figures import Figure
from filter_api.net.dns import Resolver
from filter_api.net.dnsbl import Entry, Lists, SelfTests, Tally, parse_entry, subject_of_address
from filter_api.text.addresses import Address


class ListedClients:
    """Asks the lists about clients. `tests` is shared with whoever asks lists in this process."""

    def __init__(
        self,
        entries: Sequence[Entry],
        resolver: Resolver,
        tests: SelfTests,
        tell: Callable[[str, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._entries = entries
        self._lists = Lists(resolver, tests, tell, clock)

    def figures(self) -> list[Figure]:
        """What the lists said."""
        return self._lists.figures()

    async def waits(self, address: Address, deadline: float) -> bool | None:
        """Whether a client waits: it is listed, or no list answers. False: it is welcome; None: no list knows it.

        `deadline` is a time of the event loop.
        """
        inquiry = self._lists.inquiry()
        inquiry.ask(self._entries, [subject_of_address(address)])
        try:
            await inquiry.wait(lambda: _is_settled(inquiry.tally()), deadline)
            tally = inquiry.tally()
        finally:
            inquiry.close()
        if tally.all_failed and tally.low != tally.high:
            return True
        return tally.points > 0 if tally.points else None


def parse_client_list(text: str) -> Entry:
    """A list of clients, as filter-dnsbl(8) writes it. Raises ValueError."""
    entry = parse_entry(text, keys=None)
    if entry.where != "c":
        raise ValueError(f"{text}: lists are asked about the client's address here; leave /{entry.where} away")
    return entry


def _is_settled(tally: Tally) -> bool:
    """Whether nothing that is still open changes the sign of the sum."""
    return tally.low > 0 or tally.high < 0 or tally.low == tally.high
