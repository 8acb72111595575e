"""Asks for what the C echo filter asks for: seven requests, each answered with proceed."""

from __future__ import annotations

from filter_api import Decision, Filter, Message, Proceed, Session, Verdict, main


class EventsFilter(Filter):
    """Decides nothing, in every phase."""

    name = "events"

    def on_connect(self, session: Session) -> Decision:
        return Proceed()

    def on_helo(self, session: Session, identity: bytes) -> Decision:
        return Proceed()

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        return Proceed()

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
        return Proceed()

    def on_message(self, session: Session, message: Message) -> Verdict:
        return Verdict()


if __name__ == "__main__":
    main(EventsFilter())
