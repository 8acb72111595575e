"""What starts and is refused by nobody, and still does not do what was meant: pure rules over a configuration.

Each rule gives the place and a sentence with the remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from filterctl.conf.chains import Member, given, is_signer, name_of
from filterctl.conf.lexer import Place
from filterctl.conf.smtpdconf import Configuration, Use

Chains: TypeAlias = Sequence[tuple[Use, Sequence[Member]]]
"""The filters of each listener and relay action."""

_Wanted: TypeAlias = Callable[[Sequence[str]], bool]

_JUDGES_STRANGERS = ("filter-rdns", "filter-dyndns", "filter-greylist", "filter-dnsbl", "filter-lists")
_LOOPBACK = ("127.", "::1", "lo0", "localhost", "local")
_PLACEHOLDERS = ("change", "secret", "xxx", "key")


def advice(configuration: Configuration, chains: Chains) -> Iterator[tuple[Place, str]]:
    """All of it."""
    yield from _srs(configuration)
    yield from _untaught(configuration, chains)
    yield from _unsigned(configuration, chains)
    yield from _strangers(configuration, chains)
    yield from _unsealed(configuration, chains)


def _srs(configuration: Configuration) -> Iterator[tuple[Place, str]]:
    for place, key in configuration.srs:
        if key.lower().startswith(_PLACEHOLDERS):
            yield place, "this srs key stands in examples, so anybody can forge your addresses: openssl rand -hex 32"


def _untaught(configuration: Configuration, chains: Chains) -> Iterator[tuple[Place, str]]:
    """filter-greylist -o, which learns from the mail of our users."""
    for place, name in _where(configuration, chains, lambda command: "o" in given(command)):
        if not any(use.ours and _has(members, name) for use, members in chains if not use.outgoing):
            yield (
                place,
                f"filter {name}: -o learns nothing, as it stands on no listener of our own users and "
                "programs: put it there, too, on the submission listener and on the socket",
            )


def _unsigned(configuration: Configuration, chains: Chains) -> Iterator[tuple[Place, str]]:
    signers = [member.name for use, members in chains if not use.outgoing for member in members if is_signer(member)]
    on_socket = [members for use, members in chains if use.where == "socket" and not use.outgoing]
    if signers and not any(is_signer(member) for members in on_socket for member in members):
        name = signers[0]
        yield (
            configuration.socket or configuration.filters[name].place,
            f'mail of programs on this host (cron, bounces) is not signed by {name}: listen on socket filter "{name}"',
        )


def _unsealed(configuration: Configuration, chains: Chains) -> Iterator[tuple[Place, str]]:
    """filter-dkimsign -A, which seals what filter-auth has judged before it."""
    sealers: dict[str, bool] = {}
    for use, members in chains:
        judged = False
        for member in members if not use.outgoing else ():
            for command in member.commands:
                judged = judged or name_of(command) == "filter-auth"
                if name_of(command) == "filter-dkimsign" and "A" in given(command):
                    sealers[member.name] = sealers.get(member.name, False) or judged
    for name in (name for name, judged in sealers.items() if not judged):
        yield (
            configuration.filters[name].place,
            f"filter {name}: -A seals nothing, as no filter-auth stands before it: put it there, on the same listener",
        )


def _strangers(configuration: Configuration, chains: Chains) -> Iterator[tuple[Place, str]]:
    """Clients that smtpd relays for, judged as strangers."""
    relayed = [(place, source) for place, source in configuration.relayed if not source.startswith(_LOOPBACK)]
    if not relayed:
        return
    at, source = relayed[0]
    for place, name in _where(configuration, chains, lambda command: "N" not in given(command)):
        if any(use.open and _has(members, name) for use, members in chains if not use.outgoing):
            yield (
                place,
                f"filter {name}: smtpd relays for {source} ({at}), whom this filter judges as strangers: "
                "name them with -N",
            )


def _where(configuration: Configuration, chains: Chains, wanted: _Wanted) -> Iterator[tuple[Place, str]]:
    """Place and name of each filter one of whose commands is wanted, once."""
    names = dict.fromkeys(
        member.name
        for _, members in chains
        for member in members
        if any(name_of(command) in _JUDGES_STRANGERS and wanted(command) for command in member.commands)
    )
    for name in names:
        yield configuration.filters[name].place, name


def _has(members: Sequence[Member], name: str) -> bool:
    return any(member.name == name for member in members)
