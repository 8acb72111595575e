"""Write filters for OpenSMTPD, filters that cannot take the mail server down.

A filter is a class with a hook for each phase it wants a say in, see `Filter` and filter_api(3)::

    from filter_api import Decision, Disconnect, Filter, Proceed, Session, main

    class RequireReverseDns(Filter):
        def on_connect(self, session: Session) -> Decision:
            if session.rdns is None:
                return Disconnect(550, "5.7.25", "no reverse DNS for your address")
            return Proceed()

    if __name__ == "__main__":
        main(RequireReverseDns())
"""

from filter_api.confinement.needs import Needs
from filter_api.context import Context
from filter_api.decision import (
    AddHeader,
    Decision,
    Disconnect,
    Edit,
    Failure,
    Junk,
    Proceed,
    Reject,
    RemoveHeader,
    ReplaceHeader,
    Rewrite,
    Verdict,
)
from filter_api.errors import CannotCheck, ConfigError, UsageError
from filter_api.filter import Filter
from filter_api.log import Logger
from filter_api.message.header import Field, HeaderView
from filter_api.message.message import Message
from filter_api.options import COMMON_LETTERS, COMMON_OPTIONS, COMMON_USAGE, CommonOptions, parse_options
from filter_api.runtime.main import main
from filter_api.server import Server
from filter_api.session import PerSession, PerTransaction, Session, Transaction
from filter_api.version import VERSION
from filter_api.wanted import Wanted

__all__ = [
    "COMMON_LETTERS",
    "COMMON_OPTIONS",
    "COMMON_USAGE",
    "VERSION",
    "AddHeader",
    "CannotCheck",
    "CommonOptions",
    "ConfigError",
    "Context",
    "Decision",
    "Disconnect",
    "Edit",
    "Failure",
    "Field",
    "Filter",
    "HeaderView",
    "Junk",
    "Logger",
    "Message",
    "Needs",
    "PerSession",
    "PerTransaction",
    "Proceed",
    "Reject",
    "RemoveHeader",
    "ReplaceHeader",
    "Rewrite",
    "Server",
    "Session",
    "Transaction",
    "UsageError",
    "Verdict",
    "Wanted",
    "main",
    "parse_options",
]
