"""The filter under test: takes every message whole, and lets it pass. It knows envelopes as they are reported."""

from __future__ import annotations

from filter_api import Filter, Message, Session, Verdict, main
from filter_api.wanted import Wanted


class ProceedFilter(Filter):
    """Decides nothing; what is left is the cost of the library."""

    name = "proceed"

    def wanted(self) -> Wanted:
        return super().wanted().as_reported()

    def on_message(self, session: Session, message: Message) -> Verdict:
        return Verdict()


if __name__ == "__main__":
    main(ProceedFilter())
