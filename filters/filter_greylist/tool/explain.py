"""``filterctl explain greylist``: what would happen to a delivery and why, told by the filter's own policy.

    filterctl explain greylist [options of filter-greylist] address from to [helo]

The options are those of the filter, so that its line of smtpd.conf can be pasted; what it noted in the store counts
where -G and -k are not given. Nothing is written. Exit status 1 means that the mail would be refused for now.
"""

from __future__ import annotations

import asyncio
import getopt
import time
from ipaddress import ip_address

from filter_api.errors import ConfigError, UsageError
from filter_api.net.dns import Resolver
from filter_api.net.vouching import Vouching
from filter_api.options import COMMON_LETTERS
from filter_api.text.addresses import domain_of, is_role_address, plain_address
from filter_api.text.escape import printable, unescape
from filter_greylist.ctl import open_as_owner, settings_of
from filter_greylist.deciding.judge import Case, question_of, tuple_of
from filter_greylist.deciding.trap import Traps
from filter_greylist.options import LETTERS, Options, parse
from filter_greylist.rules import policy
from filter_greylist.rules.key import normal_recipient
from filter_greylist.rules.policy import Delay, Facts, Known, Outcome, Pass
from filter_greylist.rules.records import Kind, Life, Record
from filter_greylist.store.base import Store, StoreError
from filter_greylist.tool.listing import in_words, typed

SECONDS = 10.0


def run(arguments: list[str], resolver: Resolver | None = None) -> int:
    """Explain one delivery; `resolver` is for tests. Raises UsageError and ConfigError."""
    try:
        options, rest = getopt.getopt(arguments, LETTERS + COMMON_LETTERS)
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    if not 3 <= len(rest) <= 4:
        raise UsageError("greylist takes an address, a sender and a recipient, and after them a HELO name")
    own, _ = parse(arguments[: len(arguments) - len(rest)])
    try:
        address = plain_address(ip_address(rest[0]))
    except ValueError:
        raise UsageError(f"{printable(rest[0], 60)} is no address") from None
    sender, recipient, helo = (unescape(typed(word).strip("<>")) for word in (*rest[1:], "")[:3])
    spec, store = open_as_owner(dict(options).get("-f", own.store.url))
    case = Case(address, sender, recipient, helo, listed=False, now=int(time.time()), deadline=0.0)
    try:
        return asyncio.run(_explain(store, own, case, resolver or Resolver(), given={key for key, _ in options}))
    except StoreError as error:
        raise ConfigError(f"{spec.shown}: {error}") from None


async def _explain(store: Store, own: Options, case: Case, resolver: Resolver, given: set[str]) -> int:
    await store.open()
    try:
        settings = await settings_of(store)
        own = own._replace(
            timers=own.timers if "-G" in given else settings.timers,
            prefixes=own.prefixes if "-k" in given else settings.prefixes,
        )
        outcome = await _judge(store, own, case, resolver)
    finally:
        await store.close()
    _say("outcome", _told(outcome))
    return 0 if isinstance(outcome, Pass) else 1


async def _judge(store: Store, own: Options, case: Case, resolver: Resolver) -> Outcome:
    """The steps of the filter's own judge, each told and none written."""
    if is_role_address(case.recipient):
        return Pass("role address")
    known = await store.consult(question_of(case))
    facts = Facts(
        null_sender=not case.sender,
        trap=Traps(own.traps, own.allowed).reason(normal_recipient(case.recipient)),
    )
    _say("known", _known(known, case.now))
    if (outcome := policy.of_client(known, facts, case.now)) is not None:
        return outcome
    facts = await _vouched(own, case, resolver, facts)
    if (outcome := policy.before_tuple(known, facts, case.now)) is not None:
        return outcome
    records = [await store.get(Kind.GREY, tuple_of(case, own.prefixes).key)]
    if facts.spf_strong:
        records.insert(0, await store.get(Kind.GREY, tuple_of(case, own.prefixes, vouched=True).key))
    record = next((each for each in records if each is not None and policy.alive(each.life, case.now)), None)
    _say("tuple", _tuple(record, case, facts))
    life = policy.advance(None if record is None else record.life, case.now, own.timers)
    return policy.on_tuple(life, facts, case.now, own.timers)


async def _vouched(own: Options, case: Case, resolver: Resolver, facts: Facts) -> Facts:
    from filter_api.net.spf import check_sender

    deadline = asyncio.get_running_loop().time() + SECONDS
    vouching = Vouching(resolver, time.monotonic, own.common)
    domain = await vouching.first_listed(case.address, case.helo, deadline)
    if domain is not None:
        _say("common", f"the client is in the SPF record of {printable(domain)}")
        return facts._replace(common=True)
    sender = case.sender or b""
    if sender and not domain_of(sender):
        return facts
    spf = await check_sender(resolver, case.address, sender, case.helo, deadline=deadline)
    words = [spf.result.value, spf.mechanism and f"by {spf.mechanism} of {spf.domain}", spf.why]
    strength = "which vouches for the client" if spf.strong else "which vouches for nobody"
    _say("spf", " ".join(word for word in words if word) + (f", {strength}" if spf.passed else ""))
    return facts._replace(spf_strong=spf.passed and spf.strong)


def _known(known: Known, now: int) -> str:
    lives: dict[str, Life | None] = known._asdict()
    found = [
        f"{what}, {'for ever' if life.expires > 2 * now else 'for ' + in_words(life.expires - now) + ' more'}"
        for what, life in lives.items()
        if life is not None and policy.alive(life, now)
    ]
    return "; ".join(found) or "nothing"


def _tuple(record: Record | None, case: Case, facts: Facts) -> str:
    owner = "the sender's domain" if facts.spf_strong else "the client's network"
    if record is None:
        return f"of {owner}: never seen"
    life = record.life
    text = f"of {owner}: first seen {in_words(case.now - life.first)} ago, refused {life.blocked} times"
    return f"{text}, passed {life.passed} times" if life.passed else text


def _told(outcome: Outcome) -> str:
    if isinstance(outcome, Pass):
        return f"let in ({outcome.reason})"
    if isinstance(outcome, Delay):
        return f"451, come back in {in_words(max(outcome.seconds, 60))} ({outcome.reason})"
    return f"refused, the client is {'trapped by this' if outcome.fresh else 'trapped'} ({outcome.reason})"


def _say(what: str, text: str) -> None:
    print(f"{what:<9}{printable(text, 900)}")
