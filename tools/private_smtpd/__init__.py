"""A private OpenSMTPD in namespaces of its own, for tests, the demo and benchmarks.

See `daemon`, and tests/smtpd/README.md for how tests use it.
"""

from .client import Client, Gone, Reply, dot_stuffed
from .daemon import SERVER, SERVER6, Smtpd
from .dns import DnsServer, Slow, Trouble, Zone
from .namespace import Namespace, Process, ProcessFacts, wait_until
from .systems import SYSTEMS, System, Unavailable, require

__all__ = [
    "SERVER",
    "SERVER6",
    "SYSTEMS",
    "Client",
    "DnsServer",
    "Gone",
    "Namespace",
    "Process",
    "ProcessFacts",
    "Reply",
    "Slow",
    "Smtpd",
    "System",
    "Trouble",
    "Unavailable",
    "Zone",
    "dot_stuffed",
    "require",
    "wait_until",
]
