"""The program for seccomp says no to what a filter never does, on both machines; run by an interpreter of BPF."""

from __future__ import annotations

import errno
import struct

import pytest

from filter_api.confinement import seccomp
from filter_api.confinement.kernel import Kernel
from filter_api.confinement.needs import Needs
from filter_api.confinement.syscalls import MACHINES
from tests.support.bpf import ALLOWED, answer

X86, ARM = 0xC000003E, 0xC00000B7
PID = 4321
NOTHING = Needs()
DNS = Needs(dns=True)
SOCKETS = Needs(sockets=frozenset({"/run/clamd.sock"}))
CONTROL = Needs(listens=frozenset({"/run/control"}))
NO = errno.EPERM
UNIX, INET, INET6, NETLINK, PACKET, VSOCK = 1, 2, 10, 16, 17, 40
STREAM, DATAGRAM, RAW, CLOEXEC = 1, 2, 3, 0o2000000


def said(machine: str, needs: Needs, number: int, *arguments: int, architecture: int | None = None) -> str | int:
    code = seccomp.assembled(seccomp.program(MACHINES[machine], needs, PID))
    return answer(code, MACHINES[machine].audit if architecture is None else architecture, number, *arguments)


#: What a filter never does, by the numbers of x86-64 and aarch64; None where a machine has no such call.
NEVER = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "sethostname": (170, 161),
    "setuid": (105, 146),
    "setresuid": (117, 147),
    "setgroups": (116, 159),
    "capset": (126, 91),
    "personality": (135, 92),
    "open_by_handle_at": (304, 265),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "truncate": (76, 45),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
}

#: What every filter does: read, write, openat, mmap, futex, epoll_wait or epoll_pwait, sendto, recvfrom, exit_group.
ALWAYS = {"x86_64": (0, 1, 257, 9, 202, 232, 44, 45, 231), "aarch64": (63, 64, 56, 222, 98, 22, 206, 207, 94)}


@pytest.mark.parametrize("name", NEVER)
def test_what_no_filter_does_is_refused(name: str) -> None:
    for machine, number in zip(("x86_64", "aarch64"), NEVER[name], strict=True):
        if number is not None:
            assert said(machine, DNS | SOCKETS | CONTROL, number) == NO


@pytest.mark.parametrize("machine", ALWAYS)
def test_what_every_filter_does_is_allowed(machine: str) -> None:
    assert [said(machine, NOTHING, number) for number in ALWAYS[machine]] == [ALLOWED] * 9


@pytest.mark.parametrize(("machine", "clone"), [("x86_64", 56), ("aarch64", 220)])
def test_threads_are_started_and_processes_are_not(machine: str, clone: int) -> None:
    thread = 0x3D0F00  # what pthread_create(3) of glibc asks for
    assert said(machine, NOTHING, clone, thread) == ALLOWED
    assert said(machine, NOTHING, clone, 17) == NO  # fork(3): SIGCHLD
    assert said(machine, NOTHING, clone, 0x4111) == NO  # posix_spawn(3): CLONE_VM | CLONE_VFORK | SIGCHLD
    assert said(machine, NOTHING, 435) == errno.ENOSYS  # clone3: the C library takes clone then


@pytest.mark.parametrize(("machine", "kill", "tgkill"), [("x86_64", 62, 234), ("aarch64", 129, 131)])
def test_signals_go_to_the_process_itself_only(machine: str, kill: int, tgkill: int) -> None:
    assert said(machine, NOTHING, kill, PID, 15) == ALLOWED
    assert said(machine, NOTHING, tgkill, PID, PID + 1, 6) == ALLOWED
    assert [said(machine, NOTHING, kill, other, 15) for other in (1, PID + 1, 0, 0xFFFFFFFF)] == [NO] * 4
    assert said(machine, NOTHING, tgkill, 1, 1, 9) == NO


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 41), ("aarch64", 198)])
@pytest.mark.parametrize(
    ("needs", "families"),
    [(NOTHING, set()), (DNS, {INET, INET6}), (SOCKETS, {UNIX}), (DNS | SOCKETS, {UNIX, INET, INET6})],
)
def test_sockets_are_of_the_families_that_are_needed(
    machine: str, number: int, needs: Needs, families: set[int]
) -> None:
    for family in (UNIX, INET, INET6, NETLINK, PACKET, VSOCK, 38):
        wanted = ALLOWED if family in families else errno.EAFNOSUPPORT
        assert said(machine, needs, number, family, STREAM | CLOEXEC, 0) == wanted


@pytest.mark.parametrize(
    ("kind", "protocol", "wanted"),
    [
        (STREAM, 0, ALLOWED),
        (STREAM, 6, ALLOWED),
        (DATAGRAM | CLOEXEC, 17, ALLOWED),
        (RAW, 0, NO),
        (RAW, 1, NO),
        (STREAM, 262, NO),  # MPTCP
        (STREAM, 132, NO),  # SCTP
        (5, 0, NO),  # SOCK_SEQPACKET
    ],
)
def test_sockets_speak_tcp_and_udp_only(kind: int, protocol: int, wanted: str | int) -> None:
    assert said("x86_64", DNS, 41, INET, kind, protocol) == wanted


def test_who_only_talks_to_a_scanner_sends_no_datagrams() -> None:
    scanner = Needs(ports=frozenset({783}))
    assert said("x86_64", scanner, 41, INET, STREAM, 0) == ALLOWED
    assert said("x86_64", scanner, 41, INET, DATAGRAM, 0) == NO
    assert said("x86_64", scanner | SOCKETS, 41, UNIX, DATAGRAM, 0) == ALLOWED


@pytest.mark.parametrize(("number", "position"), [(44, 3), (46, 2), (307, 3)])
def test_tcp_fast_open_does_not_get_past_the_rules_for_connecting(number: int, position: int) -> None:
    flags = [0] * 6
    flags[position] = 0x20000000
    assert said("x86_64", DNS, number, *flags) == NO
    flags[position] = 0x4000  # MSG_NOSIGNAL
    assert said("x86_64", DNS, number, *flags) == ALLOWED


@pytest.mark.parametrize(
    ("call", "control", "dns", "nothing"),
    [
        (50, ALLOWED, NO, NO),  # listen
        (43, ALLOWED, NO, NO),  # accept
        (288, ALLOWED, NO, NO),  # accept4
        (49, ALLOWED, ALLOWED, NO),  # bind
        (90, ALLOWED, NO, NO),  # chmod
        (268, ALLOWED, NO, NO),  # fchmodat
        (452, ALLOWED, NO, NO),  # fchmodat2
    ],
)
def test_only_a_filter_with_a_control_socket_listens(
    call: int, control: str | int, dns: str | int, nothing: str | int
) -> None:
    assert [said("x86_64", needs, call) for needs in (CONTROL, DNS, NOTHING)] == [control, dns, nothing]


def test_the_numbers_of_another_abi_are_no_way_out() -> None:
    assert said("x86_64", NOTHING, 11, architecture=0x40000003) == NO  # execve of i386, by int 0x80
    assert said("x86_64", NOTHING, 0x40000000 + 520) == NO  # execve of x32
    assert said("aarch64", NOTHING, 11, architecture=0x40000028) == NO  # execve of 32-bit ARM


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_kernel_would_take_the_program(machine: str) -> None:
    """At most 4096 steps, each jump forward and to a step that is there, a return at the end (linux/filter.h)."""
    code = seccomp.assembled(seccomp.program(MACHINES[machine], DNS | SOCKETS, PID))
    steps = [struct.unpack_from("<HBBI", code, at) for at in range(0, len(code), 8)]
    assert 100 < len(steps) < 4096
    assert steps[-1][0] == 0x06
    for at, (kind, yes, no, _) in enumerate(steps):
        if kind & 0x07 == 0x05:
            assert at + 1 + max(yes, no) < len(steps)


class Deaf(Kernel):
    """A kernel that cannot confine one of the threads."""

    def syscall(self, number: int, *arguments: int | bytes | None) -> int:
        assert number == 317
        assert arguments[:2] == (1, 1)
        return 77

    def prctl(self, option: int, value: int) -> int:
        raise NotImplementedError


def test_a_thread_that_cannot_be_confined_is_an_error() -> None:
    with pytest.raises(OSError, match="thread 77 cannot be confined"):
        seccomp.install(Deaf(), MACHINES["x86_64"], seccomp.program(MACHINES["x86_64"], NOTHING, PID))
