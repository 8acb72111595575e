"""Tools to test filters without smtpd: see `player` for a test in five lines, filter_api(3) for the rest."""

from filter_api.testing.client import Client, Outcome, Reply
from filter_api.testing.clock import FakeTimeLoop
from filter_api.testing.dns import FakeZone, Slow
from filter_api.testing.oracle import Oracle, SmtpdError, WouldHang, WouldKillSmtpd, WouldMislead, WouldWedgeSmtpd
from filter_api.testing.player import Player
from filter_api.testing.scanners import FakeScanner
from filter_api.testing.transcript import Transcript, Wire

__all__ = [
    "Client",
    "FakeScanner",
    "FakeTimeLoop",
    "FakeZone",
    "Oracle",
    "Outcome",
    "Player",
    "Reply",
    "Slow",
    "SmtpdError",
    "Transcript",
    "Wire",
    "WouldHang",
    "WouldKillSmtpd",
    "WouldMislead",
    "WouldWedgeSmtpd",
]
