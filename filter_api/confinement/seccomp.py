"""seccomp(2): system calls that a filter never makes are refused, as a program of classic BPF that the kernel runs.

    install(kernel, machine, program(machine, needs, os.getpid()))

It is a list of what is refused, not of what is allowed: which calls Python, SQLite and the C library make differs from
version to version, and a call that is missing in a list would end a mail server. What is refused fails with EPERM and
the process goes on: smtpd ends with its filters, so a filter that is killed is a mail server that is out of order.

Calls whose answer does not depend on their arguments cost nothing (the kernel keeps a bitmap of them), the others some
50 ns; none of them is made for a line of a message.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from filter_api.confinement.kernel import Kernel, address_of
from filter_api.confinement.needs import Needs
from filter_api.confinement.syscalls import Machine

_MODE_FILTER: Final = 1
_FOR_ALL_THREADS: Final = 1  # SECCOMP_FILTER_FLAG_TSYNC

_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_NUMBER: Final = 0  # offsets in struct seccomp_data
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

_CLONE_THREAD: Final = 0x10000
_MSG_FASTOPEN: Final = 0x20000000
_TYPE_MASK: Final = 0xF
_PROTOCOLS: Final = (0, socket.IPPROTO_TCP, socket.IPPROTO_UDP)
"""Others (MPTCP, SCTP) speak past the rules of Landlock."""

_LISTENING: Final = ("listen", "accept", "accept4")
_BY_PATH: Final = frozenset({"chmod", "fchmodat", "fchmodat2"})
_SPECIAL: Final = frozenset(
    {"socket", "sendto", "sendmsg", "sendmmsg", "clone", "clone3", "kill", "tgkill", "bind", *_LISTENING, *_BY_PATH}
)


class Instruction(NamedTuple):
    """struct sock_filter."""

    code: int
    yes: int
    no: int
    value: int


def _argument(number: int) -> Instruction:
    """Load the low half of an argument; the machines known here are little-endian."""
    return Instruction(_LOAD, 0, 0, _ARGUMENTS + 8 * number)


def _answer(value: int) -> Instruction:
    return Instruction(_RETURN, 0, 0, value)


_YES: Final = _answer(_ALLOW)
_NO: Final = _answer(_ERRNO | errno.EPERM)


def _one_of(values: Iterable[int], refused: Instruction = _NO) -> list[Instruction]:
    """Go on if what is loaded is one of these; else refuse."""
    wanted = list(values)
    steps = [Instruction(_EQUAL, len(wanted) - at, 0, value) for at, value in enumerate(wanted)]
    return [*steps, refused]


def _without_bits(argument: int, bits: int) -> list[Instruction]:
    return [_argument(argument), Instruction(_ANY_BIT, 0, 1, bits), _NO, _YES]


def _socket_rule(needs: Needs) -> list[Instruction]:
    """Streams, and datagrams where they are needed, of such families: no raw packets, no netlink, no other protocol."""
    families = [*([socket.AF_UNIX] if needs.unix else []), *([socket.AF_INET, socket.AF_INET6] if needs.inet else [])]
    datagrams = needs.dns or needs.names or needs.unix  # syslogd takes them, too
    unknown = _answer(_ERRNO | errno.EAFNOSUPPORT)  # as if the kernel had none: the C library knows what to do
    return [
        _argument(0),
        *_one_of(families, unknown),
        _argument(1),
        Instruction(_AND, 0, 0, _TYPE_MASK),
        *_one_of([socket.SOCK_STREAM, *([socket.SOCK_DGRAM] if datagrams else [])]),
        _argument(2),
        *_one_of(_PROTOCOLS),
        _YES,
    ]


def _rules(needs: Needs, pid: int) -> dict[str, list[Instruction]]:
    """What is said of calls whose arguments matter, or the needs."""
    own = [_argument(0), *_one_of((pid,)), _YES]  # signals to this process
    listens = [_YES if needs.listens else _NO]
    return {
        "sendto": _without_bits(3, _MSG_FASTOPEN),  # connects past Landlock
        "sendmsg": _without_bits(2, _MSG_FASTOPEN),
        "sendmmsg": _without_bits(3, _MSG_FASTOPEN),
        "socket": _socket_rule(needs),
        "clone": [_argument(0), Instruction(_ANY_BIT, 1, 0, _CLONE_THREAD), _NO, _YES],
        "clone3": [_answer(_ERRNO | errno.ENOSYS)],  # its flags are out of reach: the C library falls back to clone
        "kill": own,
        "tgkill": own,
        "bind": [
            _YES if needs.listens or needs.dns or needs.names else _NO
        ],  # name servers are asked from random ports
        **dict.fromkeys(_LISTENING, listens),
        **dict.fromkeys(_BY_PATH, listens),
    }


def program(machine: Machine, needs: Needs, pid: int) -> list[Instruction]:
    """What the kernel runs for each system call. pid: this process, which may send signals to itself."""
    numbers = machine.numbers
    steps = [
        Instruction(_LOAD, 0, 0, _ARCHITECTURE),
        Instruction(_EQUAL, 1, 0, machine.audit),
        _NO,  # calls by the ABI of another architecture
        Instruction(_LOAD, 0, 0, _NUMBER),
    ]
    if machine.foreign:
        steps += [Instruction(_AT_LEAST, 0, 1, machine.foreign), _NO]
    for name, rule in _rules(needs, pid).items():
        if name in numbers:
            steps += [Instruction(_EQUAL, 0, len(rule), numbers[name]), *rule]
    refused = sorted(number for name, number in numbers.items() if name not in _SPECIAL)
    for at, number in enumerate(refused):
        steps.append(Instruction(_EQUAL, len(refused) - at, 0, number))
    return [*steps, _YES, _NO]


def assembled(steps: Iterable[Instruction]) -> bytes:
    """The program as the kernel takes it."""
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def install(kernel: Kernel, machine: Machine, steps: list[Instruction]) -> None:
    """Hold all threads of the process to a program. PR_SET_NO_NEW_PRIVS must be set. Raises OSError."""
    code = assembled(steps)
    described = struct.pack("@HP", len(steps), address_of(code))  # struct sock_fprog
    failed = kernel.syscall(machine.seccomp, _MODE_FILTER, _FOR_ALL_THREADS, described)
    if failed:
        raise OSError(errno.EBUSY, f"thread {failed} cannot be confined")
