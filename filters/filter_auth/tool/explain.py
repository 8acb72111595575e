"""``filterctl auth explain``: a message as filter-auth would see it from this client, and what each -p makes of it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from filter_api import trust
from filter_api.dkim.fields import split
from filter_api.dkim.verify import blocks_of, with_crlf
from filter_api.dmarc.evaluate import Dmarc
from filter_api.dmarc.walk import Records
from filter_api.errors import UsageError, named
from filter_api.net.dns import Resolver
from filter_api.net.rdns import Finding, look_up
from filter_api.options import options_of
from filter_api.session import Session, Transaction
from filter_api.text.addresses import plain_address
from filter_api.text.escape import printable
from filter_auth.checks import Checked, Mail
from filter_auth.field import field_value
from filter_auth.filter import Authenticate
from filter_auth.options import Failing, Options, parse
from filter_auth.policy import rule
from filter_auth.tool.arguments import TEMPFAIL, resolver_of, show_records

SECONDS: Final = 30.0

OPTIONS: Final = """\
-a id        as of the filter
-c file      as of the filter
-f sender    the MAIL FROM (default the empty one)
-h helo      the HELO name
-i address   the address of the client
-l file      as of the filter
-n server    ask this name server, address or address@port
-v           show every question to the DNS
-z zone      ask this zone file, and no name server
"""


def explain(arguments: list[str], resolver: Resolver | None = None) -> int:
    """The verb. Raises UsageError and ConfigError; `resolver` is for tests."""
    options, files = options_of(arguments, OPTIONS)
    if "-i" not in options or len(files) > 1:
        raise UsageError("explain takes -i address and one file; without a file it reads the message from stdin")
    given = [word for letter in ("-a", "-c", "-l") if letter in options for word in (letter, options[letter])]
    own, _ = parse(given)
    session = _session(options)
    asked = resolver or resolver_of(options)
    fields, body = split(_read(files[0] if files else "-"))
    mail = Mail(fields, blocks_of(body))
    return asyncio.run(_explain(own, session, mail, asked))


def _session(options: dict[str, str]) -> Session:
    try:
        address = plain_address(ip_address(options["-i"]))
    except ValueError:
        raise UsageError(f"-i takes an address, not '{printable(options['-i'], 40)}'") from None
    session = trust.client_at(address)
    session.identity = options.get("-h", "").encode("utf-8", "surrogateescape")
    session.transaction = Transaction()
    sender = options.get("-f", "").removeprefix("<").removesuffix(">")  # as the log has it, too
    session.transaction.sender = sender.encode("utf-8", "surrogateescape")
    return session


def _read(path: str) -> bytes:
    """A whole message, its line ends made CRLF. Raises ConfigError."""
    with named(path):
        if path == "-":
            return with_crlf(sys.stdin.buffer.read())
        with open(path, "rb") as file:
            return with_crlf(file.read())


async def _explain(own: Options, session: Session, mail: Mail, resolver: Resolver) -> int:
    deadline = asyncio.get_running_loop().time() + SECONDS
    await _name(session, resolver, deadline)
    filter_ = Authenticate(own, resolver)
    records = Records(resolver, deadline)
    checked = await filter_.look(session, mail, deadline, records)
    _show(checked, records)
    facts = await filter_.facts(session, mail, checked, deadline)
    print(f"vouched    {'yes' if facts.vouched else 'no: nothing would keep -p reject from refusing it'}")
    for failing in Failing:
        ruling = rule(facts, replace(own, failing=failing))
        said = ruling.reply.reply if ruling.reply else ruling.action.value
        print(f"-p {failing.value:<8}{said}{f' (by {ruling.override})' if ruling.override else ''}")
    value = field_value(filter_.own_id, checked, rule(facts, own))
    print(f"Authentication-Results: {value}")
    if checked.found is None:
        return 1
    return {Dmarc.PASS: 0, Dmarc.TEMPERROR: TEMPFAIL}.get(checked.found.result, 1)


async def _name(session: Session, resolver: Resolver, deadline: float) -> None:
    """The client's name, confirmed, as smtpd would report it."""
    if session.address is None:
        return
    found = await look_up(resolver, session.address, forward=True, deadline=deadline)
    if found.finding is Finding.CONFIRMED and found.names:
        session.rdns, session.fcrdns = found.names[0].encode("latin-1", "replace"), "pass"


def _show(checked: Checked, records: Records) -> None:
    weak = " (weak: anybody could have it)" if checked.spf == "pass" and not checked.strong else ""
    print(f"SPF        {checked.spf} of {checked.spf_domain or 'nobody'}{weak}")
    for outcome in checked.outcomes:
        print(f"DKIM       {outcome}")
    if not checked.outcomes:
        print("DKIM       none: the message has no signature")
    if checked.left_out:
        print(f"DKIM       {checked.left_out} more signatures are not judged")
    print(f"ARC        {checked.chain.result}{f': {checked.chain.reason}' if checked.chain.reason else ''}")
    print(f"author     {', '.join(checked.authors) or f'none: {checked.no_author}'}")
    show_records(records)
    found = checked.found
    if found is None:
        return
    print(f"DMARC      {found.result.value} of {found.author}{f': {found.reason}' if found.reason else ''}")
    if found.record_at:
        print(f"policy     {found.policy or 'none that is valid'}, by the record of {found.record_at}")
    if found.aligned:
        print(f"aligned    {', '.join(found.aligned)}")
