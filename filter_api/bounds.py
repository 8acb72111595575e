"""Every quantity a stranger chooses, with its bound: the one place that names them.

Bytes, lines, fields, recipients, sessions, names in DNS answers, records in stores, log text. Each constant says what
lies beyond it and why it is what it is; docs/design.md, "Bounds", has the table with what each costs at its bound.
What lies beyond is refused or cut, told once in the log, and costs nobody else.

Sources of what smtpd sets: OpenSMTPD's iobuf.c (IOBUF_MAX), lka_filter.c, smtp_session.c; seen on running daemons of
6.8 and 7.8.
"""

from __future__ import annotations

from typing import Final

# --- the protocol ----------------------------------------------------------------------------------------------------

#: A line to smtpd, newline included. One byte more and its lookup process spins for ever.
MAX_LINE_OUT: Final = 65_535

#: Head of a data line to smtpd: ``filter-dataline|`` + 16 + ``|`` + 16 + ``|``.
DATALINE_HEAD: Final = 50

#: Bytes of a message line that fit one line to smtpd with head and newline (65,536 would wedge it).
MAX_PAYLOAD: Final = 65_485

#: The same on smtpd before 7.4 (protocol below 0.7), which cuts every answer at 2047 bytes.
MAX_PAYLOAD_OLD: Final = 1_997

#: A line from smtpd that is longer than this is not kept: smtpd itself takes 65,535 bytes from a client.
MAX_LINE_IN: Final = 131_072

#: An SMTP reply, code included (RFC 5321, 4.5.3.1.5 allows 512 with CRLF).
MAX_REPLY: Final = 500

# --- envelopes and messages ------------------------------------------------------------------------------------------

#: Recipients of one transaction that are kept by name; more are counted.
MAX_RECIPIENTS: Final = 1_000

#: A header block that is looked at; what is longer is body to the filters.
MAX_HEADER: Final = 262_144

#: A message larger than this is spooled to a file.
SPOOL_ABOVE: Final = 1_048_576

#: Bytes of one block of text given to scanners, and of one step of a release.
BLOCK: Final = 65_536
